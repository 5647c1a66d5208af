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

/// Counts the answers that come on a connection.
#[derive(Default)]
pub(crate) struct Answers {
    /// The beginning of a frame: its head, and the first byte of its payload if it has one.
    begun: Vec<u8>,
    /// Bytes of a payload that are still to come.
    left: usize,
    /// Streams that have ended, and heads that did not say 200.
    ended: usize,
    refused: usize,
}

/// The bytes of a frame's head.
const HEAD: usize = 9;

/// `:status: 200` in the static table (RFC 7541 appendix A).
const OK: u8 = 0x88;

impl Answers {
    /// Whole answers that said 200.
    pub(crate) const fn whole(&self) -> usize {
        self.ended.saturating_sub(self.refused)
    }

    pub(crate) fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let len = self.left.min(bytes.len());
                (self.left, bytes) = (self.left - len, &bytes[len..]);
                continue;
            }
            self.begun.push(bytes[0]);
            bytes = &bytes[1..];
            let [a, b, c, kind, flags, _, _, _, _, first @ ..] = &self.begun[..] else { continue };
            let len = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            if len > 0 && first.is_empty() {
                continue;
            }
            self.refused += usize::from(*kind == HEADERS && first != [OK]);
            self.ended += usize::from(matches!(*kind, DATA | HEADERS) && flags & END_STREAM > 0);
            self.left = len.saturating_sub(self.begun.len() - HEAD);
            self.begun.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_answers_of_200_are_counted_wherever_they_are_cut() {
        let wire = [
            frame(SETTINGS, 0, 0, &[0; 6]),
            frame(SETTINGS, ACK, 0, &[]),
            frame(HEADERS, END_HEADERS, 1, &[OK, 7, 7]),
            frame(DATA, 0, 1, &[OK; 300]),
            // No content, and an answer that is none.
            frame(HEADERS, END_HEADERS | END_STREAM, 3, &[OK]),
            frame(HEADERS, END_HEADERS | END_STREAM, 5, &[0x8d, 7]),
            frame(DATA, END_STREAM, 1, &[]),
            // Not whole.
            frame(HEADERS, END_HEADERS, 7, &[OK]),
            frame(PING, ACK, 0, &[OK; 8]),
        ]
        .concat();
        for size in 1..=wire.len() {
            let mut answers = Answers::default();
            wire.chunks(size).for_each(|piece| answers.receive(piece));
            assert_eq!(answers.whole(), 2, "in pieces of {size}");
        }
    }
}
