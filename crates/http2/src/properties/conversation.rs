//! Properties of one end that reads any bytes.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use sockeye_hpack as hpack;
use sockeye_http::{Method, Status};

use crate::frame::{Flags, FrameHead, FrameKind, HEAD_BYTES};
use crate::{
    Config, Connection, ConnectionError, EndStream, ErrorCode, Event, Field, FieldBlock,
    FieldReader, Fields, Limits, PREFACE, Rate, RequestLine, Role, StreamId,
};

/// Limits that short inputs reach.
fn config() -> Arc<Config> {
    let rate = Rate::new(6, 1);
    let limits = Limits {
        concurrent_streams_max: 3,
        window_bytes: 40,
        connection_window_bytes: 65_535,
        table_bytes: 4096,
        fields: {
            let mut limits = hpack::Limits::DEFAULT;
            limits.block_bytes_max = 200;
            limits.fields_max = 12;
            limits.list_bytes_max = 700;
            limits.decoded_bytes_max = 2000;
            limits
        },
        continuations_max: 2,
        control_bytes_max: 400,
        closed_streams_max: 2,
        resets: rate,
        pings: rate,
        settings: rate,
        priorities: rate,
        window_updates: rate,
        empty_data: rate,
        late_frames: rate,
    };
    Arc::new(Config { limits, ..Config::default() })
}

/// The result of a conversation, which does not depend on the cuts of its input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// All events and fields, with the content of each stream joined between other events.
    pub heard: Vec<String>,
    /// The rule that the peer broke.
    pub error: Option<ConnectionError>,
    /// Everything that was appended to the output.
    pub said: Vec<u8>,
}

/// A visitor that writes all fields down.
#[derive(Default)]
struct Notes(Vec<String>);

impl Fields for Notes {
    fn begin(&mut self, stream: StreamId) {
        self.0 = vec![format!("fields {stream}")];
    }

    fn field(&mut self, field: Field<'_>) {
        self.0.push(format!("{}: {}", field.name.escape_ascii(), field.value.escape_ascii()));
    }
}

/// An end that has opened its streams, if it is a client.
fn end(role: Role, out: &mut Vec<u8>) -> Connection {
    let config = config();
    if role == Role::Server {
        return Connection::server(&config, out);
    }
    let mut client = Connection::client(&config, out);
    for method in [Method::GET, Method::HEAD, Method::POST] {
        let (scheme, authority, path) = ("https", "a", "/");
        let line = RequestLine { method, scheme, authority, path, protocol: None };
        let end = if method == Method::POST { EndStream::No } else { EndStream::Yes };
        let opened = client.request(&line, &FieldBlock::new(), end, out);
        assert!(opened.is_ok(), "a new client opens streams");
    }
    client
}

/// Feeds `bytes` in pieces of the lengths that `cuts` gives over and over. The application answers by
/// the number of the stream, and consumes nothing.
#[must_use]
pub fn converse(role: Role, bytes: &[u8], cuts: &[u8]) -> Outcome {
    let mut said = Vec::new();
    let mut end = end(role, &mut said);
    let mut reader = FieldReader::new(Notes::default());
    let (mut heard, mut error) = (Vec::new(), None);
    let mut bytes = bytes.to_vec();
    let mut rest = &mut bytes[..];
    let mut lens = cuts.iter().map(|cut| usize::from(*cut).max(1)).cycle();
    while !rest.is_empty() {
        let len = lens.next().unwrap_or(usize::MAX).min(rest.len());
        let (mut input, tail) = rest.split_at_mut(len);
        rest = tail;
        loop {
            match end.receive(&mut input, &mut reader, &mut said) {
                Ok(Some(event)) => {
                    note(&event, &reader.fields, &mut heard);
                    answer(&mut end, &event, &mut said);
                }
                Ok(None) => break,
                Err(fault) => {
                    assert!(error.is_none(), "an error is told once");
                    error = Some(fault);
                }
            }
        }
        assert!(input.is_empty(), "all input is consumed");
        let memory = end.memory_bytes();
        assert!(memory <= 16_384 + 4096 + end.stream_count() * 100, "{memory} bytes");
    }
    Outcome { heard, error, said }
}

fn note(event: &Event<'_>, fields: &Notes, heard: &mut Vec<String>) {
    match event {
        Event::Data { stream, data, end_stream } => {
            let begin = format!("content {stream} ");
            let content = data.escape_ascii();
            match heard.last_mut().filter(|last| last.starts_with(&begin)) {
                Some(last) => last.push_str(&format!("{content}")),
                None => heard.push(format!("{begin}{content}")),
            }
            if *end_stream {
                heard.push(format!("end {stream}"));
            }
        }
        other => {
            heard.push(format!("{other:?}"));
            if let Event::Request { .. } | Event::Response { .. } | Event::Trailers { .. } = other {
                heard.extend(fields.0.iter().cloned());
            }
        }
    }
}

/// Each fourth request is answered whole, each fourth begun, each fourth reset, each fourth left alone.
fn answer(end: &mut Connection, event: &Event<'_>, said: &mut Vec<u8>) {
    let Event::Request { stream, .. } = *event else { return };
    let (ok, fields) = (Status::OK, FieldBlock::new());
    let result = match stream.to_u32() / 2 % 4 {
        0 => end.respond(stream, ok, &fields, EndStream::Yes, said),
        1 => end.respond(stream, ok, &fields, EndStream::No, said),
        2 => end.reset(stream, ErrorCode::CANCEL, said),
        _ => Ok(()),
    };
    assert_eq!(result, Ok(()), "a stream that was just opened takes an answer");
}

/// Any split of the input gives the same events, fields, replies and error.
pub fn split_changes_nothing(role: Role, bytes: &[u8], cuts: &[u8]) {
    let whole = converse(role, bytes, &[]);
    assert_eq!(converse(role, bytes, cuts), whole, "cut at {cuts:?}");
    assert_eq!(converse(role, bytes, &[1]), whole, "byte by byte");
}

/// The output is whole frames in an order that a peer accepts, ends with GOAWAY if the peer broke a
/// rule, and is bounded by the input.
pub fn limits_hold(role: Role, bytes: &[u8]) {
    let Outcome { said, error, .. } = converse(role, bytes, &[]);
    let mut rest = &said[..];
    if role == Role::Client {
        rest = rest.strip_prefix(&PREFACE[..]).expect("a client begins with the preface");
    }
    let mut ended: Vec<StreamId> = Vec::new();
    let mut last = None;
    while let Some((head, tail)) = rest.split_first_chunk::<HEAD_BYTES>() {
        let head = FrameHead::parse(*head);
        assert_eq!(head.check(), Ok(()));
        rest = &tail[head.len as usize..];
        let is_of_stream = matches!(head.kind, FrameKind::Data | FrameKind::Headers);
        assert!(!is_of_stream || !ended.contains(&head.stream), "{head:?} behind the end");
        let ends = is_of_stream && head.flags.has(Flags::END_STREAM);
        if ends || head.kind == FrameKind::RstStream {
            ended.push(head.stream);
        }
        last = Some(head.kind);
    }
    assert!(rest.is_empty(), "whole frames");
    assert_eq!(error.is_some(), last == Some(FrameKind::Goaway));
    assert!(said.len() <= 400 + bytes.len() * 4, "{} bytes", said.len());
}
