//! A connection with WebSockets on it, driven by calls that wait.

use std::io::{Read, Write};

use crate::Failure;
use crate::frames::{DATA, GOAWAY, HEADERS, PING, PREFACE, SETTINGS, WINDOW_UPDATE, handshake};
use crate::wire::{Target, Wire};

const SUBSCRIBE: &[u8] = br#"{"type":"subscribe","channels":["all"]}"#;

/// Marks of the server's messages.
const SUBSCRIBED: &[u8] = b"{\"type\":\"sync\"";
const MESSAGE: &[u8] = b"{\"type\":\"message\"";

/// A connection with WebSockets on it.
pub(crate) trait Link {
    /// Waits until each WebSocket has its next message, which has to be that with `number`. Returns how many have it.
    fn hear(&mut self, number: usize) -> Result<usize, Failure>;
}

/// A masked text frame; the mask is zero.
fn text(payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).expect("short");
    [&[0x81, 0x80 | len, 0, 0, 0, 0], payload].concat()
}

/// The first byte of a Ping, and the masked frame that answers one without a payload.
const PING_BYTE: u8 = 0x89;
const PONG: [u8; 6] = [0x8a, 0x80, 0, 0, 0, 0];

/// Takes whole frames of a WebSocket off the front, and gives their first bytes and payloads to `each`.
fn frames(bytes: &mut Vec<u8>, mut each: impl FnMut(u8, &[u8])) {
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        let (first, head, len) = match rest {
            [first, len @ 0..=125, ..] => (*first, 2, usize::from(*len)),
            [first, 126, a, b, ..] => (*first, 4, usize::from(u16::from_be_bytes([*a, *b]))),
            _ => break,
        };
        let Some(payload) = rest.get(head..head + len) else { break };
        each(first, payload);
        at += head + len;
    }
    bytes.drain(..at);
}

/// Whether a payload is the message with `number`.
fn is_number(payload: &[u8], number: usize) -> bool {
    let wanted = format!("\"n{number};");
    payload.windows(wanted.len()).any(|part| part == wanted.as_bytes())
}

/// A WebSocket on a connection of its own.
pub(crate) struct Direct {
    wire: Wire,
    bytes: Vec<u8>,
}

impl Direct {
    pub(crate) fn open(target: &Target) -> Result<Self, Failure> {
        let mut wire = target.connect()?;
        let head = "GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Protocol: sockeye.v1.json\r\n\r\n";
        wire.write_all(head.as_bytes())?;
        let mut link = Self { wire, bytes: Vec::new() };
        while !link.bytes.windows(4).any(|part| part == b"\r\n\r\n") {
            link.read()?;
        }
        let end = link.bytes.windows(4).position(|part| part == b"\r\n\r\n").expect("it is there");
        link.bytes.drain(..end + 4);
        link.wire.write_all(&text(SUBSCRIBE))?;
        let mut is_open = false;
        loop {
            frames(&mut link.bytes, |_, payload| is_open |= payload.starts_with(SUBSCRIBED));
            if is_open {
                link.bytes = Vec::new();
                return Ok(link);
            }
            link.read()?;
        }
    }

    fn read(&mut self) -> Result<(), Failure> {
        let mut buffer = [0; 4096];
        let len = self.wire.read(&mut buffer)?;
        if len == 0 {
            return Err(Failure("the server has closed a connection".into()));
        }
        self.bytes.extend_from_slice(&buffer[..len]);
        Ok(())
    }
}

impl Link for Direct {
    fn hear(&mut self, number: usize) -> Result<usize, Failure> {
        let mut heard = 0;
        while heard == 0 {
            self.read()?;
            let mut pinged = false;
            frames(&mut self.bytes, |first, payload| {
                pinged |= first == PING_BYTE;
                heard += usize::from(payload.starts_with(MESSAGE) && is_number(payload, number));
            });
            if pinged {
                self.wire.write_all(&PONG)?;
            }
        }
        Ok(heard)
    }
}

/// Bytes of a window that the client gives back at a time.
const WINDOW: u32 = 1 << 20;

/// A connection of HTTP/2 with many WebSockets.
pub(crate) struct Trunk {
    wire: Wire,
    /// A frame in part.
    bytes: Vec<u8>,
    /// The bytes of each WebSocket's frame in part.
    parts: Vec<Vec<u8>>,
    taken: u32,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(payload.len()).expect("short").to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

impl Trunk {
    pub(crate) fn open(target: &Target, streams: usize) -> Result<Self, Failure> {
        let parts = vec![Vec::new(); streams];
        let mut link = Self { wire: target.connect()?, bytes: Vec::new(), parts, taken: 0 };
        let mut out = PREFACE.to_vec();
        frame(SETTINGS, 0, 0, &[0, 4, 0x00, 0x10, 0, 0], &mut out);
        frame(WINDOW_UPDATE, 0, 0, &WINDOW.to_be_bytes(), &mut out);
        link.wire.write_all(&out)?;
        let mut is_known = false;
        while !is_known {
            link.read(|kind, flags, _, _| is_known |= kind == SETTINGS && flags == 0)?;
        }
        let mut out = Vec::new();
        frame(SETTINGS, 1, 0, &[], &mut out);
        let (fields, subscribe) = (handshake(target.scheme()), text(SUBSCRIBE));
        // The client may send on a WebSocket before the answer: a refusal would end the run anyway.
        for stream in (0..streams).map(|at| u32::try_from(2 * at + 1).expect("few")) {
            frame(HEADERS, 4, stream, &fields, &mut out);
            frame(DATA, 0, stream, &subscribe, &mut out);
        }
        link.wire.write_all(&out)?;
        let mut open = 0;
        while open < streams {
            open += link.take(|payload| payload.starts_with(SUBSCRIBED))?;
        }
        link.rest();
        Ok(link)
    }

    /// Nothing is under way: gives the memory back.
    fn rest(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
        self.parts.iter_mut().filter(|part| part.is_empty()).for_each(|part| *part = Vec::new());
    }

    /// Reads once, and counts the messages that are wanted.
    fn take(&mut self, wanted: impl Fn(&[u8]) -> bool) -> Result<usize, Failure> {
        let mut parts = core::mem::take(&mut self.parts);
        let mut found = 0;
        let (mut fault, mut pongs) = (None, Vec::new());
        self.read(|kind, _, stream, payload| match kind {
            DATA => {
                let part = &mut parts[stream as usize / 2];
                part.extend_from_slice(payload);
                frames(part, |first, payload| {
                    if first == PING_BYTE {
                        frame(DATA, 0, stream, &PONG, &mut pongs);
                    }
                    found += usize::from(wanted(payload));
                });
            }
            HEADERS if payload.first() != Some(&0x88) => fault = Some("a WebSocket is refused"),
            GOAWAY => fault = Some("the server goes away"),
            _ => {}
        })?;
        self.parts = parts;
        if !pongs.is_empty() {
            self.wire.write_all(&pongs)?;
        }
        match fault {
            Some(fault) => Err(Failure(fault.into())),
            None => Ok(found),
        }
    }

    /// Reads once, and gives each whole frame to `each`.
    fn read(&mut self, mut each: impl FnMut(u8, u8, u32, &[u8])) -> Result<(), Failure> {
        let mut buffer = [0; 64 * 1024];
        let len = self.wire.read(&mut buffer)?;
        if len == 0 {
            return Err(Failure("the server has closed a connection".into()));
        }
        self.bytes.extend_from_slice(&buffer[..len]);
        let (mut at, mut answers) = (0, Vec::new());
        while let [a, b, c, kind, flags, s, t, u, v, rest @ ..] = &self.bytes[at..] {
            let len = u32::from_be_bytes([0, *a, *b, *c]);
            let Some(payload) = rest.get(..len as usize) else { break };
            if *kind == DATA {
                self.taken += len;
            }
            if *kind == PING && *flags == 0 {
                frame(PING, 1, 0, payload, &mut answers);
            }
            each(*kind, *flags, u32::from_be_bytes([*s, *t, *u, *v]), payload);
            at += 9 + len as usize;
        }
        self.bytes.drain(..at);
        if self.taken > WINDOW / 2 {
            frame(WINDOW_UPDATE, 0, 0, &self.taken.to_be_bytes(), &mut answers);
            self.taken = 0;
        }
        if !answers.is_empty() {
            self.wire.write_all(&answers)?;
        }
        Ok(())
    }
}

impl Link for Trunk {
    fn hear(&mut self, number: usize) -> Result<usize, Failure> {
        let mut heard = 0;
        while heard < self.parts.len() {
            heard +=
                self.take(|payload| payload.starts_with(MESSAGE) && is_number(payload, number))?;
        }
        self.rest();
        Ok(heard)
    }
}
