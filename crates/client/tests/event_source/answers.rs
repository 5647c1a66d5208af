//! Answers that are no stream.

use serde::Deserialize;
use sockeye_client::{Error, Limits};

use crate::event_source::rig::{Rig, STREAM, Told, options};

#[derive(Deserialize)]
struct File {
    http: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    status: u16,
    content_type: Option<String>,
    location: Option<String>,
    expect: String,
    then: Option<String>,
}

/// [html:9.2.3-announce] [html:9.2.3-fail] The project's cases of first responses.
#[test]
fn first_responses() {
    let file = include_str!("../../../sse/tests/vectors/event-stream.json");
    let file: File = serde_json::from_str(file).expect("the vector format");
    assert!(file.http.len() > 20);
    for case in file.http {
        let mut head = format!("HTTP/1.1 {} Any\r\n", case.status);
        let lines = [("Content-Type", &case.content_type), ("Location", &case.location)];
        for (name, value) in lines {
            head.extend(value.iter().map(|value| format!("{name}: {value}\r\n")));
        }
        let mut rig = Rig::new(options("http://a.test/s"));
        rig.connect();
        rig.says(format!("{head}\r\n"));
        if case.location.as_ref().is_some_and(|location| !location.is_empty()) {
            rig.connect();
            rig.says(STREAM);
        }
        // Of an answer that is refused, the end of the connection is the end of the body.
        if case.then.is_some() || case.expect == "fail" {
            rig.ends(Error::Ended);
        }
        let told = rig.take();
        let fits = matches!(
            (case.expect.as_str(), told.as_slice()),
            ("open", [Told::Open(_)])
                | ("fail", [Told::Failed(Error::Refused(_))])
                | ("reconnect", [Told::Open(_), Told::Lost(Error::Ended, 3000)])
                | ("network-error", [Told::Lost(Error::Redirect, 3000)])
        );
        assert!(fits, "{}: {told:?}", case.name);
    }
}

/// The whole answer is told, so that a user learns what the server has against it.
#[test]
fn a_refusal_has_its_head_and_its_body() {
    let answer = "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\n\
        X-Request: 7\r\nContent-Length: 21\r\n\r\n{\"error\":\"wrong key\"}, more";
    for cut in 0..answer.len() - 6 {
        let mut rig = Rig::new(options("http://a.test/s"));
        rig.connect();
        rig.says(&answer[..cut]);
        assert_eq!(rig.take(), [], "the body has not come");
        rig.says(&answer[cut..]);
        let refusal = rig.take_refusal();
        assert_eq!(refusal.status.code(), 401);
        assert_eq!(refusal.header("x-request"), Some("7"));
        assert_eq!(refusal.body, b"{\"error\":\"wrong key\"}");
        assert_eq!(rig.wants(), None);
    }
}

/// The head of a 200 shows its fault, and its body may have no end.
#[test]
fn another_type_than_that_of_a_stream_is_told_at_the_head() {
    for lines in [
        "Content-Type: text/plain\r\n",
        "",
        "Content-Type: text/event-stream\r\nContent-Encoding: gzip\r\n",
        "Content-Type: text/html\r\nContent-Length: 99\r\n",
        "Content-Type: text/html\r\nTransfer-Encoding: chunked\r\n",
    ] {
        for body in ["", "data: x\n\n"] {
            let mut rig = Rig::new(options("http://a.test/s"));
            rig.connect();
            rig.says(format!("HTTP/1.1 200 OK\r\n{lines}\r\n{body}"));
            let refusal = rig.take_refusal();
            // However the bytes are cut, the same is told.
            assert_eq!((refusal.status.code(), &*refusal.body), (200, &b""[..]), "{lines}");
            assert_eq!(rig.wants(), None);
        }
    }
}

/// A body that does not end, or not well, or is large, is told as far as it was taken.
#[test]
fn a_refusal_does_not_wait_for_ever_and_holds_no_more_than_its_bound() {
    let mut limits = Limits::DEFAULT;
    limits.refusal_bytes_max = 10;
    let refused = |head: &str| {
        let mut rig = Rig::with(options("http://a.test/s"), limits);
        rig.connect();
        rig.says(format!("HTTP/1.1 403 Forbidden\r\n{head}\r\n"));
        rig
    };
    let mut slow = refused("");
    slow.says("never");
    slow.pass(2_999);
    assert_eq!(slow.take(), []);
    slow.pass(1);
    assert_eq!(slow.take_refusal().body, b"never");

    let mut large = refused("Content-Length: 99\r\n");
    large.says("0123456789abc");
    assert_eq!(large.take_refusal().body, b"0123456789");

    let mut broken = refused("Transfer-Encoding: chunked\r\n");
    broken.says("2\r\nno\r\nbroken");
    assert_eq!(broken.take_refusal().body, b"no");

    let mut cut = refused("Content-Length: 9\r\n");
    cut.says("cut");
    cut.ends(Error::Ended);
    assert_eq!(cut.take_refusal().body, b"cut");
}

/// [sse:content-coding] A stream that nobody could read is refused, and not read as garbage.
#[test]
fn a_coded_body_is_refused() {
    for (lines, is_open) in [
        ("Content-Encoding: gzip\r\n", false),
        ("Content-Encoding: identity, br\r\n", false),
        ("Content-Encoding: identity\r\n", true),
        ("Content-Encoding:\r\n", true),
    ] {
        let mut rig = Rig::new(options("http://a.test/s"));
        rig.connect();
        rig.says(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{lines}Content-Length: 9\r\n\r\n"
        ));
        rig.ends(Error::Ended);
        let told = rig.take();
        let opened = matches!(told[0], Told::Open(_));
        assert_eq!(opened, is_open, "{lines}: {told:?}");
        if let Told::Failed(why) = &told[0] {
            assert!(why.to_string().contains("gzip") || lines.contains("br"), "{why}");
        }
    }
}

/// A network error, so it is asked for again: what is no HTTP, and heads beyond the limits.
#[test]
fn what_is_no_answer_is_a_loss() {
    let endless = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 20_000]].concat();
    let interim = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(9);
    let rows: [&[u8]; 4] = [b"SSH-2.0-nonsense\r\n\r\n", b"HTTP/3 200\r\n\r\n", &endless, &interim];
    for bytes in rows {
        let mut rig = Rig::new(options("http://a.test/s"));
        rig.connect();
        rig.says(bytes);
        let told = rig.take_one();
        assert!(
            matches!(&told, Told::Lost(Error::Http(_) | Error::InterimResponses, 3000)),
            "{told:?}"
        );
        rig.wait_out(3000);
    }
}

/// Interim responses are passed over; a switch of protocols is an answer that nobody asked for.
#[test]
fn interim_responses() {
    let mut rig = Rig::new(options("http://a.test/s"));
    rig.connect();
    rig.says("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
    rig.says(STREAM);
    assert!(matches!(rig.take_one(), Told::Open(_)));

    let mut rig = Rig::new(options("http://a.test/s"));
    rig.connect();
    rig.says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n");
    assert_eq!(rig.take_refusal().status.code(), 101);
}
