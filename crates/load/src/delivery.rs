//! The scenario of `sockeye bench fanout` and `sse`: one publisher, many subscribers, and every publication has to
//! reach every subscriber once and in order.

use sockeye_sse::Item;

use super::channels::Channels;
use super::fault::Fault;
use super::histogram::Histogram;
use super::line::Outlet;
use super::load::{Lines, Listener, Scenario, Turn};
use super::measure::{Meter, Span};
use super::pace::Pace;
use super::publications::Publications;
use super::publisher::{Publisher, Reply};
use super::report::{Value, so_far};
use super::stamp::{Found, Stamps};
use super::wire::{Heard, Joiner};

/// How often the scenario tests whether all subscribers listen.
const PROBE_NS: u64 = 200_000_000;

/// The options of a run, in the units of the scenario.
pub(super) struct Plan {
    pub(super) subscribers: usize,
    pub(super) channels: Channels,
    /// The first frame of each subscriber, or one for all.
    pub(super) subscribe: Vec<Vec<u8>>,
    pub(super) rate: Option<f64>,
    pub(super) in_flight: usize,
    pub(super) warm_up_ns: u64,
    pub(super) duration_ns: u64,
    pub(super) patience_ns: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Opening,
    /// Publications without a number until everybody has heard one; the next at this time.
    Probing(u64),
    WarmUp(u64),
    Measured(u64),
    Draining,
    Done,
}

#[derive(Default)]
struct Subscriber {
    /// The number of the publication that comes next.
    next: u64,
    parts: Joiner,
    is_open: bool,
    /// It has heard a publication, so that it misses none from now on.
    listens: bool,
    /// Whether its first message has still to be sent.
    is_new: bool,
}

pub(super) struct Delivery {
    plan: Plan,
    stamps: Stamps,
    /// None: the server makes the events.
    publisher: Option<Publisher>,
    subscribers: Vec<Subscriber>,
    stage: Stage,
    pace: Option<Pace>,
    listening: usize,
    /// Subscribers that are there.
    open: usize,
    heard_at: u64,
    pub(super) publications: Publications,
    /// Publications and deliveries of the measured time, and the bytes of these.
    pub(super) published: u64,
    pub(super) deliveries: u64,
    pub(super) bytes: u64,
    /// Messages that are none of ours.
    pub(super) others: u64,
    pub(super) lost: u64,
    pub(super) each: Histogram,
    pub(super) last: Histogram,
    pub(super) meter: Meter,
    pub(super) span: Span,
}

impl Delivery {
    pub(super) fn new(
        plan: Plan,
        stamps: Stamps,
        publisher: Option<Publisher>,
        meter: Meter,
    ) -> Self {
        let first = |id| plan.channels.first(id);
        let subscriber = |id| Subscriber { next: first(id), ..Subscriber::default() };
        Self {
            subscribers: (0..plan.subscribers).map(subscriber).collect(),
            plan,
            stamps,
            publisher,
            stage: Stage::Opening,
            pace: None,
            listening: 0,
            open: 0,
            heard_at: 0,
            publications: Publications::default(),
            published: 0,
            deliveries: 0,
            bytes: 0,
            others: 0,
            lost: 0,
            each: Histogram::new(),
            last: Histogram::new(),
            meter,
            span: Span::default(),
        }
    }

    /// Subscribers that were open and have not failed.
    pub(super) const fn subscribers(&self) -> usize {
        self.open
    }

    const fn is_measured(&self) -> bool {
        matches!(self.stage, Stage::Measured(_))
    }

    #[inline]
    fn message(&mut self, id: usize, message: &[u8], now: u64) -> Result<(), Fault> {
        self.heard_at = now;
        match self.stamps.find(message) {
            Found::Number(0) => {
                let listens = core::mem::replace(&mut self.subscribers[id].listens, true);
                self.listening += usize::from(!listens);
                Ok(())
            }
            Found::Number(number) => self.delivered(id, number, message.len(), now),
            Found::Damaged => Err(Fault::Differs),
            Found::Other => {
                self.others += 1;
                if self.publisher.is_none() && self.is_measured() {
                    self.deliveries += 1;
                    self.bytes += message.len() as u64;
                }
                if !self.plan.subscribe.is_empty() {
                    return Reply::of(message).into_refusal();
                }
                Ok(())
            }
        }
    }

    #[inline]
    fn delivered(&mut self, id: usize, number: u64, len: usize, now: u64) -> Result<(), Fault> {
        let next = &mut self.subscribers[id].next;
        match number.cmp(next) {
            core::cmp::Ordering::Less => return Err(Fault::Repeated),
            core::cmp::Ordering::Greater => return Err(Fault::OutOfOrder),
            core::cmp::Ordering::Equal => *next += self.plan.channels.step(),
        }
        let Some(delivery) = self.publications.deliver(number) else {
            return Err(Fault::Unasked);
        };
        if self.is_measured() {
            let took = now.saturating_sub(delivery.sent_at);
            self.each.record(took);
            if delivery.was_last {
                self.last.record(took);
            }
            self.deliveries += 1;
            self.bytes += len as u64;
        }
        Ok(())
    }

    /// Publishes what is due.
    fn publish(&mut self, now: u64, lines: &mut Lines) {
        let Some(publisher) = &mut self.publisher else { return };
        let Some(mut out) = lines.outlet(publisher.id()) else { return };
        let channels = self.plan.channels;
        while self.publications.in_flight() < self.plan.in_flight {
            let sent_at = match &mut self.pace {
                None => now,
                Some(pace) => match pace.due() {
                    due if due > now => return,
                    due => {
                        pace.next(now);
                        due
                    }
                },
            };
            if self.publications.in_flight() == 0 {
                self.heard_at = now;
            }
            let number = self.publications.publish(sent_at, channels.receivers(self.open));
            publisher.publish(number, channels.channel(number), &mut out);
            self.published += u64::from(matches!(self.stage, Stage::Measured(_)));
        }
    }

    fn probe(&mut self, now: u64, lines: &mut Lines) {
        let Some(publisher) = &mut self.publisher else { return };
        if let Some(mut out) = lines.outlet(publisher.id()) {
            for channel in self.plan.channels.probed() {
                publisher.publish(0, channel, &mut out);
            }
            self.stage = Stage::Probing(now + PROBE_NS);
        }
    }

    /// Goes on to the next stage if it is time.
    fn advance(&mut self, now: u64, lines: &mut Lines) {
        let silent_at = self.heard_at.saturating_add(self.plan.patience_ns);
        match self.stage {
            Stage::Opening if lines.is_settled() => {
                self.heard_at = now;
                match &self.publisher {
                    Some(_) => self.probe(now, lines),
                    None => self.stage = Stage::WarmUp(now + self.plan.warm_up_ns),
                }
            }
            Stage::Probing(_) if self.listening >= self.open => {
                self.pace = self.plan.rate.map(|rate| Pace::new(now, rate, 1));
                self.stage = Stage::WarmUp(now + self.plan.warm_up_ns);
            }
            Stage::Probing(_) if now > silent_at => {
                lines.faults.add(&Fault::Silent);
                self.stage = Stage::Done;
            }
            Stage::Probing(at) if now >= at => self.probe(now, lines),
            Stage::WarmUp(until) if now >= until => {
                self.meter.begin(now);
                self.stage = Stage::Measured(now.saturating_add(self.plan.duration_ns));
            }
            Stage::Measured(until) if now >= until => {
                self.span = self.meter.end(now);
                self.stage = Stage::Draining;
            }
            Stage::WarmUp(_) | Stage::Measured(_) | Stage::Draining
                if self.owes() > 0 && now > silent_at =>
            {
                self.span = if self.is_measured() { self.meter.end(now) } else { self.span };
                self.lost += self.owes();
                lines.faults.add(&Fault::Lost(self.owes()));
                self.stage = Stage::Done;
            }
            Stage::Draining if self.owes() == 0 => self.stage = Stage::Done,
            Stage::Opening
            | Stage::Probing(_)
            | Stage::WarmUp(_)
            | Stage::Measured(_)
            | Stage::Draining
            | Stage::Done => {}
        }
    }

    /// Deliveries and acknowledgements that are still to come.
    fn owes(&self) -> u64 {
        let replies = self.publisher.as_ref().map_or(0, Publisher::unanswered);
        self.publications.undelivered() + replies
    }

    fn is_over(&self) -> bool {
        let is_mute = self.publisher.as_ref().is_some_and(|it| !it.is_open());
        !matches!(self.stage, Stage::Opening | Stage::Done) && (self.open == 0 || is_mute)
    }
}

impl Listener for Delivery {
    #[inline]
    fn hear(&mut self, id: usize, heard: Heard<'_>, now: u64) -> Result<(), Fault> {
        if let Some(publisher) = self.publisher.as_mut().filter(|it| it.id() == id) {
            self.heard_at = now;
            return publisher.hear(&heard);
        }
        match heard {
            Heard::Part(part) => match self.subscribers[id].parts.join(&part) {
                Some(message) => self.message(id, &message, now),
                None => Ok(()),
            },
            Heard::Item(Item::Event(event)) => self.message(id, event.data.as_bytes(), now),
            Heard::Open { .. } => {
                self.open += 1;
                let subscriber = &mut self.subscribers[id];
                (subscriber.is_open, subscriber.is_new) = (true, true);
                Ok(())
            }
            Heard::Close { code, .. } => Err(Fault::Closed(code)),
            Heard::Pong | Heard::Answer(_) | Heard::Item(_) | Heard::LastEventId(_) => Ok(()),
        }
    }

    #[inline]
    fn answer(&mut self, id: usize, _: u64, out: &mut Outlet<'_>) {
        let Some(subscriber) = self.subscribers.get_mut(id) else { return };
        if subscriber.is_new {
            subscriber.is_new = false;
            let all = &self.plan.subscribe;
            if let Some(subscribe) = all.get(id).or_else(|| all.first()) {
                out.tail().extend_from_slice(subscribe);
            }
        }
    }

    fn gone(&mut self, id: usize, _: &Fault) {
        if let Some(publisher) = self.publisher.as_mut().filter(|it| it.id() == id) {
            return publisher.end();
        }
        let subscriber = &mut self.subscribers[id];
        if core::mem::take(&mut subscriber.is_open) {
            self.open -= 1;
            self.listening -= usize::from(subscriber.listens);
            self.lost += self.publications.forget(subscriber.next, self.plan.channels.step());
        }
    }
}

impl Scenario for Delivery {
    fn turn(&mut self, now: u64, lines: &mut Lines) -> Turn {
        // A stage may have no duration, and then the next one is due in the same turn.
        let mut before = Stage::Done;
        while self.stage != before {
            before = self.stage;
            self.advance(now, lines);
        }
        if self.is_over() {
            self.span = if self.is_measured() { self.meter.end(now) } else { self.span };
            self.lost += self.publications.undelivered();
            self.stage = Stage::Done;
        }
        if matches!(self.stage, Stage::WarmUp(_) | Stage::Measured(_)) {
            self.publish(now, lines);
        }
        let silent_at = self.heard_at.saturating_add(self.plan.patience_ns);
        let given_up = if self.owes() > 0 { silent_at + 1 } else { u64::MAX };
        match (self.stage, &self.pace) {
            (Stage::Done, _) => Turn::Done,
            (Stage::Opening | Stage::Draining, _) => Turn::Wait(given_up),
            (Stage::Probing(until), _) => Turn::Wait(until.min(given_up)),
            (Stage::WarmUp(until) | Stage::Measured(until), Some(pace))
                if self.publications.in_flight() < self.plan.in_flight =>
            {
                Turn::Meet(until.min(given_up).min(pace.due()))
            }
            (Stage::WarmUp(until) | Stage::Measured(until), Some(_) | None) => {
                Turn::Wait(until.min(given_up))
            }
        }
    }

    fn stop(&mut self, now: u64) -> bool {
        if self.is_measured() {
            self.span = self.meter.end(now);
            self.stage = Stage::Draining;
        }
        matches!(self.stage, Stage::Draining | Stage::Done)
    }

    fn progress(&mut self) -> String {
        let stage = match self.stage {
            Stage::Opening => "opening connections",
            Stage::Probing(_) => "waiting until everybody listens",
            Stage::WarmUp(_) => "warming up",
            Stage::Measured(_) => "measuring",
            Stage::Draining | Stage::Done => "waiting for the last deliveries",
        };
        let count = Value::Count(self.deliveries).human();
        format!("{stage}: {count} deliveries so far{}", so_far(&self.each))
    }
}
