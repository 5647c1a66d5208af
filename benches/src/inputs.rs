//! The input of the rows.

use sockeye_frame::{Header, MaskKey, Opcode, Rsv, apply_mask};

/// The key of every masked frame here.
const KEY: MaskKey = MaskKey::new([0x37, 0xFA, 0x21, 0x3D]);

/// Bytes of a recording of frames: more than the second-level cache of small machines, and many
/// times a read.
const RECORDING_BYTES: usize = 256 * 1024;

/// A client's frame, masked, on the wire.
pub fn masked_frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let payload_len = payload.len() as u64;
    let header = Header { fin: true, rsv: Rsv::NONE, opcode, mask: Some(KEY), payload_len };
    let mut frame = header.encode().to_vec();
    let start = frame.len();
    frame.extend_from_slice(payload);
    apply_mask(&mut frame[start..], KEY, 0);
    frame
}

/// Masked binary frames of `len` bytes of payload, one behind the other.
pub(crate) fn recording(len: usize) -> Vec<u8> {
    let payload: Vec<u8> = (0..len).map(|n| (n * 31 % 251) as u8).collect();
    let frame = masked_frame(Opcode::Binary, &payload);
    frame.repeat((RECORDING_BYTES / frame.len()).max(4))
}

/// Text of `len` bytes: ASCII letters.
pub(crate) fn ascii(len: usize) -> Vec<u8> {
    (b'a'..=b'z').cycle().take(len).collect()
}

/// Text of `len` bytes in characters of one to four bytes.
pub(crate) fn mixed(len: usize) -> Vec<u8> {
    let mut text = "é字😀a".repeat(len / 10).into_bytes();
    text.resize(len, b'x');
    text
}

/// The smallest opening handshake: 161 bytes.
pub(crate) const SMALL_HEAD: &[u8] = b"GET /chat HTTP/1.1\r\n\
    Host: server.example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// An opening handshake such as browsers send.
pub(crate) const BROWSER_HEAD: &[u8] =
    b"GET /live/socket?vsn=2.0.0&token=0123456789abcdef HTTP/1.1\r\n\
    Host: app.example.com\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\n\
    Upgrade: websocket\r\n\
    Origin: https://app.example.com\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en-US;q=0.9,en;q=0.8\r\n\
    Cookie: session=abcdefghijklmnopqrstuvwxyz0123456789; theme=dark; lang=en\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

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
    let stream = |name, make: &dyn Fn(usize) -> String| {
        let (mut bytes, mut events) = (Vec::new(), 0);
        while bytes.len() < STREAM_BYTES {
            bytes.extend_from_slice(make(events).as_bytes());
            events += 1;
        }
        EventStream { name, bytes, events }
    };
    vec![
        stream("token, 66 B", &|n| {
            format!(
                "data: {{\"id\":\"c-{n:06}\",\"choices\":[{{\"delta\":{{\"content\":\" tok\"}}}}]}}\n\n"
            )
        }),
        stream("small, 19 B", &|_| "data: {\"d\":\"tok\"}\n\n".to_owned()),
        stream("document, 4 KiB", &|n| format!("id: {n}\ndata: {}\n\n", "x".repeat(4096))),
        stream("8 lines", &|n| {
            let lines = "data: a line of forty bytes or thereabouts\n".repeat(8);
            format!(": hb\nevent: update\nid: {n}\n{lines}\n")
        }),
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
