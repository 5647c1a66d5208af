//! The input of the rows.

use sockeye_frame::Opcode;

pub(crate) use shared::{ascii, browser_head, mixed, small_head};

#[path = "../instructions/src/inputs.rs"]
mod shared;

/// Bytes of a recording of frames: more than the second-level cache of small machines, and many
/// times a read.
const RECORDING_BYTES: usize = 256 * 1024;

/// A client's frame, masked, on the wire.
pub fn masked_frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    shared::masked_frame(opcode, payload)
}

/// Masked binary frames of `len` bytes of payload, one behind the other.
pub(crate) fn recording(len: usize) -> Vec<u8> {
    let payload: Vec<u8> = (0..len).map(|n| (n * 31 % 251) as u8).collect();
    let frame = masked_frame(Opcode::Binary, &payload);
    frame.repeat((RECORDING_BYTES / frame.len()).max(4))
}

/// The smallest opening handshake: 161 bytes.
pub(crate) const SMALL_HEAD: &[u8] = b"GET /chat HTTP/1.1\r\n\
    Host: server.example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// A stream of server-sent events.
pub(crate) struct EventStream {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) events: usize,
}

/// Bytes that each stream of events is repeated to.
const STREAM_BYTES: usize = 256 * 1024;

/// The usual shapes: a model's token, the smallest event, a document, an event of many lines.
pub(crate) fn event_streams() -> Vec<EventStream> {
    let stream = |name, make: fn(u64) -> String| {
        let (mut bytes, mut events) = (Vec::new(), 0);
        while bytes.len() < STREAM_BYTES {
            bytes.extend_from_slice(make(events as u64).as_bytes());
            events += 1;
        }
        EventStream { name, bytes, events }
    };
    vec![
        stream("token, 66 B", shared::token),
        stream("small, 19 B", |_| "data: {\"d\":\"tok\"}\n\n".to_owned()),
        stream("document, 4 KiB", shared::document),
        stream("8 lines", shared::lines),
    ]
}

/// Something like the events of a chat: `len` bytes, different for each seed.
pub(crate) fn json(len: usize, seed: u32) -> Vec<u8> {
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
        let (id, user) = (random(), random() % 999);
        text.push_str(&format!("{{\"id\":{id},\"user\":\"u{user}\",\"text\":\""));
        for _ in 0..random() % 9 + 3 {
            text.push_str(WORDS[random() as usize % WORDS.len()]);
            text.push(' ');
        }
        text.push_str(&format!("\",\"at\":17{}}}", random()));
    }
    text.truncate(len);
    text.into_bytes()
}
