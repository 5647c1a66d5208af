//! What the files of the Web Platform Tests' folder `eventsource/` ask of a client, in our own rendering: one test a
//! file, named after it. `WPT.md` beside the crate's README lists them with those that are a browser's business.

use sockeye_client::{EventSourceOptions, ReadyState, UsageError};

use crate::event_source::rig::{Rig, STREAM, Told, message, options};

/// What comes of a stream, its end left out.
fn stream(bytes: impl AsRef<[u8]>) -> Vec<Told> {
    let mut rig = Rig::open();
    rig.says(bytes);
    rig.ends(sockeye_client::Error::Ended);
    let mut told = rig.take();
    assert!(matches!(told.pop(), Some(Told::Lost(..))));
    told
}

fn data(texts: &[&str]) -> Vec<Told> {
    texts.iter().map(|text| message(text, "")).collect()
}

/// A source that has got this head, and nothing else.
fn answered(head: &str) -> Rig {
    let mut rig = Rig::new(options("http://a.test/s"));
    rig.connect();
    rig.says(format!("HTTP/1.1 {head}\r\nContent-Length: 9\r\n\r\ndata: x\n\n"));
    rig
}

fn is_open(mut rig: Rig) -> bool {
    let told = rig.take();
    matches!(told.as_slice(), [Told::Open(_), Told::Message(..), Told::Lost(..)])
}

/// Whether the source was failed for good, and nothing of the body was told.
fn is_failed(mut rig: Rig) -> bool {
    matches!(rig.take_one(), Told::Failed(_))
        && rig.machine.ready_state() == ReadyState::Closed
        && rig.wants().is_none()
}

#[test]
fn event_data() {
    assert_eq!(stream("data:a\ndata: b\n\n:\n\ndata\n\ndata:c\n\n"), data(&["a\nb", "", "c"]));
}

#[test]
fn eventsource_close() {
    let mut rig = Rig::new(options("http://a.test/s"));
    assert_eq!(rig.machine.ready_state(), ReadyState::Connecting);
    rig.connect();
    rig.says(STREAM);
    assert_eq!(rig.machine.ready_state(), ReadyState::Open);
    rig.machine.close();
    assert_eq!(rig.machine.ready_state(), ReadyState::Closed);
    // And the other half: two streams, then 204.
    let mut rig = Rig::open();
    for text in ["retry: 200\ndata: first\n\n", "data: second\n\n"] {
        rig.says(text);
        rig.ends(sockeye_client::Error::Ended);
        assert_eq!(rig.machine.ready_state(), ReadyState::Connecting);
        assert!(matches!(rig.take().pop(), Some(Told::Lost(_, 200))));
        rig.wait_out(200);
        rig.connect();
        rig.says(if text.contains("first") { STREAM } else { b"HTTP/1.1 204 No Content\r\n\r\n" });
    }
    assert!(is_failed(rig));
}

#[test]
fn eventsource_constructor_non_same_origin() {
    for url in ["ftp://a.test/", "about:blank", "mailto:a@b.test", "javascript:alert(1)"] {
        let error = EventSourceOptions::new(url).err();
        assert!(matches!(error, Some(UsageError::Scheme | UsageError::Url)), "{url}: {error:?}");
    }
}

#[test]
fn eventsource_constructor_url_bogus() {
    assert_eq!(EventSourceOptions::new("http://not a host/").err(), Some(UsageError::Url));
}

#[test]
fn eventsource_onmessage() {
    assert_eq!(stream("data: data\n\n"), data(&["data"]));
}

#[test]
fn eventsource_onopen() {
    let mut rig = Rig::new(options("http://a.test/s"));
    rig.connect();
    assert_eq!(rig.take(), []);
    rig.says(STREAM);
    assert_eq!(rig.take_one(), Told::Open("http://a.test/s".to_owned()));
}

#[test]
fn eventsource_reconnect() {
    let mut rig = Rig::open();
    rig.says("data: a\n\n");
    assert_eq!(rig.take_one(), message("a", ""));
    rig.ends(sockeye_client::Error::Ended);
    assert!(matches!(rig.take_one(), Told::Lost(_, 3000)));
    rig.wait_out(3000);
    rig.connect();
    rig.says(STREAM);
    rig.says("data: b\n\n");
    assert!(matches!(rig.take().as_slice(), [Told::Open(_), Told::Message(..)]));
}

#[test]
fn format_bom() {
    assert_eq!(stream("\u{FEFF}data:1\n\n\u{FEFF}data:2\n\ndata:3\n\n"), data(&["1", "3"]));
}

#[test]
fn format_bom_2() {
    assert_eq!(stream("\u{FEFF}\u{FEFF}data:1\n\ndata:2\n\ndata:3\n\n"), data(&["2", "3"]));
}

#[test]
fn format_comments() {
    let long = "x".repeat(2048);
    let text = format!(":{long}\ndata:a\r:\0\r\n:\ndata:b\n:data:no\rdata:c\r:{long}\r\n\n");
    assert_eq!(stream(text), data(&["a\nb\nc"]));
}

#[test]
fn format_data_before_final_empty_line() {
    let mut rig = Rig::open();
    for _ in 0..2 {
        rig.says("retry:1000\ndata:whole\n\nid:cut\ndata:off");
        rig.ends(sockeye_client::Error::Ended);
        let told = rig.take();
        assert!(told.contains(&message("whole", "")) && told.len() <= 4, "{told:?}");
        rig.wait_out(1000);
        assert!(!rig.connect().contains("Last-Event-ID"));
        rig.says(STREAM);
    }
}

#[test]
fn format_field_data() {
    assert_eq!(stream("data:\n\ndata\ndata\n\ndata:x\n\n"), data(&["", "\n", "x"]));
}

#[test]
fn format_field_event() {
    let named = Told::Message("named".into(), "a".into(), String::new());
    assert_eq!(stream("event:named\ndata:a\n\ndata:b\n\n"), [named, message("b", "")]);
}

#[test]
fn format_field_event_empty() {
    assert_eq!(stream("event: \ndata:a\n\n"), data(&["a"]));
}

/// `format-field-id` and `-id-2`: the ID is sent, as UTF-8, and stays for events without one.
#[test]
fn format_field_id_and_id_2() {
    let mut rig = Rig::open();
    rig.says("id: …\nretry: 200\ndata: hello\n\n");
    for _ in 0..3 {
        rig.ends(sockeye_client::Error::Ended);
        let told = rig.take();
        assert!(told.contains(&message("hello", "…")), "{told:?}");
        rig.wait_out(200);
        assert!(rig.connect().contains("\r\nLast-Event-ID: …\r\n"));
        rig.says(STREAM);
        rig.says("data: hello\n\n");
    }
}

#[test]
fn format_field_id_3() {
    let ids = |text: &str| -> Vec<String> {
        let told = stream(text).into_iter();
        told.map(|told| match told {
            Told::Message(_, _, id) => id,
            other => panic!("{other:?}"),
        })
        .collect()
    };
    assert_eq!(ids("id: 1\ndata\n\ndata\n\nid: 2\ndata\n\ndata\n\n"), ["1", "1", "2", "2"]);
    assert_eq!(ids("id: 1\ndata\n\nid:\ndata\n\ndata\n\n"), ["1", "", ""]);
    assert_eq!(ids("id: 1\ndata\n\nid\ndata\n\ndata\n\n"), ["1", "", ""]);
}

#[test]
fn format_field_id_null() {
    for id in ["\0", "7\0", "\u{0}7", "7\u{0}8", "\0 "] {
        let mut rig = Rig::open();
        rig.says(format!("id: {id}\ndata: a\n\n"));
        assert_eq!(rig.take_one(), message("a", ""));
        rig.ends(sockeye_client::Error::Ended);
        rig.take();
        rig.wait_out(3000);
        assert!(!rig.connect().contains("Last-Event-ID"), "{id:?}");
    }
}

#[test]
fn format_field_parsing() {
    let text = "data:a\0b\ndata:  c\rDATA:no\ndata\0:no\ndata:d\r\0data:no\nda-ta:no\rdata_no\n\
                data:e\rdata:\r\n data:no\ndata:f\n\n";
    assert_eq!(stream(text), data(&["a\0b\n c\nd\ne\n\nf"]));
}

/// `format-field-retry`, `-bogus` and `-empty`: the wait is that of the last valid line.
#[test]
fn format_field_retry() {
    for (line, wait) in [
        ("retry:03000", 3000),
        ("retry:0700", 700),
        ("retry:600\nretry:900ms", 600),
        ("retry:500\nretry", 500),
        ("retry:500\nretry:", 500),
        ("retry: +700", 3000),
    ] {
        let mut rig = Rig::open();
        rig.says(format!("{line}\ndata:x\n\n"));
        rig.ends(sockeye_client::Error::Ended);
        assert!(matches!(rig.take().pop(), Some(Told::Lost(_, ms)) if ms == wait), "{line:?}");
        rig.wait_out(wait);
    }
}

#[test]
fn format_field_unknown() {
    let text = "colour:red\ndata:a\n data:no\nonly text\ndata\n:comment\ndata:b\n\n";
    assert_eq!(stream(text), data(&["a\n\nb"]));
}

#[test]
fn format_leading_space() {
    assert_eq!(stream("data:\ta \rdata:  b\ndata: \n\n"), data(&["\ta \n b\n"]));
}

#[test]
fn format_mime() {
    assert!(is_failed(answered("200 OK\r\nContent-Type: x bogus")), "format-mime-bogus");
    assert!(is_failed(answered("200 OK\r\nContent-Type: text/x-bogus")), "format-mime-valid-bogus");
    assert!(is_open(answered("200 OK\r\nContent-Type: text/event-stream;")), "-trailing-semicolon");
}

#[test]
fn format_newlines() {
    assert_eq!(stream("data:a\r\ndata\ndata:b\r\n\r"), data(&["a\n\nb"]));
}

#[test]
fn format_null_character() {
    assert_eq!(stream("data:\0\n\n\n\n"), data(&["\0"]));
}

/// The standard's way, which some browsers leave: the charset has no say.
#[test]
fn format_utf_8() {
    let head =
        "200 OK\r\nContent-Type: text/event-stream;charset=windows-1252\r\nContent-Length: 12";
    let mut rig = Rig::new(options("http://a.test/s"));
    rig.connect();
    rig.says(format!("HTTP/1.1 {head}\r\n\r\ndata:ok…\n\n"));
    assert_eq!(rig.take()[1], message("ok…", ""));
}

/// `request-accept` and `request-cache-control`, the latter twice.
#[test]
fn request_headers() {
    for _ in 0..2 {
        let request = Rig::new(options("http://a.test/s")).connect();
        assert!(request.contains("\r\nAccept: text/event-stream\r\n"));
        assert!(request.contains("\r\nCache-Control: no-cache\r\n"));
    }
}

#[test]
fn request_redirect() {
    for status in [301, 302, 303, 307, 308] {
        let mut rig = answered(&format!("{status} Moved\r\nLocation: /there"));
        assert_eq!(rig.take(), []);
        assert!(rig.connect().starts_with("GET /there "));
        rig.says(STREAM);
        assert_eq!(rig.take_one(), Told::Open("http://a.test/there".to_owned()));
    }
}

#[test]
fn request_status_error() {
    for status in [204, 205, 210, 299, 404, 410, 503] {
        let head = format!("{status} Any\r\nContent-Type: text/event-stream");
        assert!(is_failed(answered(&head)), "{status}");
    }
}

/// `eventsource-cross-origin`, the part without CORS: a stream on another origin, directly and by a redirect, names
/// that origin.
#[test]
fn eventsource_cross_origin() {
    let mut rig = answered("302 Found\r\nLocation: http://b.test/s");
    assert_eq!(rig.wants().as_deref(), Some("b.test:80"));
    rig.connect();
    rig.says(STREAM);
    assert_eq!(rig.take_one(), Told::Open("http://b.test/s".to_owned()));
}
