//! The encoder keeps to the negotiated window, down to the 256 bytes that zlib has no encoder for.

use sockeye_deflate::properties::{engine, messages, oracle};
use sockeye_deflate::{Params, Session, WindowBits};
use sockeye_websocket::{MessageCodec, Role};

/// For each window and level, over messages of every kind with takeover between them, an inflater
/// that shares no code with zlib reads the message and finds no distance above the bound.
///
/// [rfc7692:7.1.2-encoder-window] zlib keeps 262 bytes of its window to itself, so at 9 bits no
/// distance exceeds 250, and the output is good for 8 bits.
#[test]
fn distances_stay_within_the_window() {
    let mut sent = 0;
    for bits in 8..=15_u8 {
        let mut farthest = 0;
        for level in 1..=9_u8 {
            let mut engine = engine(level);
            for round in 0..2_u8 {
                let seed: Vec<u8> = (0..80_u8)
                    .map(|n| n.wrapping_mul(37).wrapping_add(round * 11 + level))
                    .collect();
                let server_max_window_bits = WindowBits::new(bits);
                let params = Params { server_max_window_bits, ..Params::default() };
                let mut session = Session::new(Role::Server, params);
                let mut other = Session::new(Role::Server, params);
                let mut oracle = oracle::Oracle::new(1 << bits, true, oracle::Reach::Window);
                for (n, message) in messages(&seed).iter().enumerate() {
                    // Every other message finds the deflater cold.
                    if n % 2 == 0 {
                        other.codec(&mut engine).compress(message, &mut Vec::new());
                    }
                    let mut wire = Vec::new();
                    if session.codec(&mut engine).compress(message, &mut wire) {
                        assert_eq!(oracle.inflate(&wire, u64::MAX), Ok(&message[..]));
                        sent += 1;
                    }
                }
                farthest = farthest.max(oracle.distance_max);
            }
        }
        let bound = (1 << bits.max(9)) - 262;
        assert!(farthest <= bound, "{farthest} at {bits} bits");
        assert!(farthest > bound / 2, "the inputs reach far back: {farthest} at {bits} bits");
    }
    assert!(sent > 1000, "{sent} messages");
}
