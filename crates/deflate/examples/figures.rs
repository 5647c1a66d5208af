//! Prints the figures of the README: `cargo run --release -p sockeye-deflate --example figures`.
//!
//! Bytes are the growth of the process's resident memory (Linux); times are the best of several
//! rounds.

use std::hint::black_box;
use std::time::{Duration, Instant};

use sockeye_deflate::{Engine, EngineConfig, Level, Params, Session, WindowBits};
use sockeye_websocket::{MessageCodec, Role};
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush};

const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

fn main() {
    memory();
    for level in [1, 2, 3, 6] {
        times(Level::new(level).expect("1 to 9"));
    }
}

/// Bytes a connection and bytes an engine.
fn memory() {
    println!("bytes per connection, both windows full ({SESSIONS} sessions)");
    println!("  struct Session itself: {}", size_of::<Session>());
    let mut engine = engine(Level::FASTEST);
    let message = json(64 * 1024, 7);
    let mut wire = Vec::new();
    engine.compress_shared(&message, WindowBits::MIN, &mut wire);
    let mut out = Vec::with_capacity(message.len());
    for (name, params) in [
        ("15/15", params(15, false)),
        ("12/12", params(12, false)),
        ("9/9", params(9, false)),
        ("no takeover", params(15, true)),
    ] {
        let before = resident();
        let sessions: Vec<Session> = (0..SESSIONS)
            .map(|_| {
                let mut session = Session::new(Role::Server, params);
                out.clear();
                session.codec(&mut engine).decompress(&wire, u64::MAX, &mut out).expect("valid");
                session.note_shared(&message);
                session
            })
            .collect();
        let bytes = resident().saturating_sub(before) / SESSIONS;
        println!("  {name:<12} {bytes:>7}  (windows {})", sessions[0].windows_bytes());
    }
    println!("bytes per engine part");
    part("inflater", || Inflate::new(false, 15));
    for bits in [9, 12, 15] {
        part(&format!("deflater {bits}"), || deflate(bits, 2));
    }
}

const SESSIONS: usize = 2000;

fn part<T>(name: &str, make: impl Fn() -> T) {
    let before = resident();
    let parts: Vec<T> = (0..100).map(|_| make()).collect();
    println!("  {name:<12} {:>7}", resident().saturating_sub(before) / parts.len());
}

/// Nanoseconds a message.
fn times(level: Level) {
    println!("level {}: ns per message", level.to_u8());
    println!(
        "            window   bytes on the wire | compress: alone  in turn | decompress | private stream: compress  decompress"
    );
    for bits in [9, 12, 15] {
        for len in [128, 1024, 16 * 1024] {
            row(level, bits, len);
        }
    }
    for bits in [9, 12, 15] {
        priming(level, bits);
    }
}

/// One message size at one window size.
fn row(level: Level, bits: u8, len: usize) {
    let count = u32::try_from(128 * 1024 / len).expect("small").max(64);
    let messages: Vec<Vec<u8>> = (0..count).map(|n| json(len, n)).collect();
    let mut engine = engine(level);
    let mut sessions = [0, 1].map(|_| Session::new(Role::Server, params(bits, false)));
    let mut wire = Vec::new();
    for message in &messages {
        for session in &mut sessions {
            session.codec(&mut engine).compress(message, &mut wire);
        }
    }
    let mut bytes = 0;
    let alone = best(&messages, |message| {
        wire.clear();
        sessions[0].codec(&mut engine).compress(message, &mut wire);
        bytes = wire.len();
    });
    let mut turn = 0;
    let in_turn = best(&messages, |message| {
        wire.clear();
        turn ^= 1;
        sessions[turn].codec(&mut engine).compress(message, &mut wire);
    });
    let decompress = decompress(level, bits, &messages);
    let (private_compress, private_decompress) = private(level, bits, &messages);
    println!(
        "  {len:>6} B     {bits:>2}      {bytes:>6}            | {alone:>8}  {in_turn:>8}       | {decompress:>8}   | {private_compress:>8}  {private_decompress:>8}"
    );
}

/// Messages as a sender with a full window makes them, and the receiver's time for each.
fn decompress(level: Level, bits: u8, messages: &[Vec<u8>]) -> u128 {
    let mut engine = engine(level);
    let mut sender = Session::new(Role::Client, params(bits, false));
    let mut receiver = Session::new(Role::Server, params(bits, false));
    let mut out = Vec::new();
    let mut total = Duration::MAX;
    for _ in 0..ROUNDS {
        let wires: Vec<Vec<u8>> = messages
            .iter()
            .map(|message| {
                let mut wire = Vec::new();
                assert!(sender.codec(&mut engine).compress(message, &mut wire));
                wire
            })
            .collect();
        let start = Instant::now();
        for wire in &wires {
            out.clear();
            receiver.codec(&mut engine).decompress(wire, u64::MAX, &mut out).expect("valid");
            black_box(&out);
        }
        total = total.min(start.elapsed());
    }
    total.as_nanos() / messages.len() as u128
}

/// The same with zlib-rs streams that nobody else uses.
fn private(level: Level, bits: u8, messages: &[Vec<u8>]) -> (u128, u128) {
    let mut deflate = deflate(bits, level.to_u8());
    let mut inflate = Inflate::new(false, 15);
    let mut wire = vec![0; 64 * 1024];
    let mut out = vec![0; 64 * 1024];
    let (mut best_deflate, mut best_inflate) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let wires: Vec<Vec<u8>> = messages
            .iter()
            .map(|message| {
                let before = deflate.total_out();
                deflate.compress(message, &mut wire, DeflateFlush::SyncFlush).expect("room");
                let len = usize::try_from(deflate.total_out() - before).expect("small");
                wire[..len].strip_suffix(&TAIL).expect("flushed").to_vec()
            })
            .collect();
        best_deflate = best_deflate.min(start.elapsed());
        let start = Instant::now();
        for wire in &wires {
            for part in [&wire[..], &TAIL] {
                inflate.decompress(part, &mut out, InflateFlush::SyncFlush).expect("valid");
            }
            black_box(&out);
        }
        best_inflate = best_inflate.min(start.elapsed());
    }
    let per_message = |time: Duration| time.as_nanos() / messages.len() as u128;
    (per_message(best_deflate), per_message(best_inflate))
}

/// The cost of handing a full window over.
fn priming(level: Level, bits: u8) {
    let window = json(1 << bits, 3);
    let mut inflate = Inflate::new(false, 15);
    let inflating = best(&vec![vec![]; 64], |_| {
        inflate.reset(false);
        inflate.set_dictionary(&window).expect("raw");
    });
    let mut deflate = deflate(bits, level.to_u8());
    let resetting = best(&vec![vec![]; 64], |_| deflate.reset());
    let deflating = best(&vec![vec![]; 64], |_| {
        deflate.reset();
        deflate.set_dictionary(&window).expect("raw");
    });
    println!(
        "  priming {bits:>2}: inflate {inflating} ns, deflate {deflating} ns (of which reset {resetting} ns)"
    );
}

const ROUNDS: usize = 30;

/// The best time a message of any short run, so that a busy machine does not show.
fn best(messages: &[Vec<u8>], mut work: impl FnMut(&[u8])) -> u128 {
    const RUN: usize = 32;
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        for run in messages.chunks_exact(RUN) {
            let start = Instant::now();
            for message in run {
                work(message);
            }
            best = best.min(start.elapsed());
        }
    }
    best.as_nanos() / RUN as u128
}

fn engine(level: Level) -> Engine {
    Engine::new(EngineConfig { level, message_bytes_min: 0 })
}

fn deflate(bits: u8, level: u8) -> Deflate {
    Deflate::new_with_config(DeflateConfig {
        window_bits: -i32::from(bits),
        ..DeflateConfig::new(i32::from(level))
    })
}

fn params(bits: u8, no_context_takeover: bool) -> Params {
    Params {
        server_no_context_takeover: no_context_takeover,
        client_no_context_takeover: no_context_takeover,
        server_max_window_bits: WindowBits::new(bits),
        client_max_window_bits: WindowBits::new(bits),
    }
}

/// Something like the events of a chat, `len` bytes, different for each seed.
fn json(len: usize, seed: u32) -> Vec<u8> {
    const WORDS: [&str; 12] = [
        "salmon", "river", "upstream", "the", "of", "sockeye", "is", "a", "leap", "net", "ocean",
        "returns",
    ];
    let mut state = seed.wrapping_mul(0x9E37_79B9) ^ 0x5EED;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 12
    };
    let mut text = String::new();
    while text.len() < len {
        text.push_str(&format!(
            "{{\"id\":{},\"user\":\"u{}\",\"text\":\"",
            random(),
            random() % 999
        ));
        for _ in 0..random() % 9 + 3 {
            text.push_str(WORDS[random() as usize % WORDS.len()]);
            text.push(' ');
        }
        text.push_str(&format!("\",\"at\":17{}}}", random()));
    }
    text.truncate(len);
    text.into_bytes()
}

/// The resident memory of this process in bytes, or 0 where the system does not say.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap_or(0) * 1024
}
