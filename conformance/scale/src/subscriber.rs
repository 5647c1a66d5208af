//! A subscriber over one of the transports, which checks that each message is the expected one.

use std::fmt;

use serde::Deserialize;
use sockeye_http1::ResponseHead;
use sockeye_reactor::Key;

use crate::lines::Ways;
use crate::wire::{Form, Said, Wire, field};
use crate::world::Link;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// `sockeye.v1.json`.
    Commands,
    /// A WebSocket without a subprotocol, which has no cursor to come back with.
    Bare,
    Events,
    LongPoll,
    /// Asks each so many milliseconds.
    ShortPoll(u64),
}

/// The fields of a handshake.
pub(crate) const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A wait that grows while it is in vain, in milliseconds.
const WAIT_MS: (u64, u64) = (100, 1_000);

/// Where a subscriber is in one of its channels.
#[derive(Clone, Debug)]
struct Track {
    channel: usize,
    /// The number of the next message, if that is known.
    next: Option<u64>,
    /// A hole may follow: a gap was declared.
    excused: bool,
    /// A hole may follow: the stream has no cursors, and was cut.
    apart: bool,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goodbye {
    pub(crate) at_us: u64,
    /// The code that was told, 0 if none was.
    pub(crate) code: u16,
    pub(crate) retry_ms: Option<u64>,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) messages: u64,
    pub(crate) repeated: u64,
    /// Messages that are missing, and nobody said so.
    pub(crate) lost: u64,
    /// Messages that are missing behind a declared gap.
    pub(crate) declared_lost: u64,
    /// Messages that a stream without cursors missed between two connections.
    pub(crate) missed_between: u64,
    pub(crate) gaps: u64,
    pub(crate) connects: u64,
    /// Attempts that came to nothing.
    pub(crate) refused: u64,
    pub(crate) goodbyes: Vec<Goodbye>,
}

impl Heard {
    pub(crate) fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.repeated += other.repeated;
        self.lost += other.lost;
        self.declared_lost += other.declared_lost;
        self.missed_between += other.missed_between;
        self.gaps += other.gaps;
        self.connects += other.connects;
        self.refused += other.refused;
        self.goodbyes.extend(&other.goodbyes);
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} messages in {} connections ({} attempts in vain), {} gaps, {} missed behind them",
            self.messages, self.connects, self.refused, self.gaps, self.declared_lost
        )?;
        match self.missed_between {
            0 => Ok(()),
            missed => write!(f, ", {missed} missed between connections"),
        }
    }
}

pub(crate) struct Subscriber {
    pub(crate) transport: Transport,
    tracks: Vec<Track>,
    ways: Ways,
    /// What it asks for first: `now` or `earliest`.
    start: &'static str,
    cursor: String,
    etag: String,
    line: Option<Key>,
    wire: Wire,
    wait_ms: u64,
    /// When it may connect or ask again, in microseconds.
    due_us: u64,
    asks: bool,
    /// It is connected, and the server has answered.
    pub(crate) is_open: bool,
    /// It reads, and counts for the pace and the latencies.
    pub(crate) reads: bool,
    told: Option<Goodbye>,
    pub(crate) heard: Heard,
}

/// What is of interest in the server's JSON.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Word<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a str>,
    #[serde(borrow)]
    cursor: Option<&'a str>,
    #[serde(borrow)]
    data: Option<&'a str>,
    code: Option<serde_json::Value>,
    retry_ms: Option<u64>,
}

impl Transport {
    const fn form(self) -> Form {
        match self {
            Self::Commands | Self::Bare => Form::WebSocket,
            Self::Events => Form::EventStream,
            Self::LongPoll | Self::ShortPoll(_) => Form::Whole,
        }
    }

    /// Whether it is told of its end, and may have to wait until then.
    pub(crate) const fn is_stream(self) -> bool {
        match self {
            Self::Commands | Self::Bare | Self::Events => true,
            Self::LongPoll | Self::ShortPoll(_) => false,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow)]
    cursor: &'a str,
    #[serde(borrow)]
    messages: Vec<Word<'a>>,
    gaps: Vec<serde_json::Value>,
}

impl Subscriber {
    pub(crate) fn new(
        transport: Transport,
        channels: &[usize],
        start: &'static str,
        ways: Ways,
    ) -> Self {
        let first = (start == "earliest").then_some(0);
        let track = |&channel| Track { channel, next: first, excused: false, apart: false };
        Self {
            transport,
            tracks: channels.iter().map(track).collect(),
            ways,
            start,
            cursor: start.to_owned(),
            etag: String::new(),
            line: None,
            wire: Wire::new(transport.form()),
            wait_ms: WAIT_MS.0,
            due_us: 0,
            asks: false,
            is_open: false,
            reads: true,
            told: None,
            heard: Heard::default(),
        }
    }

    /// Whether it has everything that was acknowledged.
    pub(crate) fn has_all(&self, acknowledged: &[u64]) -> bool {
        self.tracks.iter().all(|track| track.next.unwrap_or(0) >= acknowledged[track.channel])
    }

    /// Reads nothing more, or goes on to.
    pub(crate) fn stall(&mut self, stalled: bool, link: &mut Link<'_>) {
        self.reads = !stalled;
        link.pause(self.line, stalled);
    }

    pub(crate) fn wake(&mut self, link: &mut Link<'_>) {
        if link.ground.now_us() < self.due_us {
            return;
        }
        if self.line.is_none() {
            self.wire = Wire::new(self.transport.form());
            (self.told, self.is_open, self.asks) = (None, false, false);
            self.line = link.connect(self.ways);
            self.due_us = link.ground.now_us();
            if self.line.is_none() {
                return self.come_back(None, link);
            }
        }
        if !self.asks {
            self.ask(link);
        }
    }

    fn ask(&mut self, link: &mut Link<'_>) {
        let channels: Vec<String> =
            self.tracks.iter().map(|track| format!("channel=c{}", track.channel)).collect();
        let (channels, cursor) = (channels.join("&"), &self.cursor);
        let (target, fields) = match self.transport {
            Transport::Commands => (
                "/v1/ws".to_owned(),
                format!("{HANDSHAKE}Sec-WebSocket-Protocol: sockeye.v1.json\r\n"),
            ),
            Transport::Bare if self.heard.connects == 0 => {
                (format!("/v1/ws?{channels}&cursor={}", self.start), HANDSHAKE.to_owned())
            }
            Transport::Bare => (format!("/v1/ws?{channels}"), HANDSHAKE.to_owned()),
            Transport::Events => {
                (format!("/v1/sse?{channels}"), format!("Last-Event-ID: {cursor}\r\n"))
            }
            Transport::LongPoll => {
                (format!("/v1/poll?{channels}&cursor={cursor}&wait=25"), String::new())
            }
            Transport::ShortPoll(_) => {
                let fields = match self.etag.as_str() {
                    "" => String::new(),
                    etag => format!("If-None-Match: {etag}\r\n"),
                };
                (format!("/v1/poll?{channels}&cursor={cursor}&wait=0"), fields)
            }
        };
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        link.send(self.line, request.as_bytes());
        self.asks = true;
    }

    pub(crate) fn receive(&mut self, bytes: &mut [u8], link: &mut Link<'_>) {
        let mut wire = core::mem::replace(&mut self.wire, Wire::new(Form::Whole));
        let mut out = Vec::new();
        let mut answered = false;
        let mut finished = false;
        let mut subscribe = false;
        let read = wire.receive(bytes, &mut out, &mut |said| match said {
            Said::Open => {
                (self.is_open, self.wait_ms) = (true, WAIT_MS.0);
                self.heard.connects += 1;
                subscribe = self.transport == Transport::Commands;
            }
            Said::Response { status, head, body } => {
                answered = true;
                self.hear_answer(status, head, body, link);
            }
            Said::Text(text) if self.transport == Transport::Bare => self.hear(text, link),
            Said::Text(text) => self.hear_word(text, link),
            Said::Event(name, data, id) => self.hear_event(name, data, id, link),
            Said::Id(id) => id.clone_into(&mut self.cursor),
            Said::Retry(ms) => self.tell(0, Some(ms), link),
            Said::Close(code, reason) => {
                let retry = reason.split_once("retry_ms=").and_then(|(_, ms)| ms.parse().ok());
                self.tell(code, retry, link);
            }
            Said::Finished => finished = true,
        });
        if subscribe {
            let names: Vec<String> =
                self.tracks.iter().map(|track| format!("\"c{}\"", track.channel)).collect();
            let (names, cursor) = (names.join(","), &self.cursor);
            let command =
                format!(r#"{{"type":"subscribe","channels":[{names}],"cursor":"{cursor}"}}"#);
            wire.write_text(&command, &mut out);
        }
        self.wire = wire;
        link.send(self.line, &out);
        if let Err(fault) = read {
            link.ground.fault(format!("to a subscriber ({:?}): {fault}", self.transport));
        }
        if finished {
            self.end(false, link);
        } else if answered && self.line.is_some() {
            self.asks = false;
            match self.transport {
                Transport::ShortPoll(ms) => {
                    self.due_us += ms * 1000;
                    link.wake_in(self.due_us.saturating_sub(link.ground.now_us()).div_ceil(1000));
                }
                Transport::LongPoll if self.due_us <= link.ground.now_us() => self.ask(link),
                _ => {}
            }
        }
    }

    /// A poll was answered, or a stream refused.
    fn hear_answer(
        &mut self,
        status: u16,
        head: &ResponseHead<'_, '_>,
        body: &[u8],
        link: &mut Link<'_>,
    ) {
        let is_poll = matches!(self.transport, Transport::LongPoll | Transport::ShortPoll(_));
        match status {
            200 | 204 | 304 if is_poll => {}
            429 | 503 if self.transport != Transport::Events => {
                self.heard.refused += 1;
                return self.pause_for(1_000, link);
            }
            _ => {
                let body = String::from_utf8_lossy(body);
                return link.ground.fault(format!("{:?} got {status}: {body}", self.transport));
            }
        }
        if !self.is_open {
            (self.is_open, self.wait_ms) = (true, WAIT_MS.0);
            self.heard.connects += 1;
        }
        if let Some(cursor) = field(head, "sockeye-cursor") {
            cursor.clone_into(&mut self.cursor);
        }
        field(head, "etag").unwrap_or_default().clone_into(&mut self.etag);
        if status != 200 {
            return;
        }
        let Ok(answer) = serde_json::from_slice::<Answer<'_>>(body) else {
            return link.ground.fault("an answer to a poll is not what it should be");
        };
        // Only a server that goes away has nothing to say at once.
        if answer.messages.is_empty()
            && answer.gaps.is_empty()
            && self.transport == Transport::LongPoll
        {
            self.pause_for(1_000, link);
        }
        self.gaps(answer.gaps.len());
        for message in &answer.messages {
            self.hear(message.data.unwrap_or_default(), link);
        }
        answer.cursor.clone_into(&mut self.cursor);
    }

    /// Asks nothing for a while.
    fn pause_for(&mut self, ms: u64, link: &mut Link<'_>) {
        self.due_us = link.ground.now_us() + ms * 1000;
        link.wake_in(ms);
    }

    fn hear_word(&mut self, text: &str, link: &mut Link<'_>) {
        let Ok(word) = serde_json::from_str::<Word<'_>>(text) else {
            return link.ground.fault(format!("not a word of the subprotocol: {text}"));
        };
        match word.kind.unwrap_or_default() {
            "message" => {
                self.hear(word.data.unwrap_or_default(), link);
                word.cursor.unwrap_or_default().clone_into(&mut self.cursor);
            }
            "subscribed" | "sync" => {
                word.cursor.unwrap_or_default().clone_into(&mut self.cursor);
            }
            "gap" => self.gaps(1),
            "goaway" => self.hear_goaway(&word, link),
            "error" => link.ground.fault(format!("a subscriber was told {text}")),
            _ => {}
        }
    }

    fn hear_event(&mut self, name: &str, data: &str, id: &str, link: &mut Link<'_>) {
        match name {
            "message" => self.hear(data, link),
            "$gap" => self.gaps(1),
            "$sync" => {}
            "$goaway" => match serde_json::from_str::<Word<'_>>(data) {
                Ok(word) => self.hear_goaway(&word, link),
                Err(_) => link.ground.fault(format!("not a goaway: {data}")),
            },
            _ => link.ground.fault(format!("an event {name}: {data}")),
        }
        id.clone_into(&mut self.cursor);
    }

    fn hear_goaway(&mut self, word: &Word<'_>, link: &Link<'_>) {
        let code = word.code.as_ref().and_then(serde_json::Value::as_u64).unwrap_or(0);
        self.tell(u16::try_from(code).unwrap_or(0), word.retry_ms, link);
        if let Some(cursor) = word.cursor {
            cursor.clone_into(&mut self.cursor);
        }
    }

    /// The server said how it ends, or how long to wait then. The first time counts.
    fn tell(&mut self, code: u16, retry_ms: Option<u64>, link: &Link<'_>) {
        let at_us = link.ground.now_us();
        let told = self.told.get_or_insert(Goodbye { at_us, code: 0, retry_ms: None });
        if told.code == 0 {
            (told.at_us, told.code) = (at_us, code);
        }
        told.retry_ms = retry_ms.or(told.retry_ms);
    }

    fn gaps(&mut self, count: usize) {
        self.heard.gaps += count as u64;
        if count > 0 {
            for track in &mut self.tracks {
                track.excused = true;
            }
        }
    }

    /// A message: `CHANNEL NUMBER MICROSECONDS …`.
    fn hear(&mut self, data: &str, link: &mut Link<'_>) {
        let mut fields = data.split(' ').map_while(|field| field.parse::<u64>().ok());
        let (Some(channel), Some(number), Some(sent_us)) =
            (fields.next(), fields.next(), fields.next())
        else {
            return link.ground.fault(format!("no message of ours: {data}"));
        };
        let Some(track) = self.tracks.iter_mut().find(|track| track.channel as u64 == channel)
        else {
            return link.ground.fault(format!("a message of a channel not subscribed: {data}"));
        };
        let next = track.next.unwrap_or(number);
        let missing = number.saturating_sub(next);
        match () {
            () if track.excused => self.heard.declared_lost += missing,
            () if track.apart => self.heard.missed_between += missing,
            () => self.heard.lost += missing,
        }
        if number < next {
            self.heard.repeated += 1;
            return;
        }
        (track.next, track.excused, track.apart) = (Some(number + 1), false, false);
        self.heard.messages += 1;
        if self.reads {
            link.ground.delivered[track.channel] += 1;
            let now_us = link.ground.now_us();
            if let Some(latencies) = &mut link.ground.latencies {
                latencies.push(u32::try_from(now_us - sent_us).unwrap_or(u32::MAX));
            }
        }
    }

    pub(crate) fn end(&mut self, _reset: bool, link: &mut Link<'_>) {
        link.close(&mut self.line);
        let told = self.told.take();
        if self.is_open {
            let at_us = link.ground.now_us();
            let silent = Goodbye { at_us, code: 0, retry_ms: None };
            self.heard.goodbyes.push(told.unwrap_or(silent));
            // What was pushed without a cursor cannot be asked for again.
            for track in &mut self.tracks {
                track.apart = self.transport == Transport::Bare;
            }
        } else {
            self.heard.refused += 1;
        }
        self.is_open = false;
        self.come_back(told, link);
    }

    /// Comes back when it was told to, or after a wait that grows while it is in vain.
    fn come_back(&mut self, told: Option<Goodbye>, link: &mut Link<'_>) {
        let wait_ms = match told {
            Some(Goodbye { retry_ms: Some(ms), .. }) => ms,
            Some(Goodbye { code: 4200..4300, .. }) => 0,
            _ => {
                let wait_ms = self.wait_ms;
                self.wait_ms = (wait_ms * 2).min(WAIT_MS.1);
                wait_ms
            }
        };
        self.pause_for(wait_ms, link);
    }
}
