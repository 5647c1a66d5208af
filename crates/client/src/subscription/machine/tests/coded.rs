//! Answers in a coding that nobody has asked for.

use super::*;

const POLLED: &str = r#"{"cursor":"1a-3","messages":[],"gaps":[],"ended":[],"more":false}"#;

fn stream(coding: &str, more: &str) -> String {
    STREAM.replace("\r\n\r\n", &format!("\r\n{coding}\r\n\r\n{more}"))
}

fn poll(coding: &str, status: &str) -> String {
    let len = POLLED.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{coding}\r\nContent-Length: {len}\r\n\r\n{POLLED}"
    )
}

/// Asks for the position of a channel.
fn rig_of_position() -> Rig {
    let mut rig = Rig::new(&[Transport::EventStream], |options| {
        options.targets.truncate(1);
        options.cursor = Some("1a-9".to_owned());
    });
    assert!(rig.connect().starts_with("GET /v1/position?channel=a&cursor=1a-9 "));
    rig
}

fn is_refusal(told: &[String], status: u16) -> bool {
    let status = format!("Refused(Refusal {{ status: Status({status})");
    told.len() == 1 && told[0].starts_with("error ") && told[0].contains(&status)
}

/// [client:hub-coding] With no other transport that is the end, and the words say why.
#[test]
fn a_coded_stream_is_refused() {
    for coding in ["Content-Encoding: gzip", "content-encoding: identity, BR"] {
        // Its head is enough, and its body may have no end.
        for body in ["", "\u{1f}id: 1a-1\n\ndata: x\n\n"] {
            let mut rig = Rig::new(&[Transport::EventStream], |_| {});
            rig.connect();
            let told = rig.feed(stream(coding, body).as_bytes());
            let [Err(why)] = &told[..] else { panic!("{coding}: {told:?}") };
            let words = why.to_string();
            assert!(words.contains("status 200") && words.contains(", coding "), "{words}");
            assert!(rig.machine.is_over() && rig.machine.peer().is_none());
        }
    }
    for coding in ["Content-Encoding: Identity", "Content-Encoding:"] {
        let mut rig = Rig::new(&[Transport::EventStream], |_| {});
        rig.connect();
        assert_eq!(rig.events(&stream(coding, "id: 1a-1\n\n")), ["EventStream"], "{coding}");
    }
}

/// [client:hub-coding]
#[test]
fn a_coded_poll_is_refused() {
    for transport in [Transport::LongPoll, Transport::ShortPoll] {
        let asked = || {
            let mut rig = Rig::new(&[transport], |_| {});
            rig.machine.wants_probe = false;
            rig.connect();
            rig
        };
        let told = asked().events(&poll("Content-Encoding: gzip", "200 OK"));
        assert!(is_refusal(&told, 200), "{told:?}");
        let told = asked().events(&poll("Content-Encoding: identity", "200 OK"));
        assert_eq!(told.len(), 2, "{told:?}");
        // What it cannot read, it has not understood.
        let told = asked().events(&poll("Content-Encoding: br", "503 No"));
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("lost "), "{told:?}");
    }
}

/// [client:hub-coding] Its end is not waited for: nobody could read it. Bytes that trickle win no time.
#[test]
fn a_coded_poll_that_stays_open_is_refused_soon() {
    let mut rig = Rig::new(&[Transport::LongPoll], |_| {});
    rig.machine.wants_probe = false;
    rig.connect();
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n";
    assert_eq!(rig.events(head), Vec::<String>::new());
    rig.now += 2_999;
    assert_eq!(rig.events("\u{1f}"), Vec::<String>::new());
    rig.now += 1;
    assert!(rig.machine.deadline() <= rig.at(), "nobody would look");
    let told = rig.events("");
    assert!(is_refusal(&told, 200) && rig.machine.is_over(), "{told:?}");
}

/// A refusal that is cut, or is no whole body, is one all the same.
#[test]
fn a_refusal_of_a_poll_is_told_as_far_as_it_came() {
    for (framing, rest) in [("Content-Length: 9", ""), ("Transfer-Encoding: chunked", "no chunk")] {
        let mut rig = Rig::new(&[Transport::LongPoll], |_| {});
        rig.machine.wants_probe = false;
        rig.connect();
        let mut told = rig.events(&format!("HTTP/1.1 404 No\r\n{framing}\r\n\r\n{rest}"));
        if rest.is_empty() {
            told = rig.cut(Error::Ended).into_iter().map(short).collect();
        }
        assert!(is_refusal(&told, 404), "{told:?}");
    }
}

/// [client:hub-coding] What had ended before is not known by such an answer, and nothing else is about it.
#[test]
fn a_coded_position_says_nothing() {
    let mut rig = rig_of_position();
    let body = r#"{"cursor":"1a-c","channels":[{"channel":"a","last":9,"floor":0,"ended":true}]}"#;
    let len = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: {len}\r\n\r\n");
    assert_eq!(rig.events(&format!("{head}{body}")), Vec::<String>::new());
    assert!(!rig.machine.is_over());
    assert!(String::from_utf8_lossy(&rig.out).starts_with("GET /v1/sse?"));
    // One that does not end is not waited for.
    let mut rig = rig_of_position();
    assert_eq!(rig.events(&head), Vec::<String>::new());
    assert!(rig.machine.peer().is_none(), "another connection");
    rig.machine.disconnected(rig.at(), Error::HungUp);
    assert!(rig.connect().starts_with("GET /v1/sse?"));
}

/// [client:hub-transport] [client:hub-coding] Each of the others has its turn, and when none is left that is the end.
#[test]
fn a_coded_answer_leads_to_the_next_transport() {
    let all = [Transport::EventStream, Transport::LongPoll];
    let mut rig = Rig::new(&all, |_| {});
    assert!(rig.connect().starts_with("GET /v1/sse?"));
    let told = rig.events(&stream("Content-Encoding: gzip", "\u{1f}\u{8b}"));
    assert_eq!(wait_of(&told), 0);
    rig.cut(Error::HungUp);
    assert_eq!(rig.machine.transport(), Transport::LongPoll);
    assert!(rig.connect().starts_with("GET /v1/poll?"));
    let told = rig.events(&poll("Content-Encoding: gzip", "200 OK"));
    assert!(is_refusal(&told, 200), "{told:?}");
    assert!(rig.machine.is_over());
}
