//! The input of the scenarios, and of the rows beside the peers: the same bytes each time.

use sockeye_frame::{Header, MaskKey, Opcode, Rsv, apply_mask};

const KEY: MaskKey = MaskKey::new([0x37, 0xFA, 0x21, 0x3D]);

/// A client's frame, masked, on the wire.
pub(crate) fn masked_frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let payload_len = payload.len() as u64;
    let header = Header { fin: true, rsv: Rsv::NONE, opcode, mask: Some(KEY), payload_len };
    let mut frame = header.encode().to_vec();
    let start = frame.len();
    frame.extend_from_slice(payload);
    apply_mask(&mut frame[start..], KEY, 0);
    frame
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

/// The smallest opening handshake at `target`.
pub(crate) fn small_head(target: &str) -> Vec<u8> {
    format!(
        "GET {target} HTTP/1.1\r\n\
         Host: localhost:8080\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\n\r\n"
    )
    .into_bytes()
}

/// An opening handshake such as browsers send.
pub(crate) fn browser_head(target: &str) -> Vec<u8> {
    format!(
        "GET {target} HTTP/1.1\r\n\
         Host: app.example.com\r\n\
         Connection: Upgrade\r\n\
         Pragma: no-cache\r\n\
         Cache-Control: no-cache\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/126.0.0.0 Safari/537.36\r\n\
         Upgrade: websocket\r\n\
         Origin: https://app.example.com\r\n\
         Sec-WebSocket-Version: 13\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\n\
         Accept-Language: en-GB,en-US;q=0.9,en;q=0.8\r\n\
         Cookie: session=abcdefghijklmnopqrstuvwxyz0123456789; theme=dark; lang=en\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
    )
    .into_bytes()
}

/// An event: a model's token.
pub(crate) fn token(n: u64) -> String {
    format!(
        "data: {{\"id\":\"c-{n:06}\",\"choices\":[{{\"delta\":{{\"content\":\" tok\"}}}}]}}\n\n"
    )
}

/// An event of 4 KiB.
pub(crate) fn document(n: u64) -> String {
    format!("id: {n}\ndata: {}\n\n", "x".repeat(4096))
}

/// An event of eight lines.
pub(crate) fn lines(n: u64) -> String {
    let lines = "data: a line of forty bytes or thereabouts\n".repeat(8);
    format!(": hb\nevent: update\nid: {n}\n{lines}\n")
}
