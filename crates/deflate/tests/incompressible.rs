//! Messages that do not get shorter are sent as they are, and leave the shared deflater whole.

use sockeye_deflate::{Engine, EngineConfig, Level, Params, Session};
use sockeye_websocket::{MessageCodec, Role};

/// Bytes without any pattern, the same ones for the same `seed`.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// The deflater's own buffer, 64 KiB, is emptied 16 KiB at a time. A message that was given up in
/// between once left it half in use, and the next one overran it: two messages of noise from a
/// peer ended the program.
#[test]
fn a_message_given_up_does_not_spoil_the_next_one() {
    for level in [1, 2, 6, 9] {
        let level = Level::new(level).expect("a level");
        let mut engine =
            Engine::new(EngineConfig { level, message_bytes_min: 0, ..EngineConfig::default() });
        let mut session = Session::new(Role::Server, Params::default());
        let mut peer = Session::new(Role::Client, Params::default());
        for len in (8_000..140_000).step_by(2_999) {
            for seed in 0..2 {
                let mut out = vec![b'o'];
                let compressed = session.codec(&mut engine).compress(&noise(len, seed), &mut out);
                assert!(!compressed && out == b"o", "noise of {len} bytes got shorter");
            }
            let text = b"a text that repeats itself, ".repeat(len / 28);
            let mut out = Vec::new();
            assert!(session.codec(&mut engine).compress(&text, &mut out));
            let mut back = Vec::new();
            peer.codec(&mut engine).decompress(&out, 1 << 20, &mut back).expect("the text");
            assert!(back == text, "after noise of {len} bytes");
        }
    }
}
