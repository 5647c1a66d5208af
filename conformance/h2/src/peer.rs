//! Our end of a connection: what is sent, what came, and whether the server's frames are right.

use core::time::Duration;
use std::collections::BTreeMap;
use std::time::Instant;

use sockeye_cases::{Miss, Outcome, failed};

use crate::hpack::{Decoder, Field};
use crate::link::{Link, Nothing};
use crate::target::Target;
use crate::wire::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADER_TABLE_SIZE, HEADERS,
    INITIAL_WINDOW_SIZE, PAYLOAD_MAX, PING, PREFACE, PUSH_PROMISE, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, frame, settings, window_update,
};

/// The start of an answer in HTTP/1.1.
pub(crate) const HTTP1: &[u8] = b"HTTP/1.";

/// One connection to the server under test.
pub(crate) struct Peer {
    link: Link,
    pub(crate) is_tls: bool,
    inbox: Vec<u8>,
    /// How much of `inbox` was taken.
    taken: usize,
    decoder: Decoder,
    /// HEADERS whose block goes on: the stream, whether it ends, the block so far.
    block: Option<(u32, bool, Vec<u8>)>,
    pub(crate) timeout: Duration,
    /// The streams on which something came.
    pub(crate) streams: BTreeMap<u32, Stream>,
    /// The server's first SETTINGS.
    pub(crate) settings: Option<Vec<(u16, u32)>>,
    /// Acknowledgements of our SETTINGS.
    pub(crate) acks: usize,
    pub(crate) pongs: Vec<[u8; 8]>,
    /// The last stream and the code of the last GOAWAY.
    pub(crate) goaway: Option<(u32, u32)>,
    pub(crate) end: Option<Nothing>,
    /// The rule that the server broke.
    pub(crate) fault: Option<String>,
    /// The windows that the server grants: the connection's under 0.
    pub(crate) granted: BTreeMap<u32, i64>,
    /// The windows that we grant.
    ours: Windows,
    /// Gives content back to its windows as it comes.
    pub(crate) gives_back: bool,
    /// The parts in which a DATA frame is given back.
    pub(crate) parts: u32,
    /// The last frames, for people.
    log: Vec<String>,
}

/// The frames that came on a stream.
#[derive(Default)]
pub(crate) struct Stream {
    pub(crate) status: Option<u16>,
    pub(crate) fields: Vec<Field>,
    pub(crate) content: Vec<u8>,
    /// The DATA frames.
    pub(crate) frames: usize,
    pub(crate) ended: bool,
    pub(crate) reset: Option<u32>,
}

struct Windows {
    connection: i64,
    initial: i64,
    /// The size of each stream's window above the initial one.
    extra: BTreeMap<u32, i64>,
}

impl Peer {
    /// Connects, and sends nothing.
    pub(crate) fn connect(target: &Target) -> Result<Self, Miss> {
        let link = Link::connect(target, &[b"h2"])?;
        if target.is_tls && link.protocol().as_deref() != Some(b"h2") {
            return failed("h2 by ALPN", format!("{:?}", link.protocol()));
        }
        Ok(Self {
            link,
            is_tls: target.is_tls,
            inbox: Vec::new(),
            taken: 0,
            decoder: Decoder::new(4096),
            block: None,
            timeout: target.timeout,
            streams: BTreeMap::new(),
            settings: None,
            acks: 0,
            pongs: Vec::new(),
            goaway: None,
            end: None,
            fault: None,
            granted: BTreeMap::from([(0, 65_535)]),
            ours: Windows { connection: 65_535, initial: 65_535, extra: BTreeMap::new() },
            gives_back: true,
            parts: 1,
            log: Vec::new(),
        })
    }

    /// Connects, and exchanges SETTINGS.
    pub(crate) fn ready(target: &Target) -> Result<Self, Miss> {
        Self::ready_with(target, &[])
    }

    /// Connects, and exchanges SETTINGS with these values.
    pub(crate) fn ready_with(target: &Target, values: &[(u16, u32)]) -> Result<Self, Miss> {
        let mut peer = Self::connect(target)?;
        peer.send(PREFACE);
        peer.set(values);
        if !peer.until(|peer| peer.settings.is_some() && peer.acks > 0) {
            return failed("SETTINGS and the acknowledgement of ours", peer.story());
        }
        Ok(peer)
    }

    /// Sends SETTINGS, and counts with them.
    pub(crate) fn set(&mut self, values: &[(u16, u32)]) {
        for &(id, value) in values {
            match id {
                INITIAL_WINDOW_SIZE => self.ours.initial = i64::from(value),
                HEADER_TABLE_SIZE => {
                    self.decoder.announce(usize::try_from(value).unwrap_or(usize::MAX));
                }
                _ => {}
            }
        }
        self.send(&settings(values));
    }

    /// Opens a window for the server's content.
    pub(crate) fn grant(&mut self, stream: u32, increment: u32) {
        match stream {
            0 => self.ours.connection += i64::from(increment),
            _ => *self.ours.extra.entry(stream).or_default() += i64::from(increment),
        }
        self.send(&window_update(stream, increment));
    }

    /// Writes bytes, and reads meanwhile, so that neither side waits for the other. Returns how many left:
    /// that the server hung up shows at the next read.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        let mut since = Instant::now();
        while sent < bytes.len() && since.elapsed() < self.timeout {
            match self.link.write(&bytes[sent..], Duration::from_millis(5)) {
                Ok(0) => {
                    let _ = self.link.read(&mut self.inbox, Duration::from_millis(1));
                }
                Ok(count) => {
                    sent += count;
                    since = Instant::now();
                }
                Err(_) => break,
            }
        }
        sent
    }

    /// Writes bytes one by one.
    pub(crate) fn trickle(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.send(&[*byte]);
        }
    }

    /// Ends our direction.
    pub(crate) fn finish(&mut self) {
        self.link.finish();
    }

    /// Takes frames until something holds; false if the connection or the time ends before.
    pub(crate) fn until(&mut self, holds: impl FnMut(&Self) -> bool) -> bool {
        self.within(self.timeout, holds)
    }

    /// The same within another time.
    pub(crate) fn within(&mut self, time: Duration, mut holds: impl FnMut(&Self) -> bool) -> bool {
        let deadline = Instant::now() + time;
        loop {
            if holds(self) {
                return true;
            }
            if self.end.is_some() || self.fault.is_some() {
                return false;
            }
            let waiting = &self.inbox[self.taken..];
            if let Some((frame, len)) = Frame::read(waiting) {
                self.taken += len;
                self.take(&frame);
                continue;
            }
            if waiting.starts_with(HTTP1) {
                self.fault = Some(String::from_utf8_lossy(waiting).lines().take(1).collect());
                continue;
            }
            if Frame::claimed(waiting).is_some_and(|len| len > PAYLOAD_MAX) {
                self.fault = Some("a frame over 16384 bytes".to_owned());
                continue;
            }
            self.inbox.drain(..self.taken);
            self.taken = 0;
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            match self.link.read(&mut self.inbox, left) {
                Ok(()) | Err(Nothing::Silence) => {}
                Err(end) => self.end = Some(end),
            }
        }
    }

    /// The last frames that came, for people.
    pub(crate) fn story(&self) -> String {
        let mut story: Vec<String> = self.log.iter().rev().take(4).rev().cloned().collect();
        story.extend(self.fault.iter().cloned());
        story.push(match self.end {
            Some(Nothing::Fin) => "FIN".to_owned(),
            Some(Nothing::Reset) => "RST".to_owned(),
            Some(Nothing::Silence) | None => "nothing more".to_owned(),
        });
        story.join(", ")
    }

    /// The stream, as far as something came on it.
    pub(crate) fn stream(&self, id: u32) -> Option<&Stream> {
        self.streams.get(&id)
    }

    /// The status on a stream.
    pub(crate) fn status(&self, id: u32) -> Option<u16> {
        self.stream(id)?.status
    }

    /// The content on a stream.
    pub(crate) fn content(&self, id: u32) -> &[u8] {
        self.stream(id).map_or(&[], |stream| &stream.content)
    }

    /// Whether a response is complete.
    pub(crate) fn is_done(&self, id: u32) -> bool {
        self.stream(id).is_some_and(|stream| stream.ended)
    }

    /// Sends a request for the page, which has to be answered with 200 and content.
    pub(crate) fn expect_page(&mut self, target: &Target, stream: u32) -> Outcome {
        self.send(&target.site.ask(stream));
        self.expect_answer(stream)
    }

    /// The answer on a stream has to be 200.
    pub(crate) fn expect_answer(&mut self, stream: u32) -> Outcome {
        self.until(|peer| peer.is_done(stream));
        match self.stream(stream) {
            Some(Stream { status: Some(200..=299), ended: true, reset: None, .. }) => {
                self.fault.as_ref().map_or(Ok(()), |fault| failed("right frames", fault))
            }
            _ => failed(format!("a whole answer 2xx on {stream}"), self.story()),
        }
    }

    /// PING has to be answered: the connection lives.
    pub(crate) fn expect_alive(&mut self) -> Outcome {
        let payload = [b'a'; 8];
        self.pongs.clear();
        self.send(&crate::wire::ping(payload));
        match self.until(|peer| peer.pongs.contains(&payload)) && self.goaway.is_none() {
            true => Ok(()),
            false => failed("a connection that lives", self.story()),
        }
    }

    fn take(&mut self, frame: &Frame) {
        self.log.push(frame.to_string());
        if self.log.len() > 64 {
            self.log.drain(..32);
        }
        if let Err(fault) = self.handle(frame) {
            self.fault = Some(format!("{fault} ({frame})"));
        }
    }

    fn handle(&mut self, frame: &Frame) -> Result<(), String> {
        if self.settings.is_none() && (frame.kind != SETTINGS || frame.has(ACK)) {
            return Err("the first frame is not SETTINGS".to_owned());
        }
        let goes_on = self.block.as_ref().map(|&(stream, ..)| stream);
        let is_next = frame.kind == CONTINUATION && goes_on == Some(frame.stream);
        if goes_on.is_some() != is_next {
            return Err("a block is interrupted".to_owned());
        }
        match frame.kind {
            DATA => self.on_data(frame),
            HEADERS => {
                let fragment = frame.content().ok_or("wrong padding")?.to_vec();
                self.block = Some((frame.stream, frame.has(END_STREAM), fragment));
                self.on_block(frame.has(END_HEADERS))
            }
            CONTINUATION => {
                if let Some((_, _, block)) = &mut self.block {
                    block.extend(&frame.payload);
                }
                self.on_block(frame.has(END_HEADERS))
            }
            RST_STREAM => self.on_reset(frame),
            SETTINGS => self.on_settings(frame),
            PING => self.on_ping(frame),
            GOAWAY => {
                self.goaway = frame.number(0).zip(frame.number(4));
                self.goaway.map(|_| ()).ok_or_else(|| "a short GOAWAY".to_owned())
            }
            WINDOW_UPDATE => {
                let increment = frame.number(0).filter(|it| *it > 0).ok_or("no increment")?;
                *self.granted.entry(frame.stream).or_default() += i64::from(increment);
                Ok(())
            }
            PUSH_PROMISE => Err("a push nobody asked for".to_owned()),
            _ => Ok(()),
        }
    }

    fn on_data(&mut self, frame: &Frame) -> Result<(), String> {
        let id = frame.stream;
        let content = frame.content().ok_or("wrong padding")?;
        let stream = self.streams.get_mut(&id).ok_or("content before a head")?;
        if stream.ended || stream.reset.is_some() {
            return Err("content behind the end of the stream".to_owned());
        }
        if stream.status.is_none_or(|status| status < 200) {
            return Err("content before a final head".to_owned());
        }
        stream.content.extend(content);
        stream.frames += 1;
        stream.ended = frame.has(END_STREAM);
        let ended = stream.ended;
        let len = i64::try_from(frame.payload.len()).unwrap_or(i64::MAX);
        let extra = self.ours.extra.entry(id).or_default();
        *extra -= len;
        self.ours.connection -= len;
        if len > 0 && (self.ours.connection < 0 || self.ours.initial + *extra < 0) {
            return Err("content above our windows".to_owned());
        }
        let back = u32::try_from(len).unwrap_or(0);
        if self.gives_back {
            self.give_back(id, back, ended);
        }
        Ok(())
    }

    /// Opens both windows again by what came.
    fn give_back(&mut self, stream: u32, len: u32, ended: bool) {
        let part = len.div_ceil(self.parts).max(1);
        let mut left = len;
        while left > 0 {
            let part = part.min(left);
            self.grant(0, part);
            if !ended {
                self.grant(stream, part);
            }
            left -= part;
        }
    }

    fn on_block(&mut self, is_whole: bool) -> Result<(), String> {
        if !is_whole {
            return Ok(());
        }
        let Some((id, ends, block)) = self.block.take() else { return Ok(()) };
        let fields = self.decoder.decode(&block)?;
        let stream = self.streams.entry(id).or_default();
        if stream.ended || stream.reset.is_some() {
            return Err("a head behind the end of the stream".to_owned());
        }
        let status = fields.iter().find(|(name, _)| name == b":status");
        if let Some((_, value)) = status {
            let code = std::str::from_utf8(value).ok().and_then(|it| it.parse().ok());
            stream.status = Some(code.ok_or("a status that is none")?);
        } else if stream.status.is_none() {
            return Err("a head without :status".to_owned());
        }
        let is_wrong = |name: &[u8]| {
            let connection: [&[u8]; 4] =
                [b"connection", b"keep-alive", b"transfer-encoding", b"upgrade"];
            name.iter().any(u8::is_ascii_uppercase) || connection.contains(&name)
        };
        if let Some((name, _)) = fields.iter().find(|(name, _)| is_wrong(name)) {
            return Err(format!("the field {}", String::from_utf8_lossy(name)));
        }
        stream.fields.extend(fields);
        stream.ended = ends;
        Ok(())
    }

    fn on_reset(&mut self, frame: &Frame) -> Result<(), String> {
        let code = frame.number(0).ok_or("a short RST_STREAM")?;
        let stream = self.streams.entry(frame.stream).or_default();
        if stream.reset.replace(code).is_some() {
            return Err("a second RST_STREAM".to_owned());
        }
        Ok(())
    }

    fn on_settings(&mut self, frame: &Frame) -> Result<(), String> {
        if frame.has(ACK) {
            self.acks += 1;
            return Ok(());
        }
        self.settings.get_or_insert_with(|| frame.settings());
        self.send(&frame_ack());
        Ok(())
    }

    fn on_ping(&mut self, frame: &Frame) -> Result<(), String> {
        let payload: [u8; 8] =
            frame.payload[..].try_into().map_err(|_| "a PING of another size")?;
        match frame.has(ACK) {
            true => self.pongs.push(payload),
            false => {
                self.send(&crate::wire::frame(PING, ACK, 0, payload));
            }
        }
        Ok(())
    }

    /// The value of a setting of the server, or what counts without it.
    pub(crate) fn setting(&self, id: u16, default: u32) -> u32 {
        let values = self.settings.as_deref().unwrap_or_default();
        values.iter().rfind(|(other, _)| *other == id).map_or(default, |&(_, value)| value)
    }
}

fn frame_ack() -> Vec<u8> {
    frame(SETTINGS, ACK, 0, [])
}
