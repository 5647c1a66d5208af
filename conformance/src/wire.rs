//! A frame as we send it, with every rule breakable, and a frame as we read it.

use core::fmt;

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// The reserved bits as a number: RSV1 is 4, RSV2 is 2, RSV3 is 1.
pub(crate) const RSV1: u8 = 4;

/// A client frame under construction. It begins as a correct one.
#[derive(Clone)]
pub(crate) struct Out {
    fin: bool,
    rsv: u8,
    opcode: u8,
    key: Option<[u8; 4]>,
    form: Form,
    payload: Vec<u8>,
}

/// How the payload length is written (RFC 6455 §5.2).
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// In the fewest bytes, as the RFC asks.
    Minimal,
    Bits16,
    Bits64,
    /// In 64 bits, this number, whatever the payload is.
    Claim(u64),
}

/// A finished frame of the given opcode.
pub(crate) fn frame(opcode: u8, payload: impl AsRef<[u8]>) -> Out {
    let payload = payload.as_ref().to_vec();
    let key = Some([0x37, 0xfa, 0x21, 0x3d]);
    Out { fin: true, rsv: 0, opcode, key, form: Form::Minimal, payload }
}

pub(crate) fn text(payload: impl AsRef<[u8]>) -> Out {
    frame(TEXT, payload)
}

pub(crate) fn binary(payload: impl AsRef<[u8]>) -> Out {
    frame(BINARY, payload)
}

pub(crate) fn continuation(payload: impl AsRef<[u8]>) -> Out {
    frame(CONTINUATION, payload)
}

pub(crate) fn ping(payload: impl AsRef<[u8]>) -> Out {
    frame(PING, payload)
}

/// A Close frame with a code and a reason.
pub(crate) fn close(code: u16, reason: impl AsRef<[u8]>) -> Out {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(reason.as_ref());
    frame(CLOSE, payload)
}

impl Out {
    /// Clears FIN.
    pub(crate) fn unfinished(mut self) -> Self {
        self.fin = false;
        self
    }

    pub(crate) fn rsv(mut self, rsv: u8) -> Self {
        self.rsv = rsv;
        self
    }

    pub(crate) fn unmasked(mut self) -> Self {
        self.key = None;
        self
    }

    pub(crate) fn key(mut self, key: [u8; 4]) -> Self {
        self.key = Some(key);
        self
    }

    pub(crate) fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = vec![u8::from(self.fin) << 7 | self.rsv << 4 | self.opcode];
        let masked = u8::from(self.key.is_some()) << 7;
        let len = self.payload.len() as u64;
        match (self.form, len) {
            (Form::Claim(claimed), _) => push_len64(&mut out, masked, claimed),
            (Form::Minimal, 0..=125) => out.push(masked | u8::try_from(len).unwrap_or(0)),
            (Form::Minimal | Form::Bits16, 0..=0xffff) => {
                out.push(masked | 126);
                out.extend_from_slice(&u16::try_from(len).unwrap_or(0).to_be_bytes());
            }
            (Form::Minimal | Form::Bits16 | Form::Bits64, _) => push_len64(&mut out, masked, len),
        }
        let key = self.key.unwrap_or_default();
        out.extend_from_slice(if self.key.is_some() { &key } else { &[] });
        out.extend(self.payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        out
    }
}

fn push_len64(out: &mut Vec<u8>, masked: u8, len: u64) {
    out.push(masked | 127);
    out.extend_from_slice(&len.to_be_bytes());
}

/// The bytes of several frames, one behind the other.
pub(crate) fn bytes_of(frames: &[Out]) -> Vec<u8> {
    frames.iter().flat_map(Out::bytes).collect()
}

/// A message in fragments of `size` bytes. `size` is not zero.
pub(crate) fn fragments(opcode: u8, payload: &[u8], size: usize) -> Vec<Out> {
    let mut frames: Vec<Out> =
        payload.chunks(size).map(|piece| continuation(piece).unfinished()).collect();
    if let Some(first) = frames.first_mut() {
        first.opcode = opcode;
    }
    if let Some(last) = frames.last_mut() {
        last.fin = true;
    }
    frames
}

/// A frame that the server sent.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) fin: bool,
    pub(crate) rsv: u8,
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// Reads a frame off the front of `bytes`: the frame and its length, `None` if it is not whole
    /// yet, or the rule that the server broke.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, &'static str> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        if second & 0x80 != 0 {
            return Err("a masked frame from a server (§5.1)");
        }
        let (len, header) = match second {
            127 => match rest.first_chunk() {
                Some(&len) => (u64::from_be_bytes(len), 10),
                None => return Ok(None),
            },
            126 => match rest.first_chunk() {
                Some(&len) => (u64::from(u16::from_be_bytes(len)), 4),
                None => return Ok(None),
            },
            short => (u64::from(short), 2),
        };
        let (fin, opcode) = (first & 0x80 != 0, first & 15);
        if (header == 4 && len < 126) || (header == 10 && len < 65536) {
            return Err("a length that is not minimal (§5.2)");
        }
        if matches!(opcode, 3..=7 | 11..) {
            return Err("a reserved opcode (§5.2)");
        }
        if opcode >= 8 && (!fin || len > 125 || first & 0x70 != 0) {
            return Err(
                "a control frame in fragments, over 125 bytes or with a reserved bit (§5.5)",
            );
        }
        let end = usize::try_from(len).ok().and_then(|len| len.checked_add(header));
        let Some(payload) = end.and_then(|end| bytes.get(header..end)) else { return Ok(None) };
        let rsv = (first >> 4) & 7;
        Ok(Some((Self { fin, rsv, opcode, payload: payload.to_vec() }, header + payload.len())))
    }

    /// The code and reason of a Close frame, if it has any.
    pub(crate) fn close_code(&self) -> Option<u16> {
        self.payload.first_chunk().map(|&code| u16::from_be_bytes(code))
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.opcode {
            CONTINUATION => "Continuation",
            TEXT => "Text",
            BINARY => "Binary",
            CLOSE => "Close",
            PING => "Ping",
            PONG => "Pong",
            _ => "Reserved",
        };
        let fin = if self.fin { "" } else { ", unfinished" };
        let rsv = if self.rsv == 0 { String::new() } else { format!(", RSV {:03b}", self.rsv) };
        match (self.opcode, self.close_code()) {
            (CLOSE, None) => write!(f, "Close without a code"),
            (CLOSE, Some(code)) => {
                write!(f, "Close {code} {}", excerpt(&self.payload[2..]))
            }
            (CONTINUATION..=BINARY, _) if self.payload.len() > 24 => {
                write!(f, "{name} of {} bytes{fin}{rsv}", self.payload.len())
            }
            _ => write!(f, "{name} {}{fin}{rsv}", excerpt(&self.payload)),
        }
    }
}

/// The beginning of some bytes, quoted and escaped.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let shown = bytes.get(..60).unwrap_or(bytes).escape_ascii();
    let more = if bytes.len() > 60 { "…" } else { "" };
    format!("\"{shown}\"{more}")
}
