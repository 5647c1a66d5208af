//! What streams hold, however their bytes are cut.

use serde::Deserialize;
use sockeye_client::{Comments, Error, OwnedSourceEvent, SourceMessage};

use crate::event_source::rig::{Random, Rig, STREAM, Told, message, options};

/// Interim head, chunks with extensions and trailer, a mark, all line ends, all fields, broken UTF-8.
fn response() -> Vec<u8> {
    let blocks: [&[u8]; 9] = [
        b"\xEF\xBB\xBFretry: 250\r\n\r\n",
        b"id: 1\ndata: one\n\n",
        b": a comment\r",
        b"event: add\rdata: caf",
        b"\xC3",
        b"\xA9\rdata\r\r",
        b"id: \xE2\x80\xA6\ndata:  two\xFF spaces\n\n",
        b"\xEF\xBB\xBFdata: no field\n\n",
        b"data: \xF0\x9F\x92\xA9\n\ndata: unfinished\n",
    ];
    let mut bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\
        Content-Type: text/event-stream;charset=x\r\nTransfer-Encoding: chunked\r\n\r\n"
        .to_vec();
    for block in blocks {
        bytes.extend_from_slice(format!("{:x};a=b\r\n", block.len()).as_bytes());
        bytes.extend_from_slice(block);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\nTrailer: x\r\n\r\n");
    bytes
}

fn expected() -> Vec<Told> {
    vec![
        Told::Open("http://a.test/s".into()),
        Told::Retry(250),
        message("one", "1"),
        Told::Comment("a comment".into()),
        Told::Message("add".into(), "café\n".into(), "1".into()),
        message(" two\u{FFFD} spaces", "…"),
        message("💩", "…"),
        Told::Lost(Error::Ended, 250),
    ]
}

fn read<'c>(chunks: impl IntoIterator<Item = &'c [u8]>) -> Vec<Told> {
    let mut wanted = options("http://a.test/s");
    wanted.comments = Comments::Report;
    let mut rig = Rig::new(wanted);
    rig.connect();
    let mut chunks = chunks.into_iter();
    for chunk in &mut chunks {
        rig.says(chunk);
        if rig.told.last().is_some_and(|told| matches!(told, Told::Lost(..))) {
            break;
        }
    }
    assert_eq!(chunks.next(), None, "the response ends with its last byte");
    rig.take()
}

#[test]
fn every_split_gives_the_same_events() {
    let bytes = response();
    assert_eq!(read([&bytes[..]]), expected());
    for size in 1..bytes.len() {
        assert_eq!(read(bytes.chunks(size)), expected(), "pieces of {size}");
    }
    for first in 1..bytes.len() {
        assert_eq!(read([&bytes[..first], &bytes[first..]]), expected(), "cut at {first}");
    }
    let mut random = Random::new(1);
    for round in 0..2000 {
        let (mut chunks, mut rest) = (Vec::new(), &bytes[..]);
        while !rest.is_empty() {
            let most = rest.len().min(1 << random.index(7));
            let (chunk, after) = rest.split_at(1 + random.index(most));
            chunks.push(chunk);
            rest = after;
        }
        assert_eq!(read(chunks), expected(), "round {round}");
    }
}

/// [html:9.2.5-bom-once] Each connection may begin with a mark, and none but its first is one.
#[test]
fn a_byte_order_mark_on_every_connection() {
    let mut rig = Rig::open();
    for _ in 0..3 {
        for byte in b"\xEF\xBB\xBFdata: x\n\n\xEF\xBB\xBFdata: y\n\n" {
            rig.says([*byte]);
        }
        assert_eq!(rig.take_one(), message("x", ""));
        // A part of a mark at the end of one connection is none at the start of the next.
        rig.ends(Error::Ended);
        rig.take();
        rig.wait_out(3000);
        rig.connect();
        rig.says(STREAM);
        rig.take();
    }
}

/// [html:9.2.5-crlf-across-chunks] [html:9.2.6-eof-discards] Nothing of a connection's end reaches the next.
#[test]
fn connections_are_not_joined() {
    let rows: [(&[u8], &[u8], &str); 5] = [
        (b"data: a\r", b"\ndata: b\n\n", "b"),
        (b"da", b"ta: a\n\ndata: b\n\n", "b"),
        (b"event: x\ndata: a\n", b"data: b\n\n", "b"),
        (b"\xEF\xBB\xBF", b"\xEF\xBB\xBFdata: b\n\n", "b"),
        (b"data: \xC3", b"\xA9\ndata: b\n\n", "b"),
    ];
    for (before, after, told) in rows {
        let mut rig = Rig::open();
        rig.says(before);
        rig.ends(Error::Ended);
        rig.take();
        rig.wait_out(3000);
        rig.connect();
        rig.says(STREAM);
        rig.says(after);
        assert_eq!(rig.take()[1..], [message(told, "")], "{before:?} {after:?}");
    }
}

/// An event beyond the limit would come again with the next connection, so it is the end, and it has a name.
#[test]
fn an_event_over_the_limit() {
    for size in [1, 7, 1000] {
        let mut wanted = options("http://a.test/s");
        wanted.event_bytes_max = 100;
        let mut rig = Rig::opened(wanted);
        let fits = format!("data: {}\n\n", "x".repeat(99));
        rig.says(&fits);
        assert_eq!(rig.take_one(), message(&"x".repeat(99), ""));
        let stream = b": endless comments cost nothing\n".repeat(100);
        rig.says(&stream);
        for piece in format!("data: {}", "x".repeat(200)).as_bytes().chunks(size) {
            if rig.told.is_empty() {
                rig.says(piece);
            }
        }
        assert_eq!(rig.take_one(), Told::Failed(Error::EventTooLarge));
        rig.pass(1 << 30);
        assert_eq!((rig.wants(), rig.take()), (None, Vec::new()));
    }
}

/// Types named like what a connection does are events like any other.
#[test]
fn types_say_nothing_of_the_connection() {
    let mut rig = Rig::open();
    rig.says("event: open\ndata\n\nevent: error\ndata\n\n");
    let named = |name: &str| Told::Message(name.into(), String::new(), String::new());
    assert_eq!(rig.take(), [named("open"), named("error")]);
}

#[test]
fn owned_events_show_no_data() {
    let message = SourceMessage {
        event_type: "message".into(),
        data: "secret".into(),
        last_event_id: "7".into(),
    };
    assert!(!format!("{:?}", OwnedSourceEvent::Message(message)).contains("secret"));
}

/// The project's vectors, through HTTP: whole and byte by byte, in chunks and until the end.
mod vectors {
    use super::{Deserialize, Error, Rig, STREAM, Told, options};

    #[derive(Deserialize)]
    struct File {
        vectors: Vec<Vector>,
        reconnect: Vec<Sequence>,
    }

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        input: Option<String>,
        #[serde(default)]
        initial_last_event_id: String,
        expected: Expected,
    }

    #[derive(Deserialize)]
    struct Expected {
        events: Option<Vec<Event>>,
        final_last_event_id: String,
    }

    #[derive(Deserialize)]
    struct Event {
        r#type: String,
        data: Option<String>,
        #[serde(rename = "lastEventId")]
        last_event_id: String,
    }

    #[derive(Deserialize)]
    struct Sequence {
        name: String,
        connections: Vec<Connection>,
    }

    #[derive(Deserialize)]
    struct Connection {
        input: Option<String>,
        request_last_event_id: Option<String>,
        events: Vec<Event>,
        last_event_id_after: String,
    }

    fn file() -> File {
        let file = include_str!("../../../sse/tests/vectors/event-stream.json");
        serde_json::from_str(file).expect("the vector format")
    }

    fn check(events: &[Event], told: &[Told], context: &str) {
        let messages = told.iter().filter(|told| matches!(told, Told::Message(..)));
        let messages: Vec<&Told> = messages.collect();
        assert_eq!(messages.len(), events.len(), "{context}: {told:?}");
        for (event, told) in events.iter().zip(messages) {
            let Told::Message(name, data, id) = told else { continue };
            assert_eq!((name, id), (&event.r#type, &event.last_event_id), "{context}");
            assert_eq!(event.data.as_ref().unwrap_or(data), data, "{context}");
        }
    }

    #[test]
    fn each_alone() {
        let mut checked = 0;
        for vector in file().vectors {
            let (Some(input), Some(events)) = (&vector.input, &vector.expected.events) else {
                continue;
            };
            checked += 1;
            for size in [1, 2, input.len().max(1)] {
                let mut wanted = options("http://a.test/s");
                wanted.last_event_id.clone_from(&vector.initial_last_event_id);
                let mut rig = Rig::opened(wanted);
                input.as_bytes().chunks(size).for_each(|chunk| rig.says(chunk));
                rig.ends(Error::Ended);
                check(events, &rig.take(), &vector.name);
                let id = &vector.expected.final_last_event_id;
                assert_eq!(rig.machine.last_event_id(), id, "{}", vector.name);
            }
        }
        assert!(checked > 60, "{checked} vectors");
    }

    /// [html:9.2.3-last-event-id-header] [html:9.2.6-id-buffer-carried]
    #[test]
    fn over_reconnects() {
        let sequences = file().reconnect;
        assert!(sequences.len() > 5);
        for sequence in sequences {
            // Those that are no text stand in `connections_are_not_joined`.
            if sequence.connections.iter().any(|connection| connection.input.is_none()) {
                continue;
            }
            let mut rig = Rig::new(options("http://a.test/s"));
            for connection in &sequence.connections {
                let request = rig.connect();
                let header = request.lines().find_map(|line| line.strip_prefix("Last-Event-ID: "));
                assert_eq!(
                    header,
                    connection.request_last_event_id.as_deref(),
                    "{}",
                    sequence.name
                );
                rig.says(STREAM);
                rig.says(connection.input.as_deref().unwrap_or_default());
                rig.ends(Error::Ended);
                let told = rig.take();
                check(&connection.events, &told, &sequence.name);
                assert_eq!(rig.machine.last_event_id(), connection.last_event_id_after);
                let Some(Told::Lost(Error::Ended, wait)) = told.last() else { panic!("{told:?}") };
                rig.wait_out(*wait);
            }
        }
    }
}
