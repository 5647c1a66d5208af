//! Compressed messages.

use std::hint::black_box;

use sockeye_deflate::{Engine, EngineConfig, Level, Params, Session, WindowBits};
use sockeye_websocket::{MessageCodec, Role};
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush};

use crate::inputs::json;
use crate::{Group, each};

/// Messages of together so many bytes fill the largest window, and go round.
const MESSAGES_BYTES: usize = 128 * 1024;
/// The fewest messages of a size.
const MESSAGES_MIN: usize = 64;
const ROOM: usize = 64 * 1024;
/// What the sender strips from each message (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

pub(super) fn groups() -> Vec<Group> {
    let mut groups = Vec::new();
    for bits in [9, 12, 15] {
        groups.push(priming(bits));
        for len in [128, 1024, 16 * 1024] {
            groups.extend([compress(bits, len), decompress(bits, len)]);
        }
    }
    groups.push(compress_harder());
    groups
}

/// Messages of `len` bytes, each another text.
fn messages(len: usize) -> Vec<Vec<u8>> {
    let count = (MESSAGES_BYTES / len).max(MESSAGES_MIN) as u32;
    (0..count).map(|seed| json(len, seed)).collect()
}

fn priming(bits: u8) -> Group {
    let window = json(1 << bits, 3);
    let (first, second) = (window.clone(), window);
    let (mut deflate, mut reset) = (private_deflate(bits), private_deflate(bits));
    let mut inflate = Inflate::new(false, 15);
    Group::new(format!("prime a window of 2^{bits} B"), 1 << bits)
        .row(
            "deflate: reset and dictionary",
            each(move || {
                deflate.reset();
                deflate.set_dictionary(black_box(&first)).expect("raw");
            }),
        )
        .row("deflate: reset", each(move || reset.reset()))
        .row(
            "inflate: reset and dictionary",
            each(move || {
                inflate.reset(false);
                inflate.set_dictionary(black_box(&second)).expect("raw");
            }),
        )
}

fn compress(bits: u8, len: usize) -> Group {
    let sent = wires(Level::FASTEST, bits, len).last().map_or(0, Vec::len);
    Group::new(format!("compress {len} B of JSON to {sent} B, window 2^{bits}"), len)
        .row("sockeye-deflate, in turn", compress_in_turn::<2>(Level::FASTEST, bits, len))
        .row("sockeye-deflate, alone", compress_in_turn::<1>(Level::FASTEST, bits, len))
        .row("private stream", compress_privately(bits, len))
}

/// The gain and the cost of the next level, at the default window.
fn compress_harder() -> Group {
    let (level, bits, len) = (Level::new(2).expect("1 to 9"), 12, 1024);
    let sent = wires(level, bits, len).last().map_or(0, Vec::len);
    Group::new(format!("compress {len} B of JSON to {sent} B at level 2, window 2^{bits}"), len)
        .row("sockeye-deflate, in turn", compress_in_turn::<2>(level, bits, len))
        .row("sockeye-deflate, alone", compress_in_turn::<1>(level, bits, len))
}

/// `N` connections that send one after the other.
fn compress_in_turn<const N: usize>(level: Level, bits: u8, len: usize) -> impl FnMut(u64) {
    let mut engine = engine(level);
    let mut sessions = [(); N].map(|()| Session::new(Role::Server, params(bits)));
    let messages = messages(len);
    let mut wire = Vec::new();
    let mut at = 0;
    each(move || {
        wire.clear();
        at += 1;
        let message = &messages[at / N % messages.len()];
        assert!(sessions[at % N].codec(&mut engine).compress(message, &mut wire));
        black_box(&wire);
    })
}

fn compress_privately(bits: u8, len: usize) -> impl FnMut(u64) {
    let mut deflate = private_deflate(bits);
    let messages = messages(len);
    let mut wire = vec![0; ROOM];
    let mut at = 0;
    each(move || {
        at += 1;
        let message = &messages[at % messages.len()];
        deflate.compress(message, &mut wire, DeflateFlush::SyncFlush).expect("room");
        black_box(&wire);
    })
}

fn decompress(bits: u8, len: usize) -> Group {
    Group::new(format!("decompress {len} B of JSON, window 2^{bits}"), len)
        .row("sockeye-deflate", decompress_shared(bits, len))
        .row("private stream", decompress_privately(bits, len))
}

/// The messages on the wire, twice: the second time every reference finds a full window.
fn wires(level: Level, bits: u8, len: usize) -> Vec<Vec<u8>> {
    let mut engine = engine(level);
    let mut sender = Session::new(Role::Client, params(bits));
    let wire = |message: Vec<u8>| {
        let mut wire = Vec::new();
        assert!(sender.codec(&mut engine).compress(&message, &mut wire));
        wire
    };
    messages(len).into_iter().chain(messages(len)).map(wire).collect()
}

/// A window primes the inflater for every message, so in turn or alone makes no difference. The
/// first half of the messages is received again and again after the second: the window holds what
/// they refer to, since both halves carry the same text.
fn decompress_shared(bits: u8, len: usize) -> impl FnMut(u64) {
    let mut engine = engine(Level::FASTEST);
    let mut session = Session::new(Role::Server, params(bits));
    let wires = wires(Level::FASTEST, bits, len);
    let half = wires.len() / 2;
    let mut out = Vec::new();
    for wire in &wires[..half] {
        session.codec(&mut engine).decompress(wire, u64::MAX, &mut out).expect("valid");
    }
    let mut at = 0;
    each(move || {
        out.clear();
        let wire = &wires[half + at % half];
        session.codec(&mut engine).decompress(wire, u64::MAX, &mut out).expect("valid");
        at += 1;
        assert_eq!(black_box(&out).len(), len);
    })
}

fn decompress_privately(bits: u8, len: usize) -> impl FnMut(u64) {
    let mut inflate = Inflate::new(false, 15);
    let wires = wires(Level::FASTEST, bits, len);
    let half = wires.len() / 2;
    let mut out = vec![0; ROOM];
    let mut receive = move |wire: &[u8]| {
        for part in [wire, &TAIL] {
            inflate.decompress(part, &mut out, InflateFlush::SyncFlush).expect("valid");
        }
        black_box(&out);
    };
    wires[..half].iter().for_each(|wire| receive(wire));
    let mut at = 0;
    each(move || {
        receive(&wires[half + at % half]);
        at += 1;
    })
}

fn engine(level: Level) -> Engine {
    Engine::new(EngineConfig { level, message_bytes_min: 0, ..EngineConfig::default() })
}

fn private_deflate(bits: u8) -> Deflate {
    let level = i32::from(Level::FASTEST.to_u8());
    Deflate::new_with_config(DeflateConfig {
        window_bits: -i32::from(bits),
        ..DeflateConfig::new(level)
    })
}

fn params(bits: u8) -> Params {
    let bits = WindowBits::new(bits);
    Params { server_max_window_bits: bits, client_max_window_bits: bits, ..Params::default() }
}
