//! Event streams, read and written.

use std::convert::Infallible;
use std::hint::black_box;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_executor::block_on;
use futures_util::{Stream, StreamExt, stream};
use http_body::{Body, Frame};
use sockeye_sse::{Event, EventId, EventName, Item, Parser};

use crate::inputs::{EventStream, ascii, event_streams};
use crate::{Group, each};

/// A packet, and a large read.
pub(super) const CHUNKS: [usize; 2] = [1448, 16 << 10];
const FLOOR: &str = "floor: memcpy and memchr";
pub(super) const PEERS: &[&str] = &["sse-stream", "sseer", "eventsource-stream"];

pub(super) fn groups() -> Vec<Group> {
    let mut groups = Vec::new();
    for stream in event_streams() {
        groups.extend(CHUNKS.map(|chunk_bytes| parse(&stream, chunk_bytes)));
    }
    groups.extend([64, 1024, 64 << 10].map(encode));
    groups
}

fn parse(stream: &EventStream, chunk_bytes: usize) -> Group {
    let name = format!("parse {}, chunks of {chunk_bytes} B", stream.name);
    let group = Group::new(name, stream.bytes.len())
        .parts(stream.events)
        .row("sockeye-sse", row(stream, chunk_bytes, sockeye));
    let group = peers(group, stream, chunk_bytes).row(FLOOR, row(stream, chunk_bytes, floor));
    match stream.bytes.len() / stream.events {
        0..100 => group.target("sockeye-sse", PEERS, 2.0),
        1000.. => group.target("sockeye-sse", &[FLOOR], 0.6),
        _ => group.target("sockeye-sse", PEERS, 1.5),
    }
}

/// The group with the rows of the other parsers, all of which are adapters for `Stream`.
pub(super) fn peers(group: Group, stream: &EventStream, chunk_bytes: usize) -> Group {
    group
        .row("sse-stream", row(stream, chunk_bytes, sse_stream))
        .row("sseer", row(stream, chunk_bytes, sseer))
        .row("eventsource-stream", row(stream, chunk_bytes, eventsource_stream))
}

/// A unit of work is the whole stream.
pub(super) fn row(
    stream: &EventStream,
    chunk_bytes: usize,
    count: fn(&[Bytes]) -> usize,
) -> impl FnMut(u64) + use<> {
    let events = stream.events;
    let mut rest = Bytes::copy_from_slice(&stream.bytes);
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        chunks.push(rest.split_to(chunk_bytes.min(rest.len())));
    }
    each(move || {
        assert_eq!(count(&chunks), events);
    })
}

/// Copies the chunks and finds their line feeds and the blank lines among them.
fn floor(chunks: &[Bytes]) -> usize {
    let mut buffer = [0; CHUNKS[1]];
    let (mut events, mut line_bytes) = (0, 0);
    for chunk in chunks {
        let mut rest = &mut buffer[..chunk.len()];
        rest.copy_from_slice(black_box(chunk));
        while let Some(len) = memchr::memchr(b'\n', rest) {
            events += usize::from(line_bytes + len == 0);
            (line_bytes, rest) = (0, &mut rest[len + 1..]);
        }
        line_bytes += rest.len();
    }
    events
}

fn sockeye(chunks: &[Bytes]) -> usize {
    let mut parser = Parser::default();
    let mut events = 0;
    for chunk in chunks {
        let mut input = &chunk[..];
        while let Some(item) = parser.next(&mut input).expect("within the limits") {
            if let Item::Event(event) = item {
                black_box(event);
                events += 1;
            }
        }
    }
    events
}

/// The chunks as a response's body that never fails.
pub(super) fn body(chunks: &[Bytes]) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::iter(chunks.iter().cloned().map(Ok))
}

fn eventsource_stream(chunks: &[Bytes]) -> usize {
    use eventsource_stream::Eventsource;
    block_on(body(chunks).eventsource().map(|event| black_box(event.expect("valid"))).count())
}

fn sseer(chunks: &[Bytes]) -> usize {
    use sseer::event_stream::EventStream;
    block_on(EventStream::new(body(chunks)).map(|event| black_box(event.expect("valid"))).count())
}

fn sse_stream(chunks: &[Bytes]) -> usize {
    let events = sse_stream::SseStream::new(Chunks(chunks.iter().cloned()));
    block_on(events.map(|event| black_box(event.expect("valid"))).count())
}

struct Chunks<'c>(std::iter::Cloned<std::slice::Iter<'c, Bytes>>);

impl Body for Chunks<'_> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|chunk| Ok(Frame::data(chunk))))
    }
}

/// An id, a type and one data line.
fn encode(len: usize) -> Group {
    let data = String::from_utf8(ascii(len)).expect("ASCII");
    let (ours, theirs) = (data.clone(), data);
    let mut out = Vec::new();
    let mut other = Vec::new();
    Group::new(format!("encode an event of {len} B"), len)
        .row(
            "sockeye-sse",
            each(move || {
                out.clear();
                let (name, id) = black_box(("update", "123456"));
                let name = EventName::new(name).ok();
                let id = EventId::new(id).ok();
                Event { name, id, ..Event::message(black_box(&ours)) }.encode(&mut out);
                black_box(&out);
            }),
        )
        .row(
            "write! without any check",
            each(move || {
                other.clear();
                let (name, id) = black_box(("update", "123456"));
                let data = black_box(&theirs);
                write!(other, "event: {name}\nid: {id}\ndata: {data}\n\n").expect("a vector");
                black_box(&other);
            }),
        )
}
