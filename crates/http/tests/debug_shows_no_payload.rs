//! Queries and header values never reach a log through `Debug`.

use core::fmt::Debug;

use sockeye_http::{HeaderLine, HeaderValue, Headers, Method, QueryPairs, RequestHead, Target};

/// Neither the text itself nor its bytes as a derived `Debug` writes them.
fn assert_silent(value: &impl Debug) {
    let shown = format!("{value:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("104, 117, 110"), "{shown}");
}

#[test]
fn queries_are_not_shown() {
    assert_silent(&Target::origin("/?token=hunter2").expect("a valid target"));
    assert_silent(&Target::absolute("http", "a", "/?token=hunter2").expect("a valid target"));
    assert_silent(&QueryPairs::new("token=hunter2"));
}

#[test]
fn heads_show_no_values() {
    let lines = [HeaderLine { name: b"Cookie", value: b"hunter2" }];
    let target = Target::origin("/?token=hunter2").expect("a valid target");
    assert_silent(&lines);
    assert_silent(&Headers::new(&lines));
    assert_silent(&RequestHead::new(Method::GET, target, Headers::new(&lines)));
    assert_silent(&HeaderValue::from_static("hunter2"));
}
