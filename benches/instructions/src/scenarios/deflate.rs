//! permessage-deflate: a message there and back, and one message for many.

use sockeye_deflate::{Engine, EngineConfig, Params, Session, WindowBits};
use sockeye_websocket::{MessageCodec, Role};

use crate::counting::counted;

const ROUNDS: u64 = 40;
/// Connections that share an engine, so that each message finds another's state in it.
const SESSIONS: usize = 2;

/// Something like the events of a chat, about 1 KiB, different for each number.
fn chat(number: u64) -> Vec<u8> {
    let line = |n: u64| {
        let (id, user) = (n.wrapping_mul(0x9E37_79B9) % 1_000_000, n * 7 % 999);
        format!("{{\"id\":{id},\"user\":\"u{user}\",\"text\":\"salmon {n} leaps upstream\"}}\n")
    };
    (number * 20..number * 20 + 16).map(line).collect::<String>().into_bytes()
}

fn engine() -> Engine {
    Engine::new(EngineConfig { message_bytes_min: 0, ..EngineConfig::default() })
}

/// Inflates a client's message and deflates it again, with a window of `2^bits` bytes both ways.
pub(super) fn echo(bits: u8) -> u64 {
    let window = WindowBits::new(bits);
    let (server_max_window_bits, client_max_window_bits) = (window, window);
    let params = Params { server_max_window_bits, client_max_window_bits, ..Params::default() };
    let (mut theirs, mut ours) = (engine(), engine());
    let session = |role| (0..SESSIONS).map(|_| Session::new(role, params)).collect::<Vec<_>>();
    let (mut clients, mut servers) = (session(Role::Client), session(Role::Server));
    let (mut wire, mut text, mut out) = (Vec::new(), Vec::new(), Vec::new());
    let mut exchange = |round: u64, client: &mut Session, server: &mut Session| {
        let message = chat(round);
        for buffer in [&mut wire, &mut text, &mut out] {
            buffer.clear();
        }
        assert!(client.codec(&mut theirs).compress(&message, &mut wire));
        counted(|| {
            let mut codec = server.codec(&mut ours);
            codec.decompress(&wire, 1 << 20, &mut text).expect("it is valid");
            assert!(codec.compress(&text, &mut out));
        });
        assert_eq!(text, message);
    };
    for round in 0..ROUNDS {
        for (client, server) in clients.iter_mut().zip(&mut servers) {
            exchange(round, client, server);
        }
    }
    ROUNDS * SESSIONS as u64
}

/// One message for many connections.
pub(super) fn shared() -> u64 {
    let (mut engine, mut out) = (engine(), Vec::new());
    for round in 0..ROUNDS {
        let message = chat(round);
        out.clear();
        counted(|| assert!(engine.compress_shared(&message, WindowBits::MAX, &mut out)));
    }
    ROUNDS
}
