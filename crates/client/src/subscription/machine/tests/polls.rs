//! Subscriptions that poll.

use super::*;

#[test]
fn an_answer_is_told_in_the_order_of_the_log() {
    let mut rig = Rig::new(&[Transport::LongPoll], |options| {
        options.cursor = Some("earliest".to_owned());
    });
    assert!(rig.connect().starts_with("GET /v1/poll?wait=25&"));
    let entry = |seq: u64, more: &str| format!(r#"{{"channel":"a","cursor":"1a-{seq}"{more}}}"#);
    let body = format!(
        r#"{{"cursor":"1a-5~s~p","messages":[{},{}],"gaps":[{}],"sync":{},"ended":[{}],"more":false}}"#,
        entry(1, r#","time":1,"data":1"#),
        r#"{"channel":"b:1","cursor":"1a-4","time":1,"data":4}"#,
        r#"{"channel":"a","reason":"trimmed","missed":{"after":0,"through":0}}"#,
        r#"{"cursor":"1a-5","recovered":false,"gaps":1,"replayed":2}"#,
        entry(3, ""),
    );
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let told = rig.events(&answer);
    assert_eq!(
        told,
        ["LongPoll", "gap a trimmed", "a 1a-1 1", "end a 1a-3", "b:1 1a-4 4", "sync 1a-5~s~p 1"]
    );
    assert_eq!(rig.machine.cursor(), Some("1a-5~s~p"));
    let asked = String::from_utf8_lossy(&rig.out).into_owned();
    assert!(asked.starts_with("GET /v1/poll?wait=25&channel=b:%2A&cursor=1a-5~s~p "), "{asked}");
}

/// An answer may be the last one of its connection: that is told only if no other comes about.
#[test]
fn polls_go_on_over_many_connections() {
    let mut rig = Rig::new(&[Transport::LongPoll], |options| {
        options.cursor = Some("earliest".to_owned());
    });
    let answer = |seq: u64| {
        format!("HTTP/1.1 204 No Content\r\nSockeye-Cursor: 1a-{seq}\r\nConnection: close\r\n\r\n")
    };
    rig.connect();
    rig.now += 25_000;
    assert_eq!(rig.events(&answer(1)), ["LongPoll", "sync 1a-1 0"]);
    rig.machine.disconnected(rig.at(), Error::HungUp);
    assert!(rig.connect().contains("&cursor=1a-1 "));
    rig.now += 25_000;
    assert_eq!(rig.events(&answer(2)), Vec::<String>::new());
    rig.machine.disconnected(rig.at(), Error::HungUp);
    assert!(rig.events("").is_empty() && rig.machine.peer().is_some());
    let refused = Error::Connect(std::io::ErrorKind::ConnectionRefused);
    let told = rig.cut(refused).into_iter().map(short).collect::<Vec<_>>();
    assert_eq!(told, ["lost 0 Connect(ConnectionRefused)"]);
    rig.connect();
    rig.now += 25_000;
    assert_eq!(rig.events(&answer(3)), ["LongPoll", "sync 1a-3 0"]);
}

/// [client:hub-retry] The connection that was good ends without a word, and the next one is refused.
#[test]
fn a_poll_that_was_answered_begins_the_waits_anew() {
    let mut rig = Rig::new(&[Transport::LongPoll], |options| {
        options.cursor = Some("earliest".to_owned());
    });
    let refused = || Error::Connect(std::io::ErrorKind::ConnectionRefused);
    let mut waits = Vec::new();
    rig.events("");
    for _ in 0..2 {
        for _ in 0..8 {
            assert!(rig.machine.peer().is_some());
            let told: Vec<_> = rig.cut(refused()).into_iter().map(short).collect();
            waits.push(wait_of(&told));
            rig.now += waits.last().expect("one");
            rig.events("");
        }
        rig.connect();
        rig.now += 25_000;
        let told = rig.events("HTTP/1.1 204 No Content\r\nSockeye-Cursor: 1a-1\r\n\r\n");
        assert_eq!(told, ["LongPoll", "sync 1a-1 0"]);
        // The next poll waits for its answer.
        rig.now += 10_000;
        assert!(rig.cut(Error::HungUp).is_empty());
        rig.events("");
    }
    assert!(waits[1..8].iter().max() > Some(&1_000), "{waits:?}");
    assert_eq!((waits[0], waits[8]), (0, 0), "{waits:?}");
}

/// On a slow line an answer may take longer than the hub may be silent.
#[test]
fn a_long_answer_is_no_silence() {
    let mut rig = Rig::new(&[Transport::LongPoll], |options| {
        options.cursor = Some("1a-1".to_owned());
    });
    rig.machine.context.hearing.ledger.strike("a");
    rig.connect();
    rig.now += 25_000;
    assert_eq!(rig.events("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), Vec::<String>::new());
    for _ in 0..5 {
        rig.now += 19_000;
        assert_eq!(rig.events(" "), Vec::<String>::new());
    }
    rig.now += 20_000;
    assert_eq!(rig.events(""), ["lost 0 TimedOut(Silence)"]);
}

/// [client:hub-retry] Also where each answer is the last of its connection, and whoever ends that.
#[test]
fn a_poll_keeps_its_time_over_many_connections() {
    let answer = "HTTP/1.1 204 No Content\r\nSockeye-Cursor: 1a-1\r\n";
    for close in ["Connection: close\r\n", ""] {
        for transport in [Transport::ShortPoll, Transport::LongPoll] {
            let mut rig = Rig::new(&[transport], |options| {
                options.cursor = Some("1a-1".to_owned());
            });
            rig.machine.context.hearing.ledger.strike("a");
            rig.connect();
            for _ in 0..3 {
                rig.events(&format!("{answer}{close}\r\n"));
                let why = if close.is_empty() { Error::Ended } else { Error::HungUp };
                assert!(close.is_empty() || rig.machine.peer().is_none(), "it is let go");
                assert!(rig.cut(why).is_empty());
                let soon = Time::from_millis(rig.now + 1_000);
                assert_eq!((rig.machine.peer(), rig.machine.deadline()), (None, soon));
                rig.now += 999;
                assert!(rig.events("").is_empty() && rig.machine.peer().is_none());
                rig.now += 1;
                assert!(rig.connect().contains("&cursor=1a-1 "));
            }
        }
    }
}

/// A server that ends its answers with the connection is asked by one connection after the other.
#[test]
fn what_an_answer_says_up_to_the_end_of_its_connection_counts() {
    let page = "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\n<title>no</title>";
    let all_ended = r#"{"cursor":"1a-9","channels":[{"channel":"a","last":1,"ended":true}]}"#;
    let all_ended = format!("HTTP/1.1 200 OK\r\n\r\n{all_ended}");
    for (answer, is_over) in [(page, false), (&all_ended, true)] {
        let mut rig = Rig::new(&[Transport::LongPoll], |options| {
            options.targets = vec!["a".to_owned()];
        });
        assert!(rig.connect().starts_with("GET /v1/position?channel=a "));
        assert!(rig.events(answer).is_empty());
        assert!(rig.cut(Error::Ended).is_empty());
        assert_eq!(rig.machine.is_over(), is_over);
        if !is_over {
            assert!(rig.connect().starts_with("GET /v1/poll?"));
            assert!(rig.events(page).is_empty());
            assert!(matches!(&rig.cut(Error::Ended)[..], [Err(Error::Refused(_))]));
        }
    }
}

/// The server may end the connection behind its answer without having said so.
#[test]
fn what_was_asked_behind_a_probe_is_asked_again() {
    let cursor = |options: &mut SubscriptionOptions| options.cursor = Some("1a-1".to_owned());
    let not_found = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    for transport in [Transport::WebSocket, Transport::EventStream, Transport::LongPoll] {
        let mut rig = Rig::new(&[transport], cursor);
        assert!(rig.connect().starts_with("GET /v1/position?channel=a&cursor=1a-1 "));
        assert!(rig.events(not_found).is_empty() && !rig.out.is_empty());
        let reset = Error::Transport(std::io::ErrorKind::ConnectionReset);
        assert!(rig.cut(reset.clone()).is_empty(), "{transport:?}");
        assert!(!rig.connect().starts_with("GET /v1/position"));
        // Once is enough, and so is a byte.
        assert_eq!(rig.cut(reset.clone()).len(), 1, "{transport:?}");
        let mut rig = Rig::new(&[transport], cursor);
        rig.connect();
        assert!(rig.events(not_found).is_empty());
        rig.events("H");
        assert_eq!(rig.cut(reset).len(), 1, "{transport:?}");
    }
}

#[test]
fn a_page_is_no_answer_to_a_poll() {
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<p>x";
    let json =
        "HTTP/1.1 200 OK\r\nContent-Type: application/JSON; a=b\r\nContent-Length: 2\r\n\r\n{}";
    let end = |transports: &[Transport], answer: &str| {
        let mut rig = Rig::new(transports, |options| options.targets = vec!["a:*".to_owned()]);
        rig.connect();
        rig.events(answer)
    };
    assert_eq!(end(&[Transport::LongPoll], json), ["error Hub(Strange)"]);
    assert!(end(&[Transport::LongPoll], page)[0].starts_with("error Refused("));
    // [client:hub-transport] Somebody on the way says that.
    let both = [Transport::LongPoll, Transport::EventStream];
    assert!(end(&both, page)[0].starts_with("lost 0 Refused("));
}
