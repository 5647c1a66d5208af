//! Event streams read and written.

use std::hint::black_box;

use sockeye_sse::{Event, EventId, EventName, Item, Parser};

use crate::counting::counted;
use crate::inputs::ascii;
pub(super) use crate::inputs::{document, lines, token};

const STREAM_BYTES: usize = 128 * 1024;
const ROUNDS: u64 = 5;

/// A stream of such events, in chunks of so many bytes.
pub(super) fn parse(event: fn(u64) -> String, chunk_bytes: usize) -> u64 {
    let (mut stream, mut events) = (Vec::new(), 0);
    while stream.len() < STREAM_BYTES {
        stream.extend_from_slice(event(events).as_bytes());
        events += 1;
    }
    let mut parser = Parser::default();
    run(&mut parser, &stream, chunk_bytes);
    let parsed = counted(|| {
        (0..ROUNDS).map(|_| run(&mut parser, black_box(&stream), chunk_bytes)).sum::<u64>()
    });
    assert_eq!(parsed, ROUNDS * events);
    parsed
}

fn run(parser: &mut Parser, stream: &[u8], chunk_bytes: usize) -> u64 {
    let mut events = 0;
    for mut input in stream.chunks(chunk_bytes) {
        while let Some(item) = parser.next(&mut input).expect("within the limits") {
            if let Item::Event(event) = item {
                black_box(event);
                events += 1;
            }
        }
    }
    events
}

/// An event of 1 KiB with a name and an ID.
pub(super) fn encode() -> u64 {
    const EVENTS: u64 = 200;
    let data = String::from_utf8(ascii(1024)).expect("ASCII");
    let mut out = Vec::new();
    let mut run = || {
        out.clear();
        let (name, id) = black_box(("update", "123456"));
        let (name, id) = (EventName::new(name).ok(), EventId::new(id).ok());
        Event { name, id, ..Event::message(black_box(&data)) }.encode(&mut out);
        black_box(&out);
    };
    run();
    counted(|| (0..EVENTS).for_each(|_| run()));
    EVENTS
}
