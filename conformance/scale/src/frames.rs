//! Frames of HTTP/2 (RFC 9113 §4.1), written by hand: for clients that do what no library does.

use crate::world::SUBPROTOCOL;

// The kinds of frames, and flags.

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const ACK: u8 = 1;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).expect("short").to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A block of fields, without Huffman coding and with nothing in the table of the other end.
pub(crate) fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).expect("short"));
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// The fields of the request for a WebSocket (RFC 8441).
pub(crate) fn handshake(scheme: &str) -> Vec<u8> {
    fields(&[
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", scheme),
        (":authority", "localhost"),
        (":path", "/v1/ws"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", SUBPROTOCOL),
    ])
}
