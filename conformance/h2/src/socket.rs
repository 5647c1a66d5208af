//! A WebSocket on a stream (RFC 8441, RFC 6455): our end of it.

use sockeye_cases::{Miss, Outcome, failed, skipped};

use crate::peer::Peer;
use crate::target::Target;
use crate::wire::{ENABLE_CONNECT_PROTOCOL, END_HEADERS, NONE, data, headers};

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A masked frame of a client with FIN.
pub(crate) fn message(opcode: u8, payload: &[u8]) -> Vec<u8> {
    framed(0x80 | opcode, payload)
}

/// A masked frame with any first byte.
pub(crate) fn framed(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let len = payload.len();
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short @ ..=125), _) => bytes.push(0x80 | short),
        (_, Ok(middle)) => {
            bytes.push(0x80 | 126);
            bytes.extend(middle.to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// A WebSocket on a stream of a connection.
pub(crate) struct Socket {
    pub(crate) stream: u32,
    /// Content that was sent on it.
    pub(crate) sent: i64,
    /// Content that was taken of it.
    taken: usize,
}

/// The setting of RFC 8441, or the case does not apply.
pub(crate) fn announced(peer: &Peer) -> Outcome {
    match peer.setting(ENABLE_CONNECT_PROTOCOL, 0) {
        1 => Ok(()),
        _ => skipped("the server does not announce SETTINGS_ENABLE_CONNECT_PROTOCOL"),
    }
}

impl Socket {
    /// A WebSocket on a new connection.
    pub(crate) fn open(target: &Target) -> Result<(Peer, Self), Miss> {
        let mut peer = Peer::ready(target)?;
        let socket = Self::open_on(&mut peer, target, 1)?;
        Ok((peer, socket))
    }

    /// A WebSocket on a stream of this connection.
    pub(crate) fn open_on(peer: &mut Peer, target: &Target, stream: u32) -> Result<Self, Miss> {
        announced(peer)?;
        peer.send(&headers(stream, END_HEADERS, target.site.connect()));
        peer.until(|peer| peer.stream(stream).is_some());
        match peer.stream(stream) {
            Some(it) if it.status == Some(200) && !it.ended && it.reset.is_none() => {
                Ok(Self { stream, sent: 0, taken: 0 })
            }
            _ => failed("status 200 for a WebSocket", peer.story()),
        }
    }

    /// Sends frames in one DATA frame.
    pub(crate) fn send(&mut self, peer: &mut Peer, bytes: &[u8]) {
        for part in bytes.chunks(16_384) {
            peer.send(&data(self.stream, NONE, part));
        }
        self.sent += i64::try_from(bytes.len()).unwrap_or(0);
    }

    /// The next frame: its first byte and payload.
    pub(crate) fn next(&mut self, peer: &mut Peer) -> Option<(u8, Vec<u8>)> {
        let (stream, taken) = (self.stream, self.taken);
        let whole = |peer: &Peer| parse(peer.content(stream).get(taken..).unwrap_or_default());
        peer.until(|peer| whole(peer).is_some());
        let (first, payload, len) = whole(peer)?;
        self.taken += len;
        Some((first, payload))
    }

    /// The next frame has to be this one.
    pub(crate) fn expect(&mut self, peer: &mut Peer, opcode: u8, payload: &[u8]) -> Outcome {
        match self.next(peer) {
            Some((first, seen)) if first == 0x80 | opcode && seen == payload => Ok(()),
            Some((first, seen)) => {
                let seen = format!("a frame {first:#x} of {} bytes", seen.len());
                failed(format!("a frame {:#x} of {} bytes", 0x80 | opcode, payload.len()), seen)
            }
            None => failed(format!("a frame {:#x}", 0x80 | opcode), peer.story()),
        }
    }

    /// An echo has to come back.
    pub(crate) fn expect_echo(&mut self, peer: &mut Peer, text: &str) -> Outcome {
        self.send(peer, &message(TEXT, text.as_bytes()));
        self.expect(peer, TEXT, text.as_bytes())
    }

    /// A Close with this code.
    pub(crate) fn expect_close(&mut self, peer: &mut Peer, codes: &[u16]) -> Outcome {
        match self.next(peer) {
            Some((0x88, payload)) if payload.len() >= 2 => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                match codes.contains(&code) {
                    true => Ok(()),
                    false => failed(format!("Close {codes:?}"), format!("Close {code}")),
                }
            }
            Some((first, _)) => failed(format!("Close {codes:?}"), format!("a frame {first:#x}")),
            None => failed(format!("Close {codes:?}"), peer.story()),
        }
    }
}

/// The frame at the start: first byte, payload, length. A server's frames have no mask.
fn parse(bytes: &[u8]) -> Option<(u8, Vec<u8>, usize)> {
    let &[first, short, ..] = bytes else { return None };
    let (len, at) = match short & 0x7f {
        126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
        short => (u64::from(short), 2),
    };
    let end = at + usize::try_from(len).ok()?;
    Some((first, bytes.get(at..end)?.to_vec(), end))
}
