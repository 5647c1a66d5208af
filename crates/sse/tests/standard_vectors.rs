//! The project's event-stream vectors: every chunking listed, every cut in two and three of short
//! inputs, random cuts of the rest; reconnect sequences; encoder cases; first responses.
//!
//! [html:9.2.5-line-ends] [html:9.2.5-crlf-across-chunks] [html:9.2.5-bom-once]
//! [html:9.2.5-utf8-replacement] [html:9.2.5-utf8-keeps-delimiters]
//! [html:9.2.6-blank-dispatches] [html:9.2.6-comment] [html:9.2.6-one-space] [html:9.2.6-no-colon]
//! [html:9.2.6-field-event] [html:9.2.6-field-data] [html:9.2.6-field-id] [html:9.2.6-field-id-nul]
//! [html:9.2.6-field-names-exact] [html:9.2.6-unknown-field] [html:9.2.6-retry-digits]
//! [html:9.2.6-dispatch-needs-data] [html:9.2.6-dispatch-final-lf] [html:9.2.6-dispatch-type]
//! [html:9.2.6-dispatch-clears] [html:9.2.6-eof-discards] [html:9.2.6-id-buffer-carried]

use crate::support;

use serde::Deserialize;
use sockeye_sse::{Action, EncodeError, Event, EventId, EventName, Input, Parser, Policy};
use sockeye_sse::{Reconnection, Response};
use support::{Owned, cut, read};

#[derive(Deserialize)]
struct File {
    vectors: Vec<Vector>,
    reconnect: Vec<Sequence>,
    encode: Vec<Encode>,
    http: Vec<Http>,
}

#[derive(Deserialize)]
struct Bytes {
    input: Option<String>,
    input_b64: Option<String>,
    input_parts: Option<Vec<Part>>,
}

#[derive(Deserialize)]
struct Part {
    text: Option<String>,
    b64: Option<String>,
    times: Option<usize>,
}

impl Bytes {
    fn to_vec(&self) -> Vec<u8> {
        let one = |text: &Option<String>, b64: &Option<String>| match (text, b64) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(b64)) => support::base64(b64),
            _ => panic!("one of text and base64"),
        };
        match &self.input_parts {
            None => one(&self.input, &self.input_b64),
            Some(parts) => {
                let part = |p: &Part| one(&p.text, &p.b64).repeat(p.times.unwrap_or(1));
                parts.iter().flat_map(part).collect()
            }
        }
    }
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    #[serde(flatten)]
    bytes: Bytes,
    #[serde(default)]
    initial_last_event_id: String,
    chunkings: Vec<Chunking>,
    expected: Expected,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Chunking {
    Named(String),
    Cuts(Vec<usize>),
    Size { size: usize },
}

#[derive(Deserialize)]
struct Expected {
    events: Option<Vec<ExpectedEvent>>,
    event_count: Option<usize>,
    events_sha256: Option<String>,
    first_event: Option<ExpectedEvent>,
    last_event: Option<ExpectedEvent>,
    retry: Option<Retry>,
    final_last_event_id: String,
}

#[derive(Deserialize)]
struct ExpectedEvent {
    r#type: String,
    data: Option<String>,
    data_utf8_len: Option<usize>,
    data_sha256: Option<String>,
    #[serde(rename = "lastEventId")]
    last_event_id: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Retry {
    Ms(u64),
    Huge(String),
}

impl Retry {
    /// A value beyond the range is clamped to its maximum.
    fn ms(&self) -> u64 {
        match self {
            Self::Ms(ms) => *ms,
            Self::Huge(digits) => digits.parse().unwrap_or(u64::MAX),
        }
    }
}

#[derive(Deserialize)]
struct Sequence {
    name: String,
    connections: Vec<Connection>,
    retry: Option<Retry>,
}

#[derive(Deserialize)]
struct Connection {
    #[serde(flatten)]
    bytes: Bytes,
    request_last_event_id: Option<String>,
    events: Vec<ExpectedEvent>,
    last_event_id_after: String,
}

#[derive(Deserialize)]
struct Encode {
    name: String,
    r#in: Fields,
    decodes_to: Option<Vec<ExpectedEvent>>,
    reject: Option<String>,
}

#[derive(Deserialize)]
struct Fields {
    data: Option<String>,
    event: Option<String>,
    id: Option<String>,
    retry_ms: Option<u64>,
    comment: Option<String>,
}

#[derive(Deserialize)]
struct Http {
    name: String,
    status: u16,
    content_type: Option<String>,
    location: Option<String>,
    expect: String,
    then: Option<String>,
}

fn file() -> File {
    serde_json::from_str(include_str!("vectors/event-stream.json")).expect("the vector format")
}

impl ExpectedEvent {
    fn check(&self, actual: &Owned, context: &str) {
        assert_eq!(actual.event_type, self.r#type, "{context}");
        assert_eq!(actual.last_event_id, self.last_event_id, "{context}");
        if let Some(data) = &self.data {
            assert_eq!(&actual.data, data, "{context}");
        }
        if let Some(len) = self.data_utf8_len {
            assert_eq!(actual.data.len(), len, "{context}");
        }
        if let Some(hash) = &self.data_sha256 {
            assert_eq!(&support::sha256(actual.data.as_bytes()), hash, "{context}");
        }
    }
}

fn check_events(expected: &[ExpectedEvent], actual: &[Owned], context: &str) {
    assert_eq!(actual.len(), expected.len(), "{context}: {actual:?}");
    for (expected, actual) in expected.iter().zip(actual) {
        expected.check(actual, context);
    }
}

impl Vector {
    fn check<'c>(&self, chunks: impl IntoIterator<Item = &'c [u8]>, context: &str) {
        let context = &format!("{} {context}", self.name);
        let mut parser = Parser::default();
        parser.set_last_event_id(&self.initial_last_event_id);
        let events = read(&mut parser, chunks);
        let expected = &self.expected;
        assert_eq!(parser.last_event_id(), expected.final_last_event_id, "{context}");
        let retry = expected.retry.as_ref().map(Retry::ms);
        assert_eq!(parser.reconnection_ms(), retry, "{context}");
        if let Some(expected) = &expected.events {
            check_events(expected, &events, context);
        }
        if let Some(count) = expected.event_count {
            assert_eq!(events.len(), count, "{context}");
        }
        for (expected, actual) in
            [(&expected.first_event, events.first()), (&expected.last_event, events.last())]
        {
            if let Some(expected) = expected {
                expected.check(actual.expect("an event"), context);
            }
        }
        if let Some(hash) = &expected.events_sha256 {
            let text: String = events
                .iter()
                .map(|e| format!("{}\0{}\0{}\n", e.event_type, e.data, e.last_event_id))
                .collect();
            assert_eq!(&support::sha256(text.as_bytes()), hash, "{context}");
        }
    }
}

#[test]
fn every_chunking_listed() {
    for vector in file().vectors {
        let bytes = vector.bytes.to_vec();
        for chunking in &vector.chunkings {
            match chunking {
                Chunking::Named(name) if name == "whole" => vector.check([&bytes[..]], "whole"),
                Chunking::Named(name) if name == "bytes" => vector.check(bytes.chunks(1), "bytes"),
                Chunking::Named(name) => panic!("{name} is no chunking"),
                Chunking::Cuts(cuts) => vector.check(cut(&bytes, cuts), &format!("{cuts:?}")),
                Chunking::Size { size } => vector.check(bytes.chunks(*size), &format!("{size}")),
            }
        }
    }
}

#[test]
fn every_cut_in_two_and_three_of_short_inputs() {
    for vector in file().vectors {
        let bytes = vector.bytes.to_vec();
        if bytes.len() >= 64 {
            continue;
        }
        for first in 0..=bytes.len() {
            vector.check(cut(&bytes, &[first]), &format!("{first}"));
            for second in first..=bytes.len() {
                let cuts = [first, second];
                vector.check(cut(&bytes, &cuts), &format!("{cuts:?}"));
            }
        }
    }
}

#[test]
fn random_cuts_of_long_inputs() {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for vector in file().vectors {
        let bytes = vector.bytes.to_vec();
        if !(64..1 << 16).contains(&bytes.len()) {
            continue;
        }
        for _ in 0..50 {
            let mut cuts: Vec<usize> = (0..8)
                .map(|_| {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    usize::try_from(random % (bytes.len() as u64 + 1)).expect("an offset")
                })
                .collect();
            cuts.sort_unstable();
            vector.check(cut(&bytes, &cuts), &format!("{cuts:?}"));
        }
    }
}

/// [html:9.2.3-last-event-id-header] [html:9.2.3-reestablish] The parser and the machine together,
/// over all connections of a source.
#[test]
fn reconnect_sequences() {
    for sequence in file().reconnect {
        for bytewise in [false, true] {
            let context = &sequence.name;
            let mut parser = Parser::default();
            let mut machine = Reconnection::new(Policy::default());
            let mut header: Option<String> = None;
            for connection in &sequence.connections {
                assert_eq!(header, connection.request_last_event_id, "{context}");
                assert_eq!(machine.handle(Input::Response(stream())), Some(Action::Open));
                let bytes = connection.bytes.to_vec();
                let size = if bytewise { 1 } else { bytes.len().max(1) };
                let events = read(&mut parser, bytes.chunks(size));
                check_events(&connection.events, &events, context);
                assert_eq!(parser.last_event_id(), connection.last_event_id_after, "{context}");
                if let Some(ms) = parser.reconnection_ms() {
                    assert_eq!(machine.handle(Input::Retry(ms)), None);
                }
                let wait = Action::Wait(parser.reconnection_ms().unwrap_or(3000));
                assert_eq!(machine.handle(Input::Eof { entropy: u64::MAX }), Some(wait));
                let over = Input::WaitOver { last_event_id: parser.last_event_id() };
                let Some(Action::Connect { last_event_id }) = machine.handle(over) else {
                    panic!("{context}: no request");
                };
                header = last_event_id.map(String::from);
            }
            let retry = sequence.retry.as_ref().map(Retry::ms);
            assert_eq!(parser.reconnection_ms(), retry, "{context}");
        }
    }
}

fn stream() -> Response<'static> {
    Response { status: 200, content_type: Some(b"text/event-stream"), ..Response::default() }
}

/// [html:9.2.5-encode-no-injection] [html:9.2.5-encode-lines] [html:9.2.5-encode-one-space]
/// [html:9.2.5-encode-id]
#[test]
fn encoder_cases() {
    for case in file().encode {
        let context = &case.name;
        let encoded = encode(&case.r#in);
        assert_eq!(encoded.is_err(), case.reject.is_some(), "{context}");
        let (Ok(encoded), Some(expected)) = (encoded, case.decodes_to) else { continue };
        let mut parser = Parser::default();
        check_events(&expected, &read(&mut parser, [&encoded[..]]), context);
        assert_eq!(parser.reconnection_ms(), case.r#in.retry_ms, "{context}");
    }
}

fn encode(fields: &Fields) -> Result<Vec<u8>, EncodeError> {
    let event = Event {
        name: fields.event.as_deref().map(EventName::new).transpose()?,
        id: fields.id.as_deref().map(EventId::new).transpose()?,
        retry_ms: fields.retry_ms,
        data: fields.data.as_deref(),
    };
    let mut out = Vec::new();
    if let Some(comment) = &fields.comment {
        sockeye_sse::encode_comment(comment, &mut out);
    }
    event.encode(&mut out);
    Ok(out)
}

/// [html:9.2.3-announce] [html:9.2.3-fail] [fetch:4.4-redirect-statuses]
#[test]
fn first_responses() {
    for case in file().http {
        let mut machine = Reconnection::new(Policy::default());
        let response = Response {
            status: case.status,
            content_type: case.content_type.as_ref().map(String::as_bytes),
            location: case.location.as_ref().map(String::as_bytes),
            ..Response::default()
        };
        let mut action = machine.handle(Input::Response(response));
        if action == Some(Action::Follow) {
            action = machine.handle(Input::Response(Response { location: None, ..stream() }));
        }
        if let Some(then) = &case.then {
            assert_eq!(action, Some(Action::Open), "{}", case.name);
            action = match then.as_str() {
                "end" => machine.handle(Input::Eof { entropy: 0 }),
                _ => machine.handle(Input::NetworkError { entropy: 0 }),
            };
        }
        let fits = match case.expect.as_str() {
            "open" => action == Some(Action::Open),
            "fail" => action == Some(Action::Closed),
            "reconnect" | "network-error" => action == Some(Action::Wait(3000)),
            other => panic!("{other} is no outcome"),
        };
        assert!(fits, "{}: {action:?}", case.name);
    }
}
