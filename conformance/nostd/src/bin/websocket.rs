//! sockeye-websocket with a bump allocator.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hint::black_box;

use sockeye_nostd::{expect, program};
use sockeye_websocket::{Assembler, Config, Connection, Event, MaskKey, Message, State};
use static_alloc::Bump;

#[global_allocator]
static HEAP: Bump<[u8; 1 << 16]> = Bump::uninit();

program!(run);

fn run() -> Option<()> {
    let config = Config::default();
    let mut server = Connection::server(&config);
    let mut client = Connection::client(&config, Box::new(|| MaskKey::new([1, 2, 3, 4])));
    let mut assembler = Assembler::new(1 << 10);

    let mut to_server = Vec::new();
    client.send(Message::Text(black_box("Hello")), &mut to_server).ok()?;
    client.close(None, &mut to_server).ok()?;

    let mut to_client = Vec::new();
    let (first, second) = to_server.split_at_mut(9); // within the text
    for mut input in [first, second] {
        while let Some(event) = server.receive(&mut input, &mut to_client).ok()? {
            if let Event::Piece(piece) = event
                && let Some(message) = assembler.push(piece, None).ok()?
            {
                server.send(message, &mut to_client).ok()?;
            }
        }
    }
    expect(server.state() == State::Closed && to_client == b"\x81\x05Hello\x88\x00")
}
