//! Properties of every input. The property tests, the fuzz targets and the replay of corpora call them.
//! Each function panics on a violation.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use alloc::vec;
use alloc::vec::Vec;

use sockeye_websocket::{CodecError, MessageCodec, Role};
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush};

use crate::{
    ClientOffer, Engine, EngineConfig, Level, Params, ServerConfig, Session, WindowBits,
    accept_offer,
};

pub mod fuzz;
pub mod gzip;
pub mod offers;
pub mod oracle;

use oracle::{Oracle, Reach};

/// An engine that compresses every message that gets shorter by it.
#[must_use]
pub fn engine(level: u8) -> Engine {
    engine_with(level, 0)
}

/// The same with deflaters for so many sessions.
#[must_use]
pub fn engine_with(level: u8, own_deflaters_max: u16) -> Engine {
    let level = Level::new(level.clamp(1, 9)).expect("clamped");
    Engine::new(EngineConfig { level, message_bytes_min: 0, own_deflaters_max })
}

/// All parameters, numbered: 4 kinds of takeover and 8 windows in each direction.
#[must_use]
pub fn params(number: u8) -> Params {
    Params {
        server_no_context_takeover: number & 1 != 0,
        client_no_context_takeover: number & 2 != 0,
        server_max_window_bits: WindowBits::new(8 + (number >> 2 & 7)),
        client_max_window_bits: WindowBits::new(8 + (number >> 5 & 7)),
    }
}

/// Messages grown from a seed: noise, runs, repetitions from far back, and text, of sizes around
/// the window sizes. Four bytes make a message.
#[must_use]
pub fn messages(seed: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<u8> = Vec::new();
    let mut state = 0x9E37_79B9_u32;
    let mut messages = Vec::new();
    for recipe in seed.chunks_exact(4) {
        let len = usize::from(recipe[1]) << (recipe[2] % 9);
        let mut message = Vec::with_capacity(len);
        while message.len() < len {
            state =
                state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223 ^ u32::from(recipe[3]));
            let random = (state >> 8) as usize;
            match recipe[0] % 5 {
                0 => message.push(random as u8),
                1 => message.extend(core::iter::repeat_n(recipe[3], random % 700 + 1)),
                2 => message.extend_from_slice(
                    alloc::format!("{{\"id\":{},\"text\":\"hello\"}},", random % 5000).as_bytes(),
                ),
                3 if !all.is_empty() => {
                    let distance = random % all.len().min(40_000) + 1;
                    let from = all.len() - distance;
                    message.extend(all[from..].iter().take(random % 400 + 3));
                }
                _ => message.extend(core::iter::repeat_n((random % 3) as u8, random % 5 + 1)),
            }
        }
        message.truncate(len);
        all.extend_from_slice(&message);
        messages.push(message);
    }
    messages
}

/// A message arrives as it was sent, behind what `out` held before.
fn receives(receiver: &mut Session, engine: &mut Engine, wire: &[u8], message: &[u8]) {
    let mut out = b"kept".to_vec();
    let read = receiver.codec(engine).decompress(wire, message.len() as u64, &mut out);
    assert_eq!((read, &out[4..]), (Ok(()), message));
}

/// One end's messages reach the other, mixed with uncompressed ones (a byte of `plain` is odd),
/// and the oracle, which insists on the negotiated window, reads the same.
pub fn round_trip(number: u8, level: u8, plain: &[u8], seed: &[u8]) {
    messages_round_trip(number, level, plain, &messages(seed));
}

/// The same for given messages.
pub fn messages_round_trip(number: u8, level: u8, plain: &[u8], messages: &[Vec<u8>]) {
    let params = params(number);
    let (mut here, mut there) = (engine(level), engine(level));
    for role in [Role::Server, Role::Client] {
        let (mut sender, mut receiver) = (Session::new(role, params), peer(role, params));
        let mut oracle = oracle_for(role, params, Reach::Window);
        for (n, message) in messages.iter().enumerate() {
            if !plain.is_empty() && plain[n % plain.len()] & 1 == 1 {
                continue;
            }
            let mut wire = b"kept".to_vec();
            if !sender.codec(&mut here).compress(message, &mut wire) {
                assert_eq!(wire, b"kept", "out is untouched");
                continue;
            }
            let wire = &wire[4..];
            assert!(wire.len() < message.len(), "never longer than the message");
            receives(&mut receiver, &mut there, wire, message);
            assert_eq!(oracle.inflate(wire, message.len() as u64), Ok(&message[..]));
        }
    }
}

/// Sessions that share an engine keep their pasts apart, with and without deflaters of their own: each receiver, and an
/// oracle of its own, reads what was sent to it.
///
/// Nothing is said of lengths. A deflater that goes on finds other repetitions than one that was primed:
/// the fast levels do not remember every place of a long repetition.
pub fn sessions_do_not_mix(seed: &[u8]) {
    let mut shared = engine_with(2, seed.get(1).map_or(0, |byte| u16::from(byte % 4)));
    let mut lanes = [0_u8, 0, 0b1110, 0xFC, 0xFF].map(|number| {
        let params = params(number.wrapping_add(seed.first().copied().unwrap_or(0)));
        let oracle = oracle_for(Role::Server, params, Reach::Window);
        (Session::new(Role::Server, params), peer(Role::Server, params), oracle)
    });
    for (message, recipe) in messages(seed).iter().zip(seed.chunks_exact(4)) {
        let lane = usize::from(recipe[3]) % lanes.len();
        let (sender, receiver, oracle) = &mut lanes[lane];
        let mut wire = Vec::new();
        if sender.codec(&mut shared).compress(message, &mut wire) {
            receives(receiver, &mut shared, &wire, message);
            assert_eq!(oracle.inflate(&wire, message.len() as u64), Ok(&message[..]));
        }
    }
}

/// One compressed copy serves sessions with different pasts.
pub fn shared_messages(number: u8, seed: &[u8]) {
    let mut engine = engine_with(2, seed.first().map_or(0, |byte| u16::from(byte % 3)));
    let params = params(number & !1);
    let mut lanes =
        [0, 1].map(|_| (Session::new(Role::Server, params), peer(Role::Server, params)));
    for (n, message) in messages(seed).iter().enumerate() {
        let mut wire = Vec::new();
        let bits = lanes[0].0.tx_window();
        let shared = n % 3 == 0 && engine.compress_shared(message, bits, &mut wire);
        for (lane, (sender, receiver)) in lanes.iter_mut().enumerate() {
            if shared {
                sender.note_shared(message);
            } else {
                wire.clear();
                if n % 2 != lane || !sender.codec(&mut engine).compress(message, &mut wire) {
                    continue;
                }
            }
            receives(receiver, &mut engine, &wire, message);
        }
    }
}

/// Any bytes as messages: no panic, never past the limit, and the oracle's verdict.
///
/// Messages are separated by the longest gap-free split: the first byte of `data` is the length of
/// the first message, and so on.
pub fn inflate_any(number: u8, bytes_max: u64, data: &[u8]) {
    let params = params(number);
    let mut engine = engine(1);
    let mut session = peer(Role::Server, params);
    let mut lenient = oracle_for(Role::Server, params, Reach::History);
    let mut strict = Some(oracle_for(Role::Server, params, Reach::Window));
    let mut rest = data;
    while let Some((len, after)) = rest.split_first() {
        let (message, after) = after.split_at(after.len().min(usize::from(*len)));
        rest = after;
        let mut out = Vec::new();
        let verdict = session.codec(&mut engine).decompress(message, bytes_max, &mut out);
        assert!(out.len() as u64 <= bytes_max, "never past the limit");
        assert!(out.capacity() as u64 <= 2 * bytes_max + 64, "nor allocated for it");
        let expected = lenient.inflate(message, bytes_max);
        assert_eq!(verdict.is_ok(), expected.is_ok(), "{verdict:?} but {expected:?}");
        // We read everything that the strict oracle reads.
        if let Some(oracle) = &mut strict {
            let accepted = oracle.inflate(message, bytes_max).map(<[u8]>::to_vec);
            assert!(verdict.is_ok() || accepted.is_err());
            if accepted.is_err() {
                strict = None;
            }
        }
        let Ok(expected) = expected else {
            assert!(out.is_empty(), "an error leaves nothing behind");
            assert_eq!(session.codec(&mut engine).decompress(b"\0", 9, &mut out), verdict);
            return;
        };
        assert_eq!(out, expected);
    }
}

/// A plain zlib-rs stream with takeover reads what a session writes, and the other way round.
pub fn like_a_private_stream(number: u8, level: u8, seed: &[u8]) {
    let params = params(number & !3);
    let bits = params.server_max_window_bits.expect("numbered parameters name both").to_u8();
    let mut engine = engine(level);
    let (mut sender, mut receiver) =
        (Session::new(Role::Server, params), peer(Role::Server, params));
    let mut inflate = Inflate::new(false, 15);
    let mut deflate = Deflate::new_with_config(DeflateConfig {
        window_bits: -i32::from(bits.max(9)),
        ..DeflateConfig::new(i32::from(level.clamp(1, 9)))
    });
    for message in messages(seed) {
        let mut wire = Vec::new();
        if sender.codec(&mut engine).compress(&message, &mut wire) {
            wire.extend_from_slice(&[0x00, 0x00, 0xFF, 0xFF]);
            let mut out = vec![0; message.len() + 1];
            let before = inflate.total_out();
            let status = inflate.decompress(&wire, &mut out, InflateFlush::SyncFlush);
            assert!(status.is_ok());
            assert_eq!((inflate.total_out() - before) as usize, message.len());
            assert_eq!(out[..message.len()], message[..]);
        }
        let mut wire = vec![0; message.len() * 2 + 64];
        let before = deflate.total_out();
        deflate.compress(&message, &mut wire, DeflateFlush::SyncFlush).expect("room enough");
        let len = (deflate.total_out() - before) as usize;
        // A second flush in a row writes nothing: the stream's own way of an empty message.
        let payload = wire[..len].strip_suffix(&[0x00, 0x00, 0xFF, 0xFF]).unwrap_or(&[0]);
        receives(&mut receiver, &mut engine, payload, &message);
    }
}

/// A message of zeros stops at the limit, however large it is.
pub fn bomb_stops(bytes: usize, bytes_max: u64) -> Vec<u8> {
    let mut engine = engine(9);
    let params = Params::default();
    let mut wire = Vec::new();
    let zeros = vec![0; bytes];
    assert!(Session::new(Role::Server, params).codec(&mut engine).compress(&zeros, &mut wire));
    let mut out = Vec::new();
    let verdict =
        peer(Role::Server, params).codec(&mut engine).decompress(&wire, bytes_max, &mut out);
    let expected = if bytes as u64 > bytes_max { Err(CodecError::TooBig) } else { Ok(()) };
    assert_eq!(verdict, expected);
    assert!(out.capacity() as u64 <= 2 * bytes_max, "{} bytes", out.capacity());
    wire
}

/// A written element parses back, for every pair of an offer and a configuration.
pub fn negotiation(offer: &ClientOffer, config: &ServerConfig) -> Option<Params> {
    let offered = offer.to_string();
    let params = accept_offer(parse(&offered), config)?;
    let response = params.to_string();
    let agreed = offer.accept_response(parse(&response)).expect("our answers fit the offer");
    assert_eq!(agreed, params, "{offered} -> {response}");
    let mut written = Vec::new();
    params.write_response(&mut written);
    assert_eq!(written, response.as_bytes());
    Some(params)
}

/// The parameters of one element, without any care for malformed ones.
pub fn parse(element: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    element.split("; ").skip(1).map(|param| match param.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (param, None),
    })
}

fn peer(role: Role, params: Params) -> Session {
    Session::new(
        match role {
            Role::Server => Role::Client,
            Role::Client => Role::Server,
        },
        params,
    )
}

/// An oracle for what `role` sends.
fn oracle_for(role: Role, params: Params, reach: Reach) -> Oracle {
    let (bits, no_takeover) = match role {
        Role::Server => (params.server_max_window_bits, params.server_no_context_takeover),
        Role::Client => (params.client_max_window_bits, params.client_no_context_takeover),
    };
    Oracle::new(bits.unwrap_or(WindowBits::MAX).bytes(), !no_takeover, reach)
}
