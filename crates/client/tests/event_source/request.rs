//! What a source sends, and what it cannot be asked to send.

use sockeye_client::sans_io::EventSource;
use sockeye_client::{Entropy, Error, EventSourceOptions, Limits, UsageError};

use crate::event_source::rig::{Rig, STREAM, options};

#[test]
fn the_default_request() {
    let mut rig = Rig::new(options("http://a.test:8080/s?channel=a"));
    assert_eq!(
        rig.connect(),
        "GET /s?channel=a HTTP/1.1\r\nHost: a.test:8080\r\n\
         Accept: text/event-stream\r\nCache-Control: no-cache\r\n\r\n"
    );
}

#[test]
fn a_body_is_sent_again_with_each_attempt() {
    let mut wanted = options("http://a.test/v1/chat");
    wanted.method = "POST".to_owned();
    wanted.body = Some(b"{}".to_vec());
    wanted.headers.push(("accept".to_owned(), "application/json, text/event-stream".to_owned()));
    wanted.headers.push(("Cache-Control".to_owned(), "no-store".to_owned()));
    let mut rig = Rig::new(wanted);
    let request = "POST /v1/chat HTTP/1.1\r\nHost: a.test\r\n\
         accept: application/json, text/event-stream\r\nCache-Control: no-store\r\n\
         Content-Length: 2\r\n\r\n{}";
    for _ in 0..3 {
        assert_eq!(rig.connect(), request);
        rig.says(STREAM);
        rig.ends(Error::Ended);
        rig.take();
        rig.wait_out(3000);
    }
}

#[test]
fn a_method_that_may_have_a_body_and_has_none() {
    for (method, line) in [("POST", "Content-Length: 0\r\n"), ("QUERY", "no-cache\r\n")] {
        let mut wanted = options("http://a.test/s");
        wanted.method = method.to_owned();
        assert!(Rig::new(wanted).connect().ends_with(&format!("{line}\r\n")));
    }
}

/// [html:9.2.3-last-event-id-header] [sse:last-event-id-no-controls] As UTF-8; nothing that could end the line.
#[test]
fn ids_as_they_go_into_the_head() {
    let rows: [(&str, Option<&str>); 7] = [
        ("7", Some("7")),
        ("…é", Some("…é")),
        ("a b\tc", Some("a b\tc")),
        (" a ", Some("a")),
        ("  ", None),
        ("a\u{1}b", None),
        ("", None),
    ];
    for (id, value) in rows {
        // From the stream, and from an earlier run.
        let mut rig = Rig::open();
        rig.says(format!("id: {id}\ndata\n\n"));
        rig.ends(Error::Ended);
        rig.take();
        rig.wait_out(3000);
        let mut wanted = options("http://a.test/s");
        wanted.last_event_id = id.to_owned();
        for request in [rig.connect(), Rig::new(wanted).connect()] {
            let line = request.lines().find_map(|line| line.strip_prefix("Last-Event-ID: "));
            assert_eq!(line, value, "{id:?}");
        }
        assert_eq!(rig.machine.last_event_id(), id, "the ID itself stays what it is");
    }
    let mut wanted = options("http://a.test/s");
    wanted.last_event_id = "a\r\nX: y".to_owned();
    assert!(!Rig::new(wanted).connect().contains("X: y"));
}

#[test]
fn what_cannot_be_sent_is_refused_before_anything_is() {
    type Change = fn(&mut EventSourceOptions);
    let rows: [(Change, UsageError); 11] = [
        (|it| it.method = String::new(), UsageError::Method),
        (|it| it.method = "G ET".to_owned(), UsageError::Method),
        (|it| it.method = "GET\r\n".to_owned(), UsageError::Method),
        (|it| it.method = "HEAD".to_owned(), UsageError::Method),
        (|it| it.method = "CONNECT".to_owned(), UsageError::Method),
        (|it| it.body = Some(Vec::new()), UsageError::Method),
        (|it| it.headers.push(("X".into(), "a\r\nb".into())), UsageError::Header),
        (|it| it.headers.push(("X:".into(), "a".into())), UsageError::Header),
        (|it| it.headers.push(("Host".into(), "b.test".into())), UsageError::Header),
        (|it| it.headers.push(("last-event-id".into(), "7".into())), UsageError::Header),
        (|it| it.url = it.url.to_websocket(), UsageError::Scheme),
    ];
    for (row, (change, error)) in rows.into_iter().enumerate() {
        let mut wanted = options("http://a.test/s");
        change(&mut wanted);
        let made = EventSource::new(wanted, Limits::DEFAULT, Entropy::from_fn(|_| {}));
        assert_eq!(made.err(), Some(error), "row {row}");
    }
    assert_eq!(EventSourceOptions::new("ws://a.test").err(), Some(UsageError::Scheme));
    assert_eq!(EventSourceOptions::new("/s").err(), Some(UsageError::Url));
}

#[test]
fn debug_shows_no_credentials() {
    let mut wanted = options("http://a.test/s?token=secret");
    wanted.method = "POST".to_owned();
    wanted.body = Some(b"secret".to_vec());
    wanted.headers.push(("Authorization".to_owned(), "secret".to_owned()));
    wanted.last_event_id = "secret".to_owned();
    let shown = format!("{wanted:?} {:?}", Rig::new(wanted.clone()).machine);
    assert!(shown.contains("Authorization") && !shown.contains("secret"), "{shown}");
}
