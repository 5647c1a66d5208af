//! sockeye-hpack with a bump allocator.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::hint::black_box;

use sockeye_hpack::{Decoder, Encoder, Error, Limits, Prebuilt, write_field};
use sockeye_nostd::{expect, program};
use static_alloc::Bump;

#[global_allocator]
static HEAP: Bump<[u8; 1 << 14]> = Bump::uninit();

const STATUS: Prebuilt<8> = Prebuilt::new().field(":status", "200");

program!(run);

fn run() -> Option<()> {
    let (mut decoder, mut scratch) = (Decoder::new(Limits::DEFAULT), Vec::new());
    // RFC 7541, C.4.1: the last of its fields is indexed.
    let block = b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
    let mut is_right = false;
    let visit = |field: sockeye_hpack::Field<'_>| is_right = field.value == b"www.example.com";
    decoder.decode(black_box(block), &mut scratch, visit).ok()?;
    expect(is_right)?;

    let (mut encoder, mut out) = (Encoder::new(), Vec::new());
    encoder.table_bytes_announced(0);
    encoder.begin(&mut out);
    out.extend_from_slice(STATUS.as_bytes());
    write_field(&mut out, black_box(b"Vary"), b"*");
    expect(out == b"\x20\x88\x0f\x2c\x01*")?;
    expect(decoder.decode(black_box(b"\x80"), &mut scratch, |_| {}) == Err(Error::IndexZero))
}
