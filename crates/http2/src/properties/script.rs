//! Wires that mostly keep to the rules, so that properties reach the code behind the first check.

use alloc::vec;
use alloc::vec::Vec;

use sockeye_hpack as hpack;

use crate::frame::{Flags, FrameHead, FrameKind};
use crate::{PREFACE, Role, StreamId};

/// Frames from a script, three bytes each: what it is, which stream, and a number.
#[must_use]
pub fn wire_from_script(role: Role, script: &[u8]) -> Vec<u8> {
    let mut writer = Writer { wire: Vec::new(), role, next: 1, has_inserted: false };
    match role {
        Role::Server => writer.wire.extend_from_slice(PREFACE),
        // It has opened three.
        Role::Client => writer.next = 7,
    }
    writer.put(FrameKind::Settings, 0, 0, &[]);
    writer.put(FrameKind::Settings, 1, 0, &[]);
    if role == Role::Server {
        writer.step(0, 0, 0x16);
    }
    for step in script.chunks_exact(3) {
        // Some come often, so that rates are reached.
        let times = if step[0] >= 230 { 8 } else { 1 };
        for _ in 0..times {
            writer.step(step[0], step[1], step[2]);
        }
    }
    writer.wire
}

struct Writer {
    wire: Vec<u8>,
    role: Role,
    /// The next new stream.
    next: u32,
    /// A block has put a field into the table.
    has_inserted: bool,
}

impl Writer {
    fn put(&mut self, kind: FrameKind, flags: u8, stream: u32, payload: &[u8]) {
        let (len, stream) = (payload.len() as u32, StreamId::new(stream));
        FrameHead { len, kind, flags: Flags(flags), stream }.write(&mut self.wire);
        self.wire.extend_from_slice(payload);
    }

    /// One of the latest streams; now and then any.
    fn stream(&self, which: u8) -> u32 {
        match which {
            250.. => u32::from(which - 250) * 3,
            _ => self.next.saturating_sub(2 + u32::from(which % 4) * 2).max(1),
        }
    }

    fn new_stream(&mut self, which: u8) -> u32 {
        if self.role == Role::Client || which >= 250 {
            return self.stream(which);
        }
        self.next += 2;
        self.next - 2
    }

    fn step(&mut self, what: u8, which: u8, number: u8) {
        let stream = self.stream(which);
        match what % 23 {
            0..=4 => {
                let (stream, block) = (self.new_stream(which), self.block(number));
                self.put(
                    FrameKind::Headers,
                    4 | u8::from(number.is_multiple_of(3)),
                    stream,
                    &block,
                );
            }
            5 => {
                let (stream, block) = (self.new_stream(which), self.block(number));
                let at = usize::from(number) % block.len();
                self.put(FrameKind::Headers, number & 1, stream, &block[..at]);
                self.put(FrameKind::Continuation, 4, stream, &block[at..]);
            }
            6 => {
                let mut trailers = Vec::new();
                hpack::write_field(&mut trailers, b"x", b"y");
                self.put(FrameKind::Headers, 4 | u8::from(number != 0), stream, &trailers);
            }
            7..=9 => {
                let content = vec![b'd'; usize::from(number / 16)];
                self.put(FrameKind::Data, number & 1, stream, &content);
            }
            10 => {
                let mut payload = vec![0; usize::from(number % 40) + 1];
                payload[0] = number / 32;
                self.put(FrameKind::Data, 8 | (number & 1), stream, &payload);
            }
            11 => self.put(FrameKind::RstStream, 0, stream, &[0, 0, 0, number % 16]),
            12 => {
                let stream = if number.is_multiple_of(4) { 0 } else { stream };
                let high = if number > 200 { 0x7f } else { 0 };
                self.put(FrameKind::WindowUpdate, 0, stream, &[high, 0, 0, number]);
            }
            13 => self.put(FrameKind::Settings, 0, 0, &[0, 3, 0, 0, 0, number / 100]),
            14 => {
                let high = if number > 220 { 0x80 } else { 0 };
                self.put(FrameKind::Settings, 0, 0, &[0, 4, high, 0, number, number]);
            }
            15 => self.put(FrameKind::Ping, number & 1, 0, &[number; 8]),
            16 => self.put(FrameKind::Priority, 0, stream, &[0, 0, 0, number % 12, number]),
            17 => self.put(FrameKind::Goaway, 0, 0, &[0, 0, 0, number, 0, 0, 0, 0]),
            18 => {
                let (stream, block) = (self.new_stream(which), self.block(number));
                let payload = [&[0, 0, 0, number % 12, 1], &block[..]].concat();
                self.put(FrameKind::Headers, 4 | 0x20, stream, &payload);
            }
            19 => self.put(FrameKind::Unknown(number | 0x10), number, stream, &[number; 5]),
            20 => self.put(FrameKind::Data, 0, stream, b""),
            21 if number < 40 => {
                self.put(FrameKind::from_u8(number % 12), number, stream, &[number; 5]);
            }
            _ => self.put(FrameKind::Ping, 1, 0, &[number; 8]),
        }
    }

    /// A field block for what the end expects, mostly in order.
    fn block(&mut self, number: u8) -> Vec<u8> {
        let mut block = Vec::new();
        let mut put = |name: &str, value: &str| {
            hpack::write_field(&mut block, name.as_bytes(), value.as_bytes());
        };
        match (self.role, number % 16) {
            (_, 0) => put("x", "y"),
            (Role::Server, 1) => put(":method", "GET"),
            (Role::Server, it) => {
                put(":method", if it == 2 { "CONNECT" } else { "POST" });
                put(":scheme", "https");
                put(":authority", "a");
                put(":path", "/");
                if it == 2 {
                    put(":protocol", "websocket");
                }
            }
            (Role::Client, 1..4) => put(":status", "103"),
            (Role::Client, it) => put(":status", if it == 4 { "204" } else { "200" }),
        }
        match number / 16 {
            3 => put("content-length", "5"),
            4 => put("content-length", "0"),
            5 => put("te", "gzip"),
            6 => {
                block.extend_from_slice(b"\x40\x01t\x03abc");
                self.has_inserted = true;
            }
            7 | 8 if self.has_inserted => block.extend(vec![0xbe; usize::from(number % 64)]),
            9 => (0..10).for_each(|_| put("cookie", "a=b")),
            10 if number % 16 == 15 => block.push(0xff),
            _ => {}
        }
        block
    }
}
