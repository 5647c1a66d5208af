//! The scenario of `sockeye bench echo`: messages that come back.

use std::collections::VecDeque;

use sockeye_deflate::WindowBits;
use sockeye_frame::MaskKey;

use super::fault::Fault;
use super::histogram::Histogram;
use super::line::Outlet;
use super::load::{Lines, Listener, Scenario, Turn};
use super::measure::{Meter, Span};
use super::pace::Pace;
use super::payload::Payloads;
use super::report::{Value, so_far};
use super::wire::{Heard, Part};

/// The options of a run, in the units of the scenario.
pub(super) struct Plan {
    pub(super) pipeline: usize,
    pub(super) rate: Option<f64>,
    pub(super) warm_up_ns: u64,
    pub(super) limit: Limit,
    pub(super) patience_ns: u64,
    pub(super) key: MaskKey,
}

/// When a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Nanos(u64),
    Messages(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Opening,
    WarmUp(u64),
    /// Counted, until a time or until there is nothing left to send.
    Measured(u64),
    /// Nothing new is sent; what is on its way comes back.
    Draining,
    Done,
}

/// One connection.
#[derive(Default)]
struct Talk {
    sent: u64,
    /// The variants that are sent next, and that come back next.
    sends: usize,
    expects: usize,
    /// When each message on its way was sent, or should have been.
    stamps: VecDeque<u64>,
    is_open: bool,
}

pub(super) struct Echo {
    plan: Plan,
    payloads: Payloads,
    /// The kind that echoes must have; bare connections know no kinds.
    is_text: bool,
    talks: Vec<Talk>,
    stage: Stage,
    pace: Option<Pace>,
    window: Option<WindowBits>,
    /// Messages that may still be sent.
    quota: u64,
    in_flight: u64,
    heard_at: u64,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) lost: u64,
    /// Messages whose time had come, and that found no room on their connection.
    pub(super) overdue: u64,
    /// The messages of the measured time.
    pub(super) measured: u64,
    pub(super) latencies: Histogram,
    pub(super) meter: Meter,
    pub(super) span: Span,
    shown: u64,
}

impl Echo {
    pub(super) fn new(plan: Plan, payloads: Payloads, talks: usize, meter: Meter) -> Self {
        let talk = |id| {
            let first = payloads.first(id);
            Talk { sends: first, expects: first, ..Talk::default() }
        };
        Self {
            talks: (0..talks).map(talk).collect(),
            plan,
            is_text: payloads.is_text(),
            payloads,
            stage: Stage::Opening,
            pace: None,
            window: None,
            quota: 0,
            in_flight: 0,
            heard_at: 0,
            sent: 0,
            received: 0,
            lost: 0,
            overdue: 0,
            measured: 0,
            latencies: Histogram::new(),
            meter,
            span: Span::default(),
            shown: 0,
        }
    }

    /// Bytes of a message on the wire.
    pub(super) fn wire_bytes(&self) -> usize {
        self.payloads.wire_bytes()
    }

    /// Sends on connection `id` what may be sent by now.
    #[inline]
    fn pump(&mut self, id: usize, now: u64, out: &mut Outlet<'_>) {
        let Some(talk) = self.talks.get_mut(id) else { return };
        while talk.stamps.len() < self.plan.pipeline && self.quota > 0 {
            let stamp = match &self.pace {
                None => now,
                Some(pace) => match pace.intended(id, talk.sent) {
                    stamp if stamp > now => return,
                    stamp => stamp,
                },
            };
            if self.in_flight == 0 {
                self.heard_at = now;
            }
            self.payloads.send(talk.sends, out);
            talk.sends = self.payloads.after(talk.sends);
            talk.stamps.push_back(stamp);
            talk.sent += 1;
            self.quota -= 1;
            self.sent += 1;
            self.in_flight += 1;
        }
    }

    fn pump_all(&mut self, now: u64, lines: &mut Lines) {
        for id in 0..self.talks.len() {
            if let Some(mut out) = lines.outlet(id) {
                self.pump(id, now, &mut out);
            }
        }
    }

    #[inline]
    fn part(&mut self, id: usize, part: &Part<'_>, now: u64) -> Result<(), Fault> {
        let Some(talk) = self.talks.get_mut(id) else { return Err(Fault::Unasked) };
        let Some(&stamp) = talk.stamps.front() else { return Err(Fault::Unasked) };
        let expected = self.payloads.plain(talk.expects);
        let end = part.offset + part.bytes.len();
        let is_same = expected.get(part.offset..end) == Some(part.bytes);
        if !is_same || part.is_text != self.is_text || part.last && end != expected.len() {
            return Err(Fault::Differs);
        }
        if part.last {
            talk.stamps.pop_front();
            talk.expects = self.payloads.after(talk.expects);
            self.in_flight -= 1;
            self.received += 1;
            self.heard_at = now;
            if matches!(self.stage, Stage::Measured(_)) {
                self.measured += 1;
                self.latencies.record(now.saturating_sub(stamp));
            }
        }
        Ok(())
    }

    fn begin(&mut self, now: u64, lines: &mut Lines) {
        if let Some(window) = self.window {
            self.payloads.compress(&mut lines.engine, window, self.plan.key);
        }
        // Not before the frames are made: that may take a while.
        let now = now.max(lines.now());
        self.heard_at = now;
        self.pace = self.plan.rate.map(|rate| Pace::new(now, rate, self.talks.len()));
        if self.plan.warm_up_ns == 0 {
            self.measure(now);
        } else {
            self.quota = u64::MAX;
            self.stage = Stage::WarmUp(now.saturating_add(self.plan.warm_up_ns));
        }
        self.pump_all(now, lines);
    }

    fn measure(&mut self, now: u64) {
        let until = match self.plan.limit {
            Limit::Nanos(nanos) => {
                self.quota = u64::MAX;
                now.saturating_add(nanos)
            }
            Limit::Messages(count) => {
                self.quota = count.saturating_sub(self.in_flight);
                u64::MAX
            }
        };
        self.stage = Stage::Measured(until);
        self.meter.begin(now);
    }

    fn drain(&mut self, now: u64) {
        self.span = self.meter.end(now);
        self.overdue = self.pace.map_or(0, |pace| pace.begun().saturating_sub(self.sent));
        self.quota = 0;
        self.stage = Stage::Draining;
    }

    /// Gives up what is on its way.
    fn give_up(&mut self, lines: &mut Lines) {
        let has_heard = self.received > 0;
        lines.faults.add(&if has_heard { Fault::Lost(self.in_flight) } else { Fault::Silent });
        self.lost += self.in_flight;
        self.in_flight = 0;
        self.talks.iter_mut().for_each(|talk| talk.stamps.clear());
    }

    fn is_dead(&self) -> bool {
        self.talks.iter().all(|talk| !talk.is_open)
    }
}

impl Listener for Echo {
    #[inline]
    fn hear(&mut self, id: usize, heard: Heard<'_>, now: u64) -> Result<(), Fault> {
        match heard {
            Heard::Part(part) => self.part(id, &part, now),
            Heard::Open { window } => {
                self.talks[id].is_open = true;
                self.window = window.map(|window| self.window.map_or(window, |it| it.min(window)));
                Ok(())
            }
            Heard::Close { code, .. } => Err(Fault::Closed(code)),
            Heard::Pong | Heard::Answer(_) | Heard::Item(_) | Heard::LastEventId(_) => Ok(()),
        }
    }

    #[inline]
    fn answer(&mut self, id: usize, now: u64, out: &mut Outlet<'_>) {
        self.pump(id, now, out);
    }

    fn gone(&mut self, id: usize, _: &Fault) {
        let talk = &mut self.talks[id];
        talk.is_open = false;
        let lost = talk.stamps.len() as u64;
        talk.stamps.clear();
        self.in_flight -= lost;
        self.lost += lost;
    }
}

impl Scenario for Echo {
    fn turn(&mut self, now: u64, lines: &mut Lines) -> Turn {
        if self.stage == Stage::Opening {
            if !lines.is_settled() {
                return Turn::Wait(now + 1_000_000_000);
            }
            self.begin(now, lines);
        }
        let silent_at = self.heard_at.saturating_add(self.plan.patience_ns);
        let is_stuck = self.in_flight > 0 && now > silent_at;
        match self.stage {
            Stage::WarmUp(until) if now >= until => self.measure(now),
            Stage::Measured(until) => {
                let is_empty = self.in_flight == 0 && self.quota == 0;
                if now >= until || is_empty || is_stuck || self.is_dead() {
                    // A run that counts messages ends with the last echo.
                    self.drain(if is_empty { self.heard_at } else { now });
                }
            }
            Stage::WarmUp(_) if is_stuck || self.is_dead() => self.drain(now),
            Stage::Opening | Stage::WarmUp(_) | Stage::Draining | Stage::Done => {}
        }
        if self.stage == Stage::Draining && (self.in_flight == 0 || is_stuck) {
            if self.in_flight > 0 {
                self.give_up(lines);
            }
            self.stage = Stage::Done;
        }
        let mut due = u64::MAX;
        if let (Some(pace), true) = (&mut self.pace, self.quota > 0) {
            let mut pace = *pace;
            while let Some(id) = pace.next(now) {
                if let Some(mut out) = lines.outlet(id) {
                    self.pump(id, now, &mut out);
                }
            }
            due = pace.due();
            self.pace = Some(pace);
        }
        let given_up = if self.in_flight > 0 { silent_at + 1 } else { u64::MAX };
        match self.stage {
            Stage::Done => Turn::Done,
            Stage::WarmUp(until) | Stage::Measured(until) => match self.pace {
                None => Turn::Wait(until.min(given_up)),
                Some(_) => Turn::Meet(until.min(given_up).min(due)),
            },
            Stage::Opening | Stage::Draining => Turn::Wait(given_up),
        }
    }

    fn stop(&mut self, now: u64) -> bool {
        if matches!(self.stage, Stage::Measured(_)) {
            self.drain(now);
        }
        matches!(self.stage, Stage::Draining | Stage::Done)
    }

    fn progress(&mut self) -> String {
        let stage = match self.stage {
            Stage::Opening => "opening connections",
            Stage::WarmUp(_) => "warming up",
            Stage::Measured(_) => "measuring",
            Stage::Draining | Stage::Done => "waiting for the last echoes",
        };
        let count = Value::Count(self.received - self.shown).human();
        self.shown = self.received;
        format!("{stage}: {count} more messages{}", so_far(&self.latencies))
    }
}
