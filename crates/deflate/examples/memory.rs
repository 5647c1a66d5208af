//! Prints the bytes of memory that the README states, as the growth of this process's resident
//! memory (Linux): `cargo run --release -p sockeye-deflate --example memory`.

use sockeye_deflate::{Engine, Params, Session, WindowBits};
use sockeye_websocket::{MessageCodec, Role};
use zlib_rs::{Deflate, DeflateConfig, Inflate};

const SESSIONS: usize = 2000;
const STREAMS: usize = 100;

fn main() {
    println!("bytes per connection, both windows full ({SESSIONS} sessions)");
    println!("  struct Session itself: {}", size_of::<Session>());
    let mut engine = Engine::default();
    let message = b"the salmon leap upstream, ".repeat(64 * 1024 / 26);
    let mut wire = Vec::new();
    assert!(engine.compress_shared(&message, WindowBits::MIN, &mut wire));
    let mut out = Vec::with_capacity(message.len());
    for (name, bits, no_takeover) in
        [("15/15", 15, false), ("12/12", 12, false), ("9/9", 9, false), ("no takeover", 15, true)]
    {
        let params = params(bits, no_takeover);
        let bytes = resident_each(SESSIONS, || {
            let mut session = Session::new(Role::Server, params);
            out.clear();
            session.codec(&mut engine).decompress(&wire, u64::MAX, &mut out).expect("valid");
            session.note_shared(&message);
            session
        });
        println!("  {name:<12} {bytes:>7}");
    }
    println!("bytes per stream of zlib-rs");
    println!("  inflate      {:>7}", resident_each(STREAMS, || Inflate::new(false, 15)));
    for bits in [9, 12, 15] {
        let config = DeflateConfig { window_bits: -bits, ..DeflateConfig::new(1) };
        let bytes = resident_each(STREAMS, || Deflate::new_with_config(config));
        println!("  deflate {bits:<4} {bytes:>7}");
    }
}

fn params(bits: u8, no_context_takeover: bool) -> Params {
    Params {
        server_no_context_takeover: no_context_takeover,
        client_no_context_takeover: no_context_takeover,
        server_max_window_bits: WindowBits::new(bits),
        client_max_window_bits: WindowBits::new(bits),
    }
}

/// Makes so many, and returns the bytes that memory grew by for each.
fn resident_each<T>(count: usize, make: impl FnMut() -> T) -> usize {
    let before = resident();
    let made: Vec<T> = std::iter::repeat_with(make).take(count).collect();
    resident().saturating_sub(before) / made.len()
}

/// The resident memory of this process in bytes, or 0 where the system does not say.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap_or(0) * 1024
}
