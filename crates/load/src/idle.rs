//! The scenario of `sockeye bench idle`: connections that do nothing.

use sockeye_deflate::WindowBits;
use sockeye_frame::{MaskKey, Opcode, Rsv};
use sockeye_sse::Item;

use super::fault::Fault;
use super::histogram::Histogram;
use super::line::Outlet;
use super::load::{Lines, Listener, Scenario, Turn};
use super::measure::{Meter, Span};
use super::pace::Pace;
use super::payload::{Payloads, frame};
use super::report::Value;
use super::wire::{Heard, Part};

/// How long a server may take to come to rest before its memory is looked at.
const SETTLE_NS: u64 = 500_000_000;

/// The options of a run, in the units of the scenario.
pub(super) struct Plan {
    pub(super) connections: usize,
    pub(super) hold_ns: u64,
    pub(super) patience_ns: u64,
    /// Nanoseconds between two pings of a connection.
    pub(super) ping_ns: Option<u64>,
    /// The first message on each connection, as a frame.
    pub(super) first: Option<Vec<u8>>,
    /// One of these is sent, and has to come back; compressed if that was agreed on.
    pub(super) touch: Option<Payloads>,
    pub(super) key: MaskKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// One connection, so that what a server makes once is not counted for the others.
    First,
    Opening,
    /// Until this time.
    Settling(u64),
    Holding(u64),
    /// Pongs are waited for.
    Draining,
    Done,
}

#[derive(Clone, Copy, Default)]
struct Line {
    /// The negotiated compression.
    window: Option<WindowBits>,
    is_touched: bool,
    /// When the unanswered ping was sent.
    pinged_at: Option<u64>,
}

pub(super) struct Idle {
    plan: Plan,
    lines: Vec<Line>,
    stage: Stage,
    pace: Option<Pace>,
    /// Connections that are open and have not been sent anything yet.
    new: Vec<usize>,
    /// How far back a compressed message may refer, once the messages are compressed for it.
    window: Option<WindowBits>,
    untouched: usize,
    unanswered: usize,
    heard_at: u64,
    pub(super) messages: u64,
    pub(super) pongs: Histogram,
    pub(super) meter: Meter,
    /// The cost of opening the connections after the first.
    pub(super) opening: Span,
    pub(super) holding: Span,
    pub(super) rss_before: Option<u64>,
    pub(super) rss_after: Option<u64>,
}

impl Idle {
    pub(super) fn new(plan: Plan, meter: Meter) -> Self {
        Self {
            lines: vec![Line::default(); plan.connections],
            plan,
            stage: Stage::First,
            pace: None,
            new: Vec::new(),
            window: None,
            untouched: 0,
            unanswered: 0,
            heard_at: 0,
            messages: 0,
            pongs: Histogram::new(),
            meter,
            opening: Span::default(),
            holding: Span::default(),
            rss_before: None,
            rss_after: None,
        }
    }

    /// Connections after the first.
    pub(super) const fn others(&self) -> usize {
        self.plan.connections - 1
    }

    fn touched(&mut self, id: usize, part: &Part<'_>) -> Result<(), Fault> {
        let (Some(payloads), line) = (&self.plan.touch, &mut self.lines[id]) else { return Ok(()) };
        if line.is_touched {
            return Ok(());
        }
        let expected = payloads.plain(payloads.first(id));
        let end = part.offset + part.bytes.len();
        if expected.get(part.offset..end) != Some(part.bytes) || part.last && end != expected.len()
        {
            return Err(Fault::Differs);
        }
        if part.last {
            line.is_touched = true;
            self.untouched -= 1;
        }
        Ok(())
    }

    /// Sends those that are new what is sent first.
    fn greet(&mut self, lines: &mut Lines) {
        for id in core::mem::take(&mut self.new) {
            let window = self.lines[id].window;
            if let (Some(window), Some(payloads)) = (window, &mut self.plan.touch)
                && self.window.is_none_or(|known| window < known)
            {
                payloads.compress(&mut lines.engine, window, self.plan.key);
                self.window = Some(window);
            }
            let Some(mut out) = lines.outlet(id) else { continue };
            if let Some(first) = &self.plan.first {
                out.tail().extend_from_slice(first);
            }
            if let Some(payloads) = &self.plan.touch {
                payloads.send(payloads.first(id), &mut out);
            }
        }
    }

    fn ping(&mut self, now: u64, lines: &mut Lines) {
        let Some(mut pace) = self.pace else { return };
        while let Some(id) = pace.next(now) {
            let line = &mut self.lines[id];
            if line.pinged_at.is_some() {
                continue;
            }
            let Some(mut out) = lines.outlet(id) else { continue };
            out.tail().extend_from_slice(&frame(Opcode::Ping, Rsv::NONE, b"bench", self.plan.key));
            line.pinged_at = Some(now);
            self.unanswered += 1;
        }
        self.pace = Some(pace);
    }

    /// Goes on to the next stage if it is time.
    fn advance(&mut self, now: u64, lines: &mut Lines) {
        let is_ready = lines.is_settled() && self.untouched == 0;
        match self.stage {
            Stage::First if is_ready => {
                self.rss_before = self.meter.server_rss();
                if self.others() > 0 {
                    lines.want(0, self.others());
                }
                self.meter.begin(now);
                self.stage = Stage::Opening;
            }
            Stage::Opening if is_ready => {
                self.opening = self.meter.end(now);
                self.stage = Stage::Settling(now + SETTLE_NS);
            }
            Stage::Settling(until) if now >= until => {
                self.rss_after = self.meter.server_rss();
                self.meter.begin(now);
                let rate = |ping: u64| self.plan.connections as f64 * 1e9 / ping.max(1) as f64;
                let pace = |ping| Pace::new(now, rate(ping), self.plan.connections);
                self.pace = self.plan.ping_ns.map(pace);
                self.stage = Stage::Holding(now.saturating_add(self.plan.hold_ns));
            }
            Stage::Holding(until) if now >= until || lines.opened() == 0 => {
                self.holding = self.meter.end(now);
                self.pace = None;
                self.heard_at = now;
                self.stage = Stage::Draining;
            }
            Stage::Draining if self.unanswered == 0 => self.stage = Stage::Done,
            Stage::First
            | Stage::Opening
            | Stage::Settling(_)
            | Stage::Holding(_)
            | Stage::Draining
            | Stage::Done => {}
        }
    }
}

impl Listener for Idle {
    fn hear(&mut self, id: usize, heard: Heard<'_>, now: u64) -> Result<(), Fault> {
        self.heard_at = now;
        match heard {
            Heard::Open { window } => {
                self.lines[id].window = window;
                self.new.push(id);
                self.untouched += usize::from(self.plan.touch.is_some());
            }
            Heard::Part(part) => {
                self.messages += u64::from(part.last);
                self.touched(id, &part)?;
            }
            Heard::Pong => {
                // An unsolicited pong is legal (RFC 6455 §5.5.3).
                if let Some(pinged_at) = self.lines[id].pinged_at.take() {
                    self.unanswered -= 1;
                    self.pongs.record(now.saturating_sub(pinged_at));
                }
            }
            Heard::Item(Item::Event(_)) => self.messages += 1,
            Heard::Close { code, .. } => return Err(Fault::Closed(code)),
            Heard::Answer(_) | Heard::Item(_) | Heard::LastEventId(_) => {}
        }
        Ok(())
    }

    fn answer(&mut self, _: usize, _: u64, _: &mut Outlet<'_>) {}

    fn gone(&mut self, id: usize, _: &Fault) {
        let line = &mut self.lines[id];
        self.unanswered -= usize::from(line.pinged_at.take().is_some());
    }
}

impl Scenario for Idle {
    fn turn(&mut self, now: u64, lines: &mut Lines) -> Turn {
        self.greet(lines);
        self.ping(now, lines);
        // A stage may have no duration, and then the next one is due in the same turn.
        let mut before = Stage::Done;
        while self.stage != before {
            before = self.stage;
            self.advance(now, lines);
        }
        let waits = self.untouched > 0 || self.unanswered > 0 && self.stage == Stage::Draining;
        let silent_at = self.heard_at.saturating_add(self.plan.patience_ns);
        if waits && now > silent_at {
            lines.faults.add(&Fault::Lost((self.untouched + self.unanswered) as u64));
            self.stage = Stage::Done;
        }
        let given_up = if waits { silent_at + 1 } else { u64::MAX };
        let ping = self.pace.map_or(u64::MAX, |pace| pace.due());
        match self.stage {
            Stage::Settling(until) | Stage::Holding(until) => Turn::Wait(until.min(ping)),
            Stage::First | Stage::Opening | Stage::Draining => Turn::Wait(given_up),
            Stage::Done => Turn::Done,
        }
    }

    fn stop(&mut self, now: u64) -> bool {
        if let Stage::Holding(until) = &mut self.stage {
            *until = now.min(*until);
        }
        matches!(self.stage, Stage::Holding(_) | Stage::Draining | Stage::Done)
    }

    fn progress(&mut self) -> String {
        let stage = match self.stage {
            Stage::First | Stage::Opening => "opening connections",
            Stage::Settling(_) => "letting the server come to rest",
            Stage::Holding(_) => "holding",
            Stage::Draining | Stage::Done => "waiting for the last pongs",
        };
        let pongs = Value::Count(self.pongs.count()).human();
        let messages = Value::Count(self.messages).human();
        format!("{stage}: {messages} messages and {pongs} pongs came")
    }
}
