//! sockeye-http2 with a bump allocator.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::hint::black_box;

use sockeye_http2::frame::{Frame, FrameHead};
use sockeye_http2::{Sniffed, sniff};
use sockeye_nostd::{expect, program};
use static_alloc::Bump;

#[global_allocator]
static HEAP: Bump<[u8; 1 << 16]> = Bump::uninit();

program!(run);

fn run() -> Option<()> {
    expect(sniff(black_box(b"PRI * HTTP")) == Sniffed::Undecided)?;
    let mut wire = Vec::new();
    let ping = Frame::Ping { ack: false, payload: *b"01234567" };
    ping.write(&mut wire);
    let (head, payload) = wire.split_first_chunk()?;
    expect(Frame::parse(FrameHead::parse(*head), payload) == Ok(ping))
}
