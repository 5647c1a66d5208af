//! Frames as we write them, right or wrong, and as we read them (RFC 9113 §4, §6).

use core::fmt::{self, Write as _};

/// The client's preface (§3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
/// A type that no document defines.
pub(crate) const UNKNOWN: u8 = 0xfb;

pub(crate) const NONE: u8 = 0;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const WITH_PRIORITY: u8 = 0x20;
/// A whole request without content.
pub(crate) const WHOLE: u8 = END_STREAM | END_HEADERS;

pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
pub(crate) const STREAM_CLOSED: u32 = 5;
pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const COMPRESSION_ERROR: u32 = 9;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
pub(crate) const ENABLE_PUSH: u16 = 2;
pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
pub(crate) const MAX_FRAME_SIZE: u16 = 5;
pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 6;
pub(crate) const ENABLE_CONNECT_PROTOCOL: u16 = 8;
pub(crate) const NO_RFC7540_PRIORITIES: u16 = 9;

/// The greatest window and increment.
pub(crate) const WINDOW_MAX: u32 = 0x7fff_ffff;
/// The longest payload before any SETTINGS.
pub(crate) const PAYLOAD_MAX: usize = 16_384;

/// A frame head that claims `len` bytes.
pub(crate) fn head(len: usize, kind: u8, flags: u8, stream: u32) -> Vec<u8> {
    let len = u32::try_from(len).expect("lengths have 24 bits").to_be_bytes();
    let mut bytes = vec![len[1], len[2], len[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes
}

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let mut bytes = head(payload.as_ref().len(), kind, flags, stream);
    bytes.extend(payload.as_ref());
    bytes
}

/// A DATA frame.
pub(crate) fn data(stream: u32, flags: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    frame(DATA, flags, stream, content)
}

/// A HEADERS frame.
pub(crate) fn headers(stream: u32, flags: u8, block: impl AsRef<[u8]>) -> Vec<u8> {
    frame(HEADERS, flags, stream, block)
}

/// A payload within padding.
pub(crate) fn padded(padding: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut bytes = vec![padding];
    bytes.extend(content.as_ref());
    bytes.resize(bytes.len() + usize::from(padding), 0);
    bytes
}

/// The priority of a HEADERS or PRIORITY frame.
pub(crate) fn depends(on: u32) -> Vec<u8> {
    let mut bytes = on.to_be_bytes().to_vec();
    bytes.push(15);
    bytes
}

/// An RST_STREAM frame.
pub(crate) fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, NONE, stream, code.to_be_bytes())
}

/// A SETTINGS frame.
pub(crate) fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in values {
        payload.extend(id.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    frame(SETTINGS, NONE, 0, payload)
}

/// A PING frame.
pub(crate) fn ping(payload: [u8; 8]) -> Vec<u8> {
    frame(PING, NONE, 0, payload)
}

/// A GOAWAY frame.
pub(crate) fn goaway(last: u32, code: u32, debug: &[u8]) -> Vec<u8> {
    frame(GOAWAY, NONE, 0, [&last.to_be_bytes()[..], &code.to_be_bytes(), debug].concat())
}

/// A WINDOW_UPDATE frame.
pub(crate) fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, NONE, stream, increment.to_be_bytes())
}

/// A frame that came.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The frame at the start of the bytes and its length, if it is whole.
    pub(crate) fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let &[a, b, c, kind, flags, d, e, f, g, ..] = bytes else { return None };
        let len = usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?;
        let payload = bytes.get(9..9 + len)?.to_vec();
        let stream = u32::from_be_bytes([d & 0x7f, e, f, g]);
        Some((Self { kind, flags, stream, payload }, 9 + len))
    }

    /// The length that the head at the start of the bytes claims.
    pub(crate) fn claimed(bytes: &[u8]) -> Option<usize> {
        let &[a, b, c, ..] = bytes else { return None };
        usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag == flag
    }

    /// The 32 bits at an offset of the payload.
    pub(crate) fn number(&self, at: usize) -> Option<u32> {
        self.payload.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// The content of a DATA frame, or the fragment of a HEADERS frame.
    pub(crate) fn content(&self) -> Option<&[u8]> {
        let mut rest = &self.payload[..];
        if self.has(PADDED) {
            let (&padding, content) = rest.split_first()?;
            rest = content.get(..content.len().checked_sub(usize::from(padding))?)?;
        }
        if self.kind == HEADERS && self.has(WITH_PRIORITY) {
            rest = rest.get(5..)?;
        }
        Some(rest)
    }

    /// The settings of a SETTINGS frame.
    pub(crate) fn settings(&self) -> Vec<(u16, u32)> {
        let values = self.payload.chunks_exact(6);
        values
            .map(|it| {
                let id = u16::from_be_bytes([it[0], it[1]]);
                (id, u32::from_be_bytes([it[2], it[3], it[4], it[5]]))
            })
            .collect()
    }
}

/// The name of an error code.
pub(crate) fn code_name(code: u32) -> String {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    let at = usize::try_from(code).unwrap_or(usize::MAX);
    NAMES.get(at).map_or_else(|| format!("code {code:#x}"), |name| (*name).to_owned())
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = |at| self.number(at).map_or_else(String::new, code_name);
        match self.kind {
            DATA => write!(f, "DATA of {} on {}", self.payload.len(), self.stream),
            HEADERS => write!(f, "HEADERS on {}", self.stream),
            RST_STREAM => write!(f, "RST_STREAM {} on {}", code(0), self.stream),
            SETTINGS if self.has(ACK) => f.write_str("SETTINGS ACK"),
            SETTINGS => f.write_str("SETTINGS"),
            PING if self.has(ACK) => f.write_str("PING ACK"),
            GOAWAY => write!(f, "GOAWAY {}", code(4)),
            WINDOW_UPDATE => write!(f, "WINDOW_UPDATE on {}", self.stream),
            _ => write!(f, "frame of type {:#x} on {}", self.kind, self.stream),
        }
    }
}

/// Bytes for people: each frame head apart from its payload, and not more than 160 bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const SHOWN: usize = 160;
    let mut text = String::new();
    let mut at = if bytes.starts_with(PREFACE) { PREFACE.len() } else { 0 };
    let mut heads = Vec::new();
    while let Some(len) = bytes.get(at..).and_then(Frame::claimed) {
        heads.push((at, at + 9));
        at += 9 + len;
    }
    for (place, byte) in bytes.iter().take(SHOWN).enumerate() {
        if heads.iter().any(|&(start, end)| place == start || place == end) && place > 0 {
            text.push(' ');
        }
        let _ = write!(text, "{byte:02x}");
    }
    if bytes.len() > SHOWN {
        let _ = write!(text, " … {} bytes", bytes.len());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{DATA, Frame, HEADERS, frame};

    #[test]
    fn frames_come_back() {
        for kind in [DATA, HEADERS] {
            let bytes = frame(kind, 1, 7, b"abc");
            let (read, len) = Frame::read(&bytes).expect("it is whole");
            assert_eq!((read.kind, read.flags, read.stream), (kind, 1, 7));
            assert_eq!((read.payload.as_slice(), len), (&b"abc"[..], 12));
        }
    }
}
