//! Compressed messages.

use std::hint::black_box;

use sockeye_deflate::{Engine, EngineConfig, Level, Params, Session, WindowBits};
use sockeye_websocket::{MessageCodec, Role};
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush};

use crate::Group;
use crate::inputs::json;

const MESSAGE_BYTES: usize = 1024;
/// Enough messages to fill the largest window and go round.
const MESSAGES: u32 = 64;
const ROOM: usize = 64 * 1024;
/// What the sender strips from each message (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

pub(super) fn groups() -> Vec<Group> {
    [9, 12, 15]
        .into_iter()
        .flat_map(|bits| [priming(bits), compress(bits), decompress(bits)])
        .collect()
}

fn messages() -> Vec<Vec<u8>> {
    (0..MESSAGES).map(|seed| json(MESSAGE_BYTES, seed)).collect()
}

fn priming(bits: u8) -> Group {
    let window = json(1 << bits, 3);
    let (first, second) = (window.clone(), window);
    let mut deflate = private_deflate(bits);
    let mut inflate = Inflate::new(false, 15);
    Group::new(format!("prime a window of 2^{bits} B"), 1 << bits)
        .row("deflate: reset and dictionary", move |units| {
            for _ in 0..units {
                deflate.reset();
                deflate.set_dictionary(black_box(&first)).expect("raw");
            }
        })
        .row("inflate: reset and dictionary", move |units| {
            for _ in 0..units {
                inflate.reset(false);
                inflate.set_dictionary(black_box(&second)).expect("raw");
            }
        })
}

fn compress(bits: u8) -> Group {
    Group::new(format!("compress 1 KiB of JSON, window 2^{bits}"), MESSAGE_BYTES)
        .row("sockeye-deflate, in turn", compress_in_turn::<2>(bits))
        .row("sockeye-deflate, alone", compress_in_turn::<1>(bits))
        .row("private stream", compress_privately(bits))
}

/// `N` connections that send one after the other.
fn compress_in_turn<const N: usize>(bits: u8) -> impl FnMut(u64) {
    let mut engine = engine();
    let mut sessions = [(); N].map(|()| Session::new(Role::Server, params(bits)));
    let messages = messages();
    let mut wire = Vec::new();
    let mut at = 0;
    move |units| {
        for _ in 0..units {
            wire.clear();
            at += 1;
            let message = &messages[at / N % messages.len()];
            assert!(sessions[at % N].codec(&mut engine).compress(message, &mut wire));
            black_box(&wire);
        }
    }
}

fn compress_privately(bits: u8) -> impl FnMut(u64) {
    let mut deflate = private_deflate(bits);
    let messages = messages();
    let mut wire = vec![0; ROOM];
    let mut at = 0;
    move |units| {
        for _ in 0..units {
            at += 1;
            let message = &messages[at % messages.len()];
            deflate.compress(message, &mut wire, DeflateFlush::SyncFlush).expect("room");
            black_box(&wire);
        }
    }
}

fn decompress(bits: u8) -> Group {
    Group::new(format!("decompress 1 KiB of JSON, window 2^{bits}"), MESSAGE_BYTES)
        .row("sockeye-deflate", decompress_shared(bits))
        .row("private stream", decompress_privately(bits))
}

/// The messages on the wire, twice: the second time every reference finds a full window.
fn wires(bits: u8) -> Vec<Vec<u8>> {
    let mut engine = engine();
    let mut sender = Session::new(Role::Client, params(bits));
    let wire = |message: Vec<u8>| {
        let mut wire = Vec::new();
        assert!(sender.codec(&mut engine).compress(&message, &mut wire));
        wire
    };
    messages().into_iter().chain(messages()).map(wire).collect()
}

/// A window primes the inflater for every message, so in turn or alone makes no difference. The
/// first half of the messages is received again and again after the second: the window holds what
/// they refer to, since both halves carry the same text.
fn decompress_shared(bits: u8) -> impl FnMut(u64) {
    let mut engine = engine();
    let mut session = Session::new(Role::Server, params(bits));
    let wires = wires(bits);
    let half = wires.len() / 2;
    let mut out = Vec::new();
    for wire in &wires[..half] {
        session.codec(&mut engine).decompress(wire, u64::MAX, &mut out).expect("valid");
    }
    let mut at = 0;
    move |units| {
        for _ in 0..units {
            out.clear();
            let wire = &wires[half + at % half];
            session.codec(&mut engine).decompress(wire, u64::MAX, &mut out).expect("valid");
            at += 1;
            assert_eq!(black_box(&out).len(), MESSAGE_BYTES);
        }
    }
}

fn decompress_privately(bits: u8) -> impl FnMut(u64) {
    let mut inflate = Inflate::new(false, 15);
    let wires = wires(bits);
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
    move |units| {
        for _ in 0..units {
            receive(&wires[half + at % half]);
            at += 1;
        }
    }
}

fn engine() -> Engine {
    Engine::new(EngineConfig { level: Level::FASTEST, message_bytes_min: 0 })
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
