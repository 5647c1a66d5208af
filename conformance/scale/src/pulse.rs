//! A publisher that keeps its rate, whatever the server does.

use std::collections::VecDeque;
use std::rc::Rc;

use sockeye_frame::{Opcode, Rsv};
use sockeye_load::engine::{Fault, Heard, Joiner, Lines, Outlet, SocketOptions, frame};

use crate::subscriber::Word;
use crate::world::{Act, Ground, MASK, SUBPROTOCOL, text, web_socket};

/// Milliseconds until it connects again.
const AGAIN_MS: u64 = 100;

/// Messages that may wait for their receipts: those of some seconds.
const WAITING_MAX: usize = 1_000;

/// A publisher into channel 0 over a WebSocket. It waits for no answer before the next message.
pub(crate) struct Pulse {
    /// Its API key.
    key: String,
    interval_us: u64,
    options: SocketOptions,
    parts: Joiner,
    is_open: bool,
    /// When the next message is due, in microseconds.
    due_us: u64,
    /// When the messages without a receipt were sent, and the run delay then, both in microseconds.
    waiting: VecDeque<(u64, u64)>,
}

impl Pulse {
    pub(crate) fn new(key: &str, interval_ms: u64, options: SocketOptions) -> Self {
        Self {
            key: key.to_owned(),
            interval_us: interval_ms * 1000,
            options,
            parts: Joiner::default(),
            is_open: false,
            due_us: 0,
            waiting: VecDeque::new(),
        }
    }

    /// Whether it waits for no receipt.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Sends the message of this number: its channel, its number, the time and the run delay.
    fn send(number: u64, (now_us, delay_us): (u64, u64), out: &mut Outlet<'_>) {
        let command = format!(
            r#"{{"type":"publish","id":{number},"channel":"c0","data":"0 {number} {now_us} {delay_us}","key":"k{number}"}}"#
        );
        out.tail().extend_from_slice(&frame(Opcode::Text, Rsv::NONE, command.as_bytes(), MASK));
    }

    fn hear_word(&mut self, text: &str, ground: &mut Ground) {
        let word = serde_json::from_str::<Word<'_>>(text).ok();
        match word.as_ref().and_then(|word| word.kind) {
            Some("published") => {
                let number = word.and_then(|word| word.id);
                if number != Some(ground.acknowledged[0]) {
                    return ground.fault("a receipt of something else");
                }
                ground.acknowledged[0] += 1;
                let Some((sent_us, delay_us)) = self.waiting.pop_front() else { return };
                let wall_us = ground.now_us() - sent_us;
                if let Some(stopwatch) = &mut ground.stopwatch {
                    stopwatch.receipt(wall_us, delay_us);
                }
            }
            Some("welcome" | "pong" | "goaway") => {}
            _ => ground.fault(format!("a publication was answered {text}")),
        }
    }
}

impl Act for Pulse {
    fn hear(&mut self, heard: Heard<'_>, id: usize, ground: &mut Ground) {
        match heard {
            Heard::Open { .. } => {
                self.is_open = true;
                ground.wake_in(0, id);
            }
            Heard::Part(part) => {
                let message = self.parts.join(&part);
                if let Some(text) = message.as_ref().and_then(|it| text(&part, it, ground)) {
                    self.hear_word(text, ground);
                }
            }
            _ => {}
        }
    }

    fn gone(&mut self, fault: &Fault, id: usize, ground: &mut Ground) {
        ground.fault(format!("to the canary's publisher: {fault}"));
        self.is_open = false;
        ground.wake_in(AGAIN_MS, id);
    }

    fn wake(&mut self, lines: &mut Lines, id: usize, ground: &mut Ground) {
        if !lines.is_there(id) {
            let mut opener = ground.opener(web_socket(Some(SUBPROTOCOL)), "/v1/ws".to_owned());
            opener.headers = vec![("Authorization".to_owned(), format!("ApiKey {}", self.key))];
            // The keys of messages make another attempt safe.
            self.waiting.clear();
            if ground.connect(lines, id, &Rc::new(opener), self.options).is_err() {
                ground.wake_in(AGAIN_MS, id);
            }
            return;
        }
        if !self.is_open {
            return;
        }
        let now_us = ground.now_us();
        if self.due_us + 1_000_000 < now_us {
            self.due_us = now_us;
        }
        let delay_us = ground.stopwatch.as_ref().map_or(0, |it| it.delay_us());
        while self.due_us <= now_us && !ground.stopped && self.waiting.len() < WAITING_MAX {
            let number = ground.acknowledged[0] + self.waiting.len() as u64;
            let Some(mut out) = lines.outlet(id) else { break };
            Self::send(number, (now_us, delay_us), &mut out);
            self.waiting.push_back((now_us, delay_us));
            self.due_us += self.interval_us;
        }
        ground.wake_in(self.due_us.saturating_sub(now_us).div_ceil(1000).max(1), id);
    }
}
