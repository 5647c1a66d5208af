//! sockeye-sse with a bump allocator.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;

use sockeye_nostd::{expect, program};
use sockeye_sse::{
    Action, Event, EventId, EventName, Input, Item, Parser, Policy, Reconnection, is_event_stream,
};
use static_alloc::Bump;

#[global_allocator]
static HEAP: Bump<[u8; 1 << 16]> = Bump::uninit();

program!(run);

fn run() -> Option<()> {
    let mut wire = Vec::new();
    let event = Event {
        name: Some(EventName::new("greeting").ok()?),
        id: Some(EventId::new("7").ok()?),
        ..Event::message("hello\nworld")
    };
    event.encode(&mut wire);

    let mut parser = Parser::default();
    let mut events = 0;
    for mut chunk in wire.chunks(5) {
        while let Some(item) = parser.next(&mut chunk).ok()? {
            if let Item::Event(event) = item {
                expect(event.event_type == "greeting" && event.data == "hello\nworld")?;
                events += 1;
            }
        }
    }
    expect(events == 1 && parser.last_event_id() == "7")?;
    expect(is_event_stream(b"text/event-stream;charset=utf-8"))?;
    reconnect()
}

fn reconnect() -> Option<()> {
    let mut source = Reconnection::new(Policy::default());
    let failure = source.handle(Input::NetworkError { entropy: 0 })?;
    expect(failure == Action::Wait(3000))
}
