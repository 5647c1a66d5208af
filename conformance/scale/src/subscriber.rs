//! A subscriber over one of the transports, which checks that each message is the expected one.

use std::fmt;
use std::rc::Rc;

use serde::Deserialize;
use sockeye_frame::{Opcode, Rsv};
use sockeye_http1::ResponseHead;
use sockeye_load::engine::{
    Answer, Fault, Heard as Came, Joiner, Lines, Opener, Outlet, Purpose, SocketOptions, frame,
};
use sockeye_sse::Item;

use crate::world::{Act, Ground, MASK, SUBPROTOCOL, text, web_socket};

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

impl Goodbye {
    /// A goodbye from the code and the reason of a Close frame.
    pub(crate) fn of_close(at_us: u64, code: u16, reason: &str) -> Self {
        let retry_ms = reason.split_once("retry_ms=").and_then(|(_, ms)| ms.parse().ok());
        Self { at_us, code, retry_ms }
    }
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
    options: SocketOptions,
    /// What it asks for first: `now` or `earliest`.
    start: &'static str,
    cursor: String,
    etag: String,
    parts: Joiner,
    wait_ms: u64,
    /// When it may connect or ask again, in microseconds.
    due_us: u64,
    /// It has asked on this connection, and waits for the answer.
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
pub(crate) struct Word<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<&'a str>,
    pub(crate) id: Option<u64>,
    #[serde(borrow)]
    cursor: Option<&'a str>,
    #[serde(borrow)]
    data: Option<&'a str>,
    code: Option<serde_json::Value>,
    retry_ms: Option<u64>,
}

impl Transport {
    /// Whether it is told of its end, and may have to wait until then.
    pub(crate) const fn is_stream(self) -> bool {
        match self {
            Self::Commands | Self::Bare | Self::Events => true,
            Self::LongPoll | Self::ShortPoll(_) => false,
        }
    }
}

/// An answer to a poll.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Polled<'a> {
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
        options: SocketOptions,
    ) -> Self {
        let first = (start == "earliest").then_some(0);
        let track = |&channel| Track { channel, next: first, excused: false, apart: false };
        Self {
            transport,
            tracks: channels.iter().map(track).collect(),
            options,
            start,
            cursor: start.to_owned(),
            etag: String::new(),
            parts: Joiner::default(),
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

    /// Its channels in a query.
    fn query(&self) -> String {
        let name = |track: &Track| format!("channel=c{}", track.channel);
        self.tracks.iter().map(name).collect::<Vec<_>>().join("&")
    }

    /// How its connection begins.
    fn opener(&self, ground: &Ground) -> Opener {
        let channels = self.query();
        match self.transport {
            Transport::Commands => {
                ground.opener(web_socket(Some(SUBPROTOCOL)), "/v1/ws".to_owned())
            }
            Transport::Bare => {
                let is_first = self.heard.connects == 0;
                let start =
                    if is_first { format!("&cursor={}", self.start) } else { String::new() };
                ground.opener(web_socket(None), format!("/v1/ws?{channels}{start}"))
            }
            Transport::Events => {
                let headers = vec![("Last-Event-ID".to_owned(), self.cursor.clone())];
                let opener = ground.opener(Purpose::Events, format!("/v1/sse?{channels}"));
                Opener { headers, ..opener }
            }
            Transport::LongPoll | Transport::ShortPoll(_) => {
                ground.opener(Purpose::Requests, String::new())
            }
        }
    }

    /// Asks what the opening request has not asked.
    fn ask(&mut self, out: &mut Outlet<'_>) {
        let (channels, cursor) = (self.query(), &self.cursor);
        let poll = |wait: u64, fields: String| {
            let target = format!("/v1/poll?{channels}&cursor={cursor}&wait={wait}");
            format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n").into_bytes()
        };
        let bytes = match self.transport {
            Transport::Bare | Transport::Events => Vec::new(),
            Transport::Commands => {
                let names: Vec<String> =
                    self.tracks.iter().map(|track| format!("\"c{}\"", track.channel)).collect();
                let names = names.join(",");
                let command =
                    format!(r#"{{"type":"subscribe","channels":[{names}],"cursor":"{cursor}"}}"#);
                frame(Opcode::Text, Rsv::NONE, command.as_bytes(), MASK)
            }
            Transport::LongPoll => poll(25, String::new()),
            Transport::ShortPoll(_) if self.etag.is_empty() => poll(0, String::new()),
            Transport::ShortPoll(_) => poll(0, format!("If-None-Match: {}\r\n", self.etag)),
        };
        out.tail().extend_from_slice(&bytes);
        self.asks = true;
    }

    /// The server has accepted the stream, or answered the first poll.
    fn open(&mut self) {
        (self.is_open, self.wait_ms) = (true, WAIT_MS.0);
        self.heard.connects += 1;
    }

    /// A poll was answered.
    fn hear_answer(&mut self, answer: &Answer<'_>, id: usize, ground: &mut Ground) {
        let Answer { status, head, body } = answer;
        match status {
            200 | 204 | 304 => {}
            429 | 503 => {
                self.heard.refused += 1;
                return self.pause_for(1_000, id, ground);
            }
            _ => {
                let body = String::from_utf8_lossy(body);
                return ground.fault(format!("{:?} got {status}: {body}", self.transport));
            }
        }
        if !self.is_open {
            self.open();
        }
        if let Some(cursor) = field(head, "sockeye-cursor") {
            cursor.clone_into(&mut self.cursor);
        }
        field(head, "etag").unwrap_or_default().clone_into(&mut self.etag);
        if *status != 200 {
            return;
        }
        let Ok(answer) = serde_json::from_slice::<Polled<'_>>(body) else {
            return ground.fault("an answer to a poll is not what it should be");
        };
        // Only a server that goes away has nothing to say at once.
        if answer.messages.is_empty()
            && answer.gaps.is_empty()
            && self.transport == Transport::LongPoll
        {
            self.pause_for(1_000, id, ground);
        }
        self.gaps(answer.gaps.len());
        for message in &answer.messages {
            self.hear_message(message.data.unwrap_or_default(), ground);
        }
        answer.cursor.clone_into(&mut self.cursor);
    }

    /// Asks nothing for a while.
    fn pause_for(&mut self, ms: u64, id: usize, ground: &mut Ground) {
        self.due_us = ground.now_us() + ms * 1000;
        ground.wake_in(ms, id);
    }

    fn hear_word(&mut self, text: &str, ground: &mut Ground) {
        let Ok(word) = serde_json::from_str::<Word<'_>>(text) else {
            return ground.fault(format!("not a word of the subprotocol: {text}"));
        };
        match word.kind.unwrap_or_default() {
            "message" => {
                self.hear_message(word.data.unwrap_or_default(), ground);
                word.cursor.unwrap_or_default().clone_into(&mut self.cursor);
            }
            "subscribed" | "sync" => {
                word.cursor.unwrap_or_default().clone_into(&mut self.cursor);
            }
            "gap" => self.gaps(1),
            "goaway" => self.hear_goaway(&word, ground),
            "error" => ground.fault(format!("a subscriber was told {text}")),
            _ => {}
        }
    }

    fn hear_event(&mut self, name: &str, data: &str, id: &str, ground: &mut Ground) {
        match name {
            "message" => self.hear_message(data, ground),
            "$gap" => self.gaps(1),
            "$sync" => {}
            "$goaway" => match serde_json::from_str::<Word<'_>>(data) {
                Ok(word) => self.hear_goaway(&word, ground),
                Err(_) => ground.fault(format!("not a goaway: {data}")),
            },
            _ => ground.fault(format!("an event {name}: {data}")),
        }
        id.clone_into(&mut self.cursor);
    }

    fn hear_goaway(&mut self, word: &Word<'_>, ground: &Ground) {
        let code = word.code.as_ref().and_then(serde_json::Value::as_u64).unwrap_or(0);
        self.tell(u16::try_from(code).unwrap_or(0), word.retry_ms, ground);
        if let Some(cursor) = word.cursor {
            cursor.clone_into(&mut self.cursor);
        }
    }

    /// The server said how it ends, or how long to wait then. The first time counts.
    fn tell(&mut self, code: u16, retry_ms: Option<u64>, ground: &Ground) {
        let at_us = ground.now_us();
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
    fn hear_message(&mut self, data: &str, ground: &mut Ground) {
        let mut fields = data.split(' ').map_while(|field| field.parse::<u64>().ok());
        let (Some(channel), Some(number), Some(sent_us)) =
            (fields.next(), fields.next(), fields.next())
        else {
            return ground.fault(format!("no message of ours: {data}"));
        };
        let Some(track) = self.tracks.iter_mut().find(|track| track.channel as u64 == channel)
        else {
            return ground.fault(format!("a message of a channel not subscribed: {data}"));
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
            ground.delivered[track.channel] += 1;
            let wall_us = ground.now_us() - sent_us;
            if let Some(latencies) = &mut ground.latencies {
                latencies.record(wall_us * 1000);
            }
            if let (Some(stopwatch), Some(delay_us)) = (&mut ground.stopwatch, fields.next()) {
                stopwatch.arrival(self.transport, wall_us, delay_us);
            }
        }
    }

    /// Comes back when it was told to, or after a wait that grows while it is in vain.
    fn come_back(&mut self, told: Option<Goodbye>, id: usize, ground: &mut Ground) {
        let wait_ms = match told {
            Some(Goodbye { retry_ms: Some(ms), .. }) => ms,
            Some(Goodbye { code: 4200..4300, .. }) => 0,
            _ => {
                let wait_ms = self.wait_ms;
                self.wait_ms = (wait_ms * 2).min(WAIT_MS.1);
                wait_ms
            }
        };
        self.pause_for(wait_ms, id, ground);
    }
}

impl Act for Subscriber {
    fn hear(&mut self, came: Came<'_>, id: usize, ground: &mut Ground) {
        match came {
            Came::Open { .. } if self.transport.is_stream() => {
                self.open();
                ground.wake_in(0, id);
            }
            Came::Answer(answer) => {
                self.asks = false;
                self.hear_answer(&answer, id, ground);
                match self.transport {
                    Transport::ShortPoll(ms) => {
                        self.due_us += ms * 1000;
                        let wait_us = self.due_us.saturating_sub(ground.now_us());
                        ground.wake_in(wait_us.div_ceil(1000), id);
                    }
                    _ => ground.wake_in(0, id),
                }
            }
            Came::Part(part) => {
                let message = self.parts.join(&part);
                if let Some(text) = message.as_ref().and_then(|it| text(&part, it, ground)) {
                    match self.transport {
                        Transport::Bare => self.hear_message(text, ground),
                        _ => self.hear_word(text, ground),
                    }
                }
            }
            Came::Item(Item::Event(event)) => {
                self.hear_event(event.event_type, event.data, event.last_event_id, ground);
            }
            Came::Item(Item::Retry(ms)) => self.tell(0, Some(ms), ground),
            Came::LastEventId(event_id) if !event_id.is_empty() => {
                event_id.clone_into(&mut self.cursor);
            }
            Came::Close { code, reason } => {
                let told = Goodbye::of_close(0, code, reason);
                self.tell(told.code, told.retry_ms, ground);
            }
            _ => {}
        }
    }

    fn gone(&mut self, fault: &Fault, id: usize, ground: &mut Ground) {
        let told = self.told.take();
        if self.is_open {
            let silent = Goodbye { at_us: ground.now_us(), code: 0, retry_ms: None };
            self.heard.goodbyes.push(told.unwrap_or(silent));
            // What was pushed without a cursor cannot be asked for again.
            for track in &mut self.tracks {
                track.apart = self.transport == Transport::Bare;
            }
        } else {
            self.heard.refused += 1;
        }
        self.is_open = false;
        match fault {
            Fault::Status(429 | 503)
                if matches!(self.transport, Transport::Commands | Transport::Bare) =>
            {
                return self.pause_for(1_000, id, ground);
            }
            fault if fault.is_end() => {}
            fault => ground.fault(format!("to a subscriber ({:?}): {fault}", self.transport)),
        }
        self.come_back(told, id, ground);
    }

    fn wake(&mut self, lines: &mut Lines, id: usize, ground: &mut Ground) {
        let now_us = ground.now_us();
        if now_us < self.due_us {
            return;
        }
        if !lines.is_there(id) {
            (self.told, self.is_open, self.asks) = (None, false, false);
            self.due_us = now_us;
            let opener = Rc::new(self.opener(ground));
            if ground.connect(lines, id, &opener, self.options).is_err() {
                return self.come_back(None, id, ground);
            }
        }
        // A WebSocket has to be open before.
        if !self.asks
            && let Some(mut out) = lines.outlet(id)
        {
            self.ask(&mut out);
        }
    }
}

/// The value of a field in a head.
fn field<'h>(head: &'h ResponseHead<'_, '_>, name: &str) -> Option<&'h str> {
    head.headers().single(name).ok().flatten()
}
