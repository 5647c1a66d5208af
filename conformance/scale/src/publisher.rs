//! Publishes numbered messages into one channel, each with its key, until each is acknowledged.

use serde::Deserialize;
use sockeye_reactor::Key;

use crate::lines::Ways;
use crate::subscriber::{Goodbye, HANDSHAKE};
use crate::wire::{Form, Said, Wire};
use crate::world::Link;

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

/// What is of interest in an answer on a WebSocket.
#[derive(Deserialize)]
struct Word<'a> {
    #[serde(borrow, rename = "type")]
    kind: &'a str,
    id: Option<u64>,
}

pub(crate) struct Publisher {
    pub(crate) channel: usize,
    over: Over,
    interval_ms: u64,
    /// Bytes of a message, at the least.
    bytes: usize,
    /// It rests once its channel has so many.
    pub(crate) last: u64,
    line: Option<Key>,
    wire: Wire,
    /// The message that waits for its answer, sent or not.
    waiting: Option<String>,
    is_sent: bool,
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
            line: None,
            wire: Wire::new(Form::Whole),
            waiting: None,
            is_sent: false,
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
        matches!(self.over, Over::WebSocket) && self.line.is_some()
    }

    /// Whether it waits for no answer.
    pub(crate) const fn is_at_rest(&self) -> bool {
        self.waiting.is_none()
    }

    pub(crate) fn wake(&mut self, link: &mut Link<'_>) {
        let now = link.ground.now_us();
        if self.is_sent || now < self.next_us {
            return;
        }
        if self.waiting.is_none() {
            let number = link.ground.acknowledged[self.channel];
            if link.ground.stopped || number >= self.last {
                return link.wake_in(AGAIN_MS);
            }
            if link.ground.is_crowded(self.channel) {
                return link.wake_in(1);
            }
            self.waiting = Some(match self.over {
                Over::Http | Over::WebSocket => self.text(number, now),
                Over::Batch(count) => (number..number + count)
                    .map(|number| {
                        let (channel, text) = (self.channel, self.text(number, now));
                        format!("{{\"channel\":\"c{channel}\",\"data\":\"{text}\"}}\n")
                    })
                    .collect(),
            });
        }
        self.send(link);
    }

    /// A message: its channel, its number and the time, filled up.
    fn text(&self, number: u64, now: u64) -> String {
        let mut text = format!("{} {number} {now} ", self.channel);
        text.extend(core::iter::repeat_n('x', self.bytes.saturating_sub(text.len())));
        text
    }

    fn send(&mut self, link: &mut Link<'_>) {
        if self.line.is_none() {
            self.connect(link);
            if self.line.is_none() {
                return link.wake_in(AGAIN_MS);
            }
        }
        let (channel, text) = (self.channel, self.waiting.as_deref().unwrap_or_default());
        let number = link.ground.acknowledged[channel];
        let mut out = Vec::new();
        match self.over {
            Over::Http => out.extend_from_slice(
                format!(
                    "POST /v1/channels/c{channel}?key=k{number} HTTP/1.1\r\nHost: localhost\r\n\
                     Content-Length: {}\r\n\r\n{text}",
                    text.len()
                )
                .as_bytes(),
            ),
            Over::Batch(_) => out.extend_from_slice(
                format!(
                    "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{text}",
                    text.len()
                )
                .as_bytes(),
            ),
            // It is sent once the handshake is done.
            Over::WebSocket if !self.is_open => return,
            Over::WebSocket => self.wire.write_text(
                &format!(
                    r#"{{"type":"publish","id":{number},"channel":"c{channel}","data":"{text}","key":"k{number}"}}"#
                ),
                &mut out,
            ),
        }
        link.send(self.line, &out);
        self.is_sent = true;
    }

    fn connect(&mut self, link: &mut Link<'_>) {
        self.line = link.connect(Ways::default());
        (self.told, self.is_open) = (None, false);
        match self.over {
            Over::Http | Over::Batch(_) => self.wire = Wire::new(Form::Whole),
            Over::WebSocket => {
                self.wire = Wire::new(Form::WebSocket);
                let request = format!(
                    "GET /v1/ws HTTP/1.1\r\nHost: localhost\r\n{HANDSHAKE}\
                     Sec-WebSocket-Protocol: sockeye.v1.json\r\n\r\n"
                );
                link.send(self.line, request.as_bytes());
            }
        }
    }

    pub(crate) fn receive(&mut self, bytes: &mut [u8], link: &mut Link<'_>) {
        let mut heard = Vec::new();
        let (mut out, now) = (Vec::new(), link.ground.now_us());
        let told = &mut self.told;
        let read = self.wire.receive(bytes, &mut out, &mut |said| match said {
            Said::Open => heard.push(Heard::Open),
            Said::Response { status: 200, body, .. } => {
                let duplicate = String::from_utf8_lossy(body).contains("\"duplicate\":true");
                heard.push(Heard::Published { number: None, duplicate });
            }
            Said::Response { status: 429 | 503, .. } => heard.push(Heard::PutOff),
            Said::Response { status, body, .. } => {
                heard.push(Heard::Fault(format!("{status}: {}", String::from_utf8_lossy(body))));
            }
            Said::Text(text) => heard.extend(word(text)),
            Said::Close(code, reason) => {
                let retry_ms = reason.split_once("retry_ms=").and_then(|(_, ms)| ms.parse().ok());
                *told = Some(Goodbye { at_us: now, code, retry_ms });
            }
            Said::Event(..) | Said::Id(_) | Said::Retry(_) | Said::Finished => {}
        });
        link.send(self.line, &out);
        if let Err(fault) = read {
            link.ground.fault(format!("to a publisher: {fault}"));
        }
        for heard in heard {
            self.hear(heard, link);
        }
    }

    fn hear(&mut self, heard: Heard, link: &mut Link<'_>) {
        let current = link.ground.acknowledged[self.channel];
        match heard {
            Heard::Open => {
                self.is_open = true;
                self.connects += 1;
                if self.waiting.is_some() {
                    self.send(link);
                }
            }
            Heard::Published { number: Some(number), .. } if number != current => {
                link.ground.fault("an answer to something else");
            }
            Heard::Published { duplicate, .. } => {
                self.connects += u64::from(!self.is_open);
                (self.is_open, self.is_sent, self.waiting) = (true, false, None);
                link.ground.acknowledged[self.channel] += match self.over {
                    Over::Http | Over::WebSocket => 1,
                    Over::Batch(count) => count,
                };
                self.duplicates += u64::from(duplicate);
                // The rate does not wait for answers, as far as one at a time allows.
                let now = link.ground.now_us();
                let next = self.next_us + self.interval_ms * 1000;
                self.next_us = next.max(now.saturating_sub(20_000));
                link.wake_in(self.next_us.saturating_sub(now).div_ceil(1000));
            }
            Heard::PutOff => {
                self.is_sent = false;
                self.put_off += 1;
                link.wake_in(AGAIN_MS);
            }
            Heard::Fault(what) => link.ground.fault(format!("a publication was answered {what}")),
        }
    }

    pub(crate) fn end(&mut self, link: &mut Link<'_>) {
        link.close(&mut self.line);
        // The server may have taken the message: the key makes another attempt safe.
        self.cut_off += u64::from(self.is_open && self.is_sent);
        self.refused += u64::from(!self.is_open);
        self.is_sent = false;
        let wait_ms = self.told.and_then(|told| told.retry_ms).unwrap_or(AGAIN_MS);
        self.goodbyes.extend(self.told.take());
        link.wake_in(wait_ms);
    }
}

/// What a publisher heard.
enum Heard {
    Open,
    Published { number: Option<u64>, duplicate: bool },
    PutOff,
    Fault(String),
}

/// Reads a text message, if it is for the publisher.
fn word(text: &str) -> Option<Heard> {
    let Ok(word) = serde_json::from_str::<Word<'_>>(text) else {
        return Some(Heard::Fault(text.to_owned()));
    };
    let again = ["overloaded", "unavailable", "rate_limited"];
    match word.kind {
        "published" => {
            let duplicate = text.contains("\"duplicate\":true");
            Some(Heard::Published { number: word.id, duplicate })
        }
        "error" if again.iter().any(|code| text.contains(code)) => Some(Heard::PutOff),
        "error" => Some(Heard::Fault(text.to_owned())),
        _ => None,
    }
}
