//! Publishes numbered messages into one channel, each with its key, until each is acknowledged.

use std::rc::Rc;

use sockeye_frame::{Opcode, Rsv};
use sockeye_load::engine::{
    Answer, Fault, Heard, Joiner, Lines, Outlet, Purpose, SocketOptions, frame,
};

use crate::subscriber::{Goodbye, Word};
use crate::world::{Act, Ground, MASK, SUBPROTOCOL, text, web_socket};

/// Milliseconds until a publication is tried again.
const AGAIN_MS: u64 = 50;

/// The way in which it publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// `POST`, one after the other on a kept connection.
    Http,
    /// `POST /v1/batch`, so many at once, without keys.
    Batch(u64),
    /// The command `publish`, on a connection that goes on while the server drains.
    WebSocket,
}

pub(crate) struct Publisher {
    pub(crate) channel: usize,
    over: Over,
    interval_ms: u64,
    /// Bytes of a message, at the least.
    bytes: usize,
    /// It rests once its channel has so many.
    pub(crate) last: u64,
    parts: Joiner,
    /// The message that waits for its answer, sent or not.
    waiting: Option<String>,
    is_sent: bool,
    /// It has a connection, open or not.
    is_connected: bool,
    /// The connection has answered something.
    is_open: bool,
    /// The goodbyes that it got, and when.
    told: Option<Goodbye>,
    pub(crate) goodbyes: Vec<Goodbye>,
    /// When the next message may go, in microseconds.
    next_us: u64,
    /// Publications that were cut off from their answers.
    pub(crate) cut_off: u64,
    /// Attempts to connect that failed.
    pub(crate) refused: u64,
    pub(crate) duplicates: u64,
    /// Answers that told it to try again.
    pub(crate) put_off: u64,
    pub(crate) connects: u64,
}

impl Publisher {
    pub(crate) fn new(over: Over, channel: usize, interval_ms: u64, bytes: usize) -> Self {
        Self {
            channel,
            over,
            interval_ms,
            bytes,
            last: u64::MAX,
            parts: Joiner::default(),
            waiting: None,
            is_sent: false,
            is_connected: false,
            is_open: false,
            told: None,
            goodbyes: Vec::new(),
            next_us: 0,
            cut_off: 0,
            refused: 0,
            duplicates: 0,
            put_off: 0,
            connects: 0,
        }
    }

    /// Whether its connection is a stream, which is told of its end.
    pub(crate) const fn is_stream(&self) -> bool {
        matches!(self.over, Over::WebSocket) && self.is_connected
    }

    /// Whether it waits for no answer.
    pub(crate) const fn is_at_rest(&self) -> bool {
        self.waiting.is_none()
    }

    /// A message: its channel, its number and the time, filled up.
    fn text(&self, number: u64, now: u64) -> String {
        let mut text = format!("{} {number} {now} ", self.channel);
        text.extend(core::iter::repeat_n('x', self.bytes.saturating_sub(text.len())));
        text
    }

    /// The message or the batch from this number on.
    fn messages(&self, number: u64, now: u64) -> String {
        let Over::Batch(count) = self.over else { return self.text(number, now) };
        let line = |number| {
            let (channel, text) = (self.channel, self.text(number, now));
            format!("{{\"channel\":\"c{channel}\",\"data\":\"{text}\"}}\n")
        };
        (number..number + count).map(line).collect()
    }

    /// Publishes what waits, with the number of its first message.
    fn publish(&mut self, number: u64, out: &mut Outlet<'_>) {
        let (channel, text) = (self.channel, self.waiting.as_deref().unwrap_or_default());
        let post = |target: String| {
            let len = text.len();
            format!(
                "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len}\r\n\r\n{text}"
            )
        };
        let bytes = match self.over {
            Over::Http => post(format!("/v1/channels/c{channel}?key=k{number}")).into_bytes(),
            Over::Batch(_) => post("/v1/batch".to_owned()).into_bytes(),
            Over::WebSocket => {
                let command = format!(
                    r#"{{"type":"publish","id":{number},"channel":"c{channel}","data":"{text}","key":"k{number}"}}"#
                );
                frame(Opcode::Text, Rsv::NONE, command.as_bytes(), MASK)
            }
        };
        out.tail().extend_from_slice(&bytes);
        self.is_sent = true;
    }

    /// Hears a text message.
    fn hear_word(&mut self, text: &str, id: usize, ground: &mut Ground) {
        let again = ["overloaded", "log_full", "unavailable", "rate_limited"];
        let word = serde_json::from_str::<Word<'_>>(text).ok();
        match word.as_ref().and_then(|word| word.kind) {
            Some("published") => {
                let number = word.and_then(|word| word.id);
                if number.is_some_and(|number| number != ground.acknowledged[self.channel]) {
                    return ground.fault("an answer to something else");
                }
                self.published(text, id, ground);
            }
            Some("error") if again.iter().any(|code| text.contains(code)) => {
                self.wait(id, ground);
            }
            Some("error") | None => ground.fault(format!("a publication was answered {text}")),
            Some(_) => {}
        }
    }

    /// The publication was taken, says this answer.
    fn published(&mut self, answer: &str, id: usize, ground: &mut Ground) {
        self.connects += u64::from(!self.is_open);
        (self.is_open, self.is_sent, self.waiting) = (true, false, None);
        ground.acknowledged[self.channel] += match self.over {
            Over::Http | Over::WebSocket => 1,
            Over::Batch(count) => count,
        };
        self.duplicates += u64::from(answer.contains("\"duplicate\":true"));
        // The rate does not wait for answers, as far as one at a time allows.
        let now = ground.now_us();
        let next = self.next_us + self.interval_ms * 1000;
        self.next_us = next.max(now.saturating_sub(20_000));
        ground.wake_in(self.next_us.saturating_sub(now).div_ceil(1000), id);
    }

    /// The publication was put off.
    fn wait(&mut self, id: usize, ground: &mut Ground) {
        self.is_sent = false;
        self.put_off += 1;
        ground.wake_in(AGAIN_MS, id);
    }
}

impl Act for Publisher {
    fn hear(&mut self, heard: Heard<'_>, id: usize, ground: &mut Ground) {
        match heard {
            Heard::Open { .. } if self.over == Over::WebSocket => {
                self.is_open = true;
                self.connects += 1;
                ground.wake_in(0, id);
            }
            Heard::Answer(Answer { status, body, .. }) => {
                let body = String::from_utf8_lossy(body);
                match status {
                    200 => self.published(&body, id, ground),
                    429 | 503 => self.wait(id, ground),
                    _ => ground.fault(format!("a publication was answered {status}: {body}")),
                }
            }
            Heard::Part(part) => {
                let message = self.parts.join(&part);
                if let Some(text) = message.as_ref().and_then(|it| text(&part, it, ground)) {
                    self.hear_word(text, id, ground);
                }
            }
            Heard::Close { code, reason } => {
                self.told = Some(Goodbye::of_close(ground.now_us(), code, reason));
            }
            _ => {}
        }
    }

    fn gone(&mut self, fault: &Fault, id: usize, ground: &mut Ground) {
        if !fault.is_end() {
            ground.fault(format!("to a publisher: {fault}"));
        }
        // The server may have taken the message: the key makes another attempt safe.
        self.cut_off += u64::from(self.is_open && self.is_sent);
        self.refused += u64::from(!self.is_open);
        (self.is_connected, self.is_open, self.is_sent) = (false, false, false);
        let wait_ms = self.told.and_then(|told| told.retry_ms).unwrap_or(AGAIN_MS);
        self.goodbyes.extend(self.told.take());
        ground.wake_in(wait_ms, id);
    }

    fn wake(&mut self, lines: &mut Lines, id: usize, ground: &mut Ground) {
        let now = ground.now_us();
        if self.is_sent || now < self.next_us {
            return;
        }
        let number = ground.acknowledged[self.channel];
        if self.waiting.is_none() {
            if ground.stopped || number >= self.last {
                return ground.wake_in(AGAIN_MS, id);
            }
            if ground.is_crowded(self.channel) {
                return ground.wake_in(1, id);
            }
            self.waiting = Some(self.messages(number, now));
        }
        if !lines.is_there(id) {
            (self.told, self.is_open) = (None, false);
            let (purpose, path) = match self.over {
                Over::Http | Over::Batch(_) => (Purpose::Requests, String::new()),
                Over::WebSocket => (web_socket(Some(SUBPROTOCOL)), "/v1/ws".to_owned()),
            };
            let opener = Rc::new(ground.opener(purpose, path));
            if ground.connect(lines, id, &opener, SocketOptions::default()).is_err() {
                return ground.wake_in(AGAIN_MS, id);
            }
            self.is_connected = true;
        }
        // A WebSocket has to be open before.
        if let Some(mut out) = lines.outlet(id) {
            self.publish(number, &mut out);
        }
    }
}
