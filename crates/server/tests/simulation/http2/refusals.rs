//! What is refused below the application over HTTP/2, as over HTTP/1.1.

use sockeye_http2::{EndStream, ErrorCode};
use sockeye_server::Limits;

use super::client::Client;
use crate::simulation::stage::Stage;

/// What the server says of a head that is over its bounds.
const TOO_LARGE: &str = "the head is over 16384 bytes or 100 fields";

fn stage() -> Stage {
    let mut stage = Stage::new(1 << 20, |limits: &mut Limits| limits.body_bytes_max = 100);
    stage.server.app_mut().words = true;
    stage
}

/// A path, other fields, and the status and the body of the answer.
type Case<'a> = (String, &'a [(&'static str, &'a str)], u16, String);

/// A path of `len` bytes.
fn path(len: usize) -> String {
    format!("/a?{}", "x".repeat(len - 3))
}

/// A target over HTTP/1.1's bound is 414, and an unknown expectation 417, before any content. Others go on.
/// [server:http2-refusals] [rfc9110:10.1.1-unknown-expectation]
#[test]
fn heads_are_refused_as_over_http1() {
    let long = "x".repeat(20_000);
    let most = Limits::default().http.target_bytes_max;
    let target = "the request-target is too long";
    let expects = [("Expect", "100-continue, more")];
    let large = [("X-Long", long.as_str())];
    let cases: [Case<'_>; 6] = [
        (path(most), &[], 200, "/a".to_owned()),
        (path(most + 1), &[], 414, format!("414 /a {target}")),
        (path(20_000), &[], 414, format!("414 - {target}")),
        (path(most + 1), &large, 414, format!("414 - {target}")),
        (path(most), &large, 431, format!("431 - {TOO_LARGE}")),
        ("/a".to_owned(), &expects, 417, "417 /a unknown expectation".to_owned()),
    ];
    let mut stage = stage();
    let mut client = Client::connect(&mut stage);
    let held = client.get(&mut stage, "/hold");
    for (path, fields, status, body) in cases {
        for (method, end) in [
            ("GET", EndStream::Yes),
            ("HEAD", EndStream::Yes),
            ("POST", if status == 200 { EndStream::Yes } else { EndStream::No }),
        ] {
            let stream = client.send(method, &path, fields, end);
            client.pump(&mut stage);
            let got = &client.got[&stream];
            let body = if method == "HEAD" { "" } else { &body };
            assert_eq!((got.status, got.ended), (status, true), "{method} {} bytes", path.len());
            assert_eq!(got.text(), body, "{method}");
            assert_ne!(got.fields["content-length"], "0", "{method}");
            stage.pass(Limits::default().close_ms + 20);
            client.pump(&mut stage);
            // Only a client that might still send is told to stop (RFC 9113 §8.1).
            let told = (status != 200 && method == "POST").then_some(ErrorCode::NO_ERROR);
            assert_eq!(client.got[&stream].reset, told, "{method} {status}");
        }
    }
    assert_eq!((client.goaway, client.got[&held].status), (None, 0));
    assert_eq!(stage.server.stats().refused, 15);
}

/// [server:http2-refusals] [server:refusal-words]
#[test]
fn the_application_knows_whose_content_is_refused() {
    let mut stage = stage();
    let mut client = Client::connect(&mut stage);
    let large = client.send("POST", "/large", &[], EndStream::No);
    client.write(large, &[b'x'; 101], EndStream::No);
    client.pump(&mut stage);
    let got = &client.got[&large];
    assert_eq!((got.status, got.text()), (413, "413 /large the body is over 100 bytes".to_owned()));
    let mut client = Client::connect(&mut stage);
    let late = client.send("POST", "/late", &[], EndStream::No);
    client.pump(&mut stage);
    // The connection is pinged before.
    stage.pass(Limits::default().ping_ms + 20);
    stage.pass(Limits::default().body_ms - Limits::default().ping_ms);
    client.pump(&mut stage);
    let got = &client.got[&late];
    let worded = "408 /late the body did not come in time".to_owned();
    assert_eq!((got.status, got.text()), (408, worded));
}

/// Content that is refused changes no other deadline. [server:http2-content]
#[test]
fn content_is_late_beside_another_that_was_refused() {
    let mut stage = stage();
    let mut client = Client::connect(&mut stage);
    let large = client.send("POST", "/large", &[], EndStream::No);
    client.write(large, &[b'x'; 101], EndStream::No);
    client.pump(&mut stage);
    assert_eq!(client.got[&large].status, 413);
    let late = client.send("POST", "/late", &[], EndStream::No);
    client.pump(&mut stage);
    stage.pass(Limits::default().ping_ms + 20);
    client.pump(&mut stage);
    stage.pass(Limits::default().body_ms - Limits::default().ping_ms);
    client.pump(&mut stage);
    assert_eq!(client.got[&late].status, 408);
}
