//! A request as an application sees it: what it asks for, and what an answer says.

use sockeye_http::{
    Date, HeaderLine, HeaderName, HeaderValue, Headers, Method, QueryPairs, RequestHead, Status,
    Target,
};

const RETRY_AFTER: HeaderName<'_> = HeaderName::from_static("Retry-After");

fn main() {
    let lines = [
        HeaderLine { name: b"Accept", value: b"text/event-stream, text/plain;q=0.5" },
        HeaderLine { name: b"Cache-Control", value: b" no-cache " },
        HeaderLine { name: b"accept", value: b"*/*;q=0.1" },
    ];
    let target = Target::origin("/v1/sse?channel=a%20b&since=7").expect("a valid target");
    let target = target.with_host(Some("hub.example"));
    let head = RequestHead::new(Method::GET, target, Headers::new(&lines));

    println!("{} {} at {:?}", head.method(), head.path(), head.authority());
    for (name, value) in QueryPairs::new(head.query().unwrap_or_default()) {
        println!("  {name} = {value}");
    }
    for media_range in head.headers().tokens("Accept") {
        println!("  accepts {media_range}");
    }
    assert!(head.headers().has_token("cache-control", "no-cache"));

    // A value from a peer cannot inject a second header line.
    let value = HeaderValue::new("5\r\nSet-Cookie: stolen");
    println!("{}: {value:?}", RETRY_AFTER.as_str());
    let status = Status::SERVICE_UNAVAILABLE;
    println!("{status} {} on {:?}", status.reason(), Date::from_unix(784_111_777));
}
