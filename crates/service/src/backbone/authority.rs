//! The order authority of services that share a log.

use std::collections::VecDeque;
use std::sync::Arc;

use sockeye_hub::{
    Admission, ChannelName, Config, Cursor, Epoch, Flow, Hub, Misuse, Publication, Seq,
};

use super::{Offer, Outcome, Settled, Ticket, Verdict};
use crate::health::Health;
use crate::log::{Log, LogState, Record, next_state};
use crate::wire::Level;

/// What gives each publication of several services its place, and hands it to the log if there is
/// one.
///
/// It is a hub without subscribers and without bodies, so conditions, keys, ends and bounds are decided
/// by the very code that decides them in a service that is alone. It knows no threads: it is given
/// what was handed over, and says what has become of it.
pub struct Authority {
    hub: Hub<()>,
    log: Option<Box<dyn Log>>,
    health: Health,
    /// What the log has not answered for, in the order of places.
    waiting: VecDeque<Waiting>,
    log_refusals: u64,
}

/// What only the authority counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Whether there is a log.
    pub(crate) durable: bool,
    pub(crate) hub: sockeye_hub::Stats,
    pub(crate) log_refusals: u64,
}

/// Who handed a publication over, and how much room is held for it until everybody has heard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) worker: usize,
    pub(crate) ticket: Ticket,
    pub(crate) bytes: usize,
}

/// What the authority says, to all or to one.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    /// What [`Outcome`] has for everybody.
    Entry(Arc<Settled>, Origin),
    Void(Seq),
    Epoch(Epoch),
    Health(Health),
    /// To whoever asked.
    Answer(Origin, Verdict),
}

#[derive(Debug)]
struct Waiting {
    seq: Seq,
    offer: Offer,
    origin: Origin,
    /// Those with the same key.
    again: Vec<Origin>,
}

impl Authority {
    /// An authority over an empty log, in a life of it that has not been before.
    pub fn new(epoch: Epoch, config: Config) -> Self {
        Self {
            hub: Hub::new(epoch, config),
            log: None,
            health: Health::Good,
            waiting: VecDeque::new(),
            log_refusals: 0,
        }
    }

    /// Puts a log behind it.
    #[must_use]
    pub fn with_log(mut self, log: Box<dyn Log>) -> Self {
        self.log = Some(log);
        self
    }

    /// As [`Service::restore_floor`](crate::Service::restore_floor).
    ///
    /// # Errors
    /// As there.
    pub fn restore_floor(&mut self, floor: Seq) -> Result<(), Misuse> {
        if floor == Seq::ZERO { Ok(()) } else { self.hub.lose(floor) }
    }

    /// As [`Service::restore`](crate::Service::restore).
    ///
    /// # Errors
    /// As there.
    pub fn restore(&mut self, record: &Record<'_>) -> Result<(), Misuse> {
        self.restore_head(record.position.seq.previous())?;
        let publication = Publication {
            kind: record.kind,
            key: record.key,
            ..Publication::new(record.channel, (), record.payload.cost())
        };
        let nobody = |_, _: &_| Flow::Full;
        self.hub.apply(record.position.seq, publication, record.time_ms, nobody).map(|_| ())
    }

    /// As [`Service::restore_head`](crate::Service::restore_head).
    ///
    /// # Errors
    /// As there.
    pub fn restore_head(&mut self, head: Seq) -> Result<(), Misuse> {
        if head > self.hub.position().seq { self.hub.void(head) } else { Ok(()) }
    }

    /// Other bounds and settings from now on.
    pub fn reconfigure(&mut self, config: Config, now_ms: u64) {
        self.hub.reconfigure(config, now_ms);
    }

    /// What it has counted.
    pub fn figures(&self) -> Figures {
        Figures {
            durable: self.log.is_some(),
            hub: self.hub.stats(),
            log_refusals: self.log_refusals,
        }
    }

    /// Gives a publication its place, or says why not.
    pub(crate) fn take(&mut self, offer: Offer, origin: Origin, now_ms: u64, out: &mut Vec<Said>) {
        let level = self.level();
        let answer = |verdict| Said::Answer(origin, verdict);
        if self.health.has_failed() {
            return out.push(answer(Verdict::Failed));
        }
        // Before it has a place: a place that stays empty would look like a loss later.
        if self.log.as_ref().is_some_and(|log| !log.has_room()) {
            return out.push(answer(Verdict::NoRoom));
        }
        let channel = ChannelName::new(&offer.channel).expect("names are checked where they come");
        let publication = Publication {
            channel,
            body: (),
            cost: offer.payload.cost(),
            kind: offer.kind,
            key: offer.key.as_deref(),
            expect: offer.expect,
        };
        match self.hub.admit(publication, now_ms) {
            Ok(Admission::Pending(position)) => {
                if let Some(log) = &mut self.log {
                    let (kind, payload) = (offer.kind, &offer.payload);
                    let key = offer.key.as_deref();
                    log.append(&Record { position, channel, time_ms: now_ms, kind, payload, key });
                }
                let seq = position.seq;
                self.waiting.push_back(Waiting { seq, offer, origin, again: Vec::new() });
                if self.log.is_none() {
                    self.commit_first(now_ms, out);
                }
            }
            Ok(Admission::Duplicate(position)) => {
                out.push(answer(Verdict::Duplicate(position, level)));
            }
            Ok(Admission::DuplicatePending(position)) => {
                let at = self.waiting.binary_search_by_key(&position.seq, |it| it.seq);
                let first = at.ok().and_then(|at| self.waiting.get_mut(at));
                first.expect("what is pending waits").again.push(origin);
            }
            Err(refusal) => out.push(answer(Verdict::Refused(refusal))),
        }
    }

    /// Takes in what the log has done since it was asked last.
    pub(crate) fn settle(&mut self, now_ms: u64, out: &mut Vec<Said>) {
        let mut before = None;
        if let Some(log) = &mut self.log {
            log.advance(now_ms);
        }
        while let Some(state) = next_state(self.log.as_deref_mut(), &mut before) {
            let was = self.health;
            match state {
                LogState::Through(seq) => {
                    self.health.taken(seq);
                    while self.waiting.front().is_some_and(|first| first.seq <= seq) {
                        self.commit_first(now_ms, out);
                    }
                }
                LogState::Refused(seq) => {
                    self.log_refusals += 1;
                    self.health = Health::Refusing { through: seq, at_ms: now_ms };
                    while self.waiting.front().is_some_and(|first| first.seq <= seq) {
                        self.refuse_first(out);
                    }
                }
                LogState::Failed => {
                    self.health = Health::Failed;
                    self.give_up(out);
                }
            }
            if self.health != was {
                out.push(Said::Health(self.health));
            }
            if self.health.has_failed() {
                return;
            }
        }
    }

    const fn level(&self) -> Level {
        if self.log.is_some() { Level::Logged } else { Level::Accepted }
    }

    /// The log has the oldest of what waits.
    fn commit_first(&mut self, now_ms: u64, out: &mut Vec<Said>) {
        let Some(Waiting { seq, offer, origin, again }) = self.waiting.pop_front() else { return };
        let (position, level) = (self.at(seq), self.level());
        let committed = self.hub.commit(position, now_ms, |_, _| Flow::Full);
        let time_ms = committed.expect("places are settled in their order").entry.time_ms;
        let Offer { channel, payload, kind, key: _, expect: _ } = offer;
        let settled = Settled { position, channel, payload, kind, time_ms, level };
        out.push(Said::Entry(Arc::new(settled), origin));
        let duplicate = Verdict::Duplicate(position, level);
        out.extend(again.into_iter().map(|origin| Said::Answer(origin, duplicate)));
    }

    /// The log has not got the oldest of what waits, and never will.
    fn refuse_first(&mut self, out: &mut Vec<Said>) {
        let Some(Waiting { seq, origin, again, .. }) = self.waiting.pop_front() else { return };
        let aborted = self.hub.abort(self.at(seq));
        debug_assert!(aborted.is_ok(), "what waits is pending");
        out.push(Said::Void(seq));
        let all = [origin].into_iter().chain(again);
        out.extend(all.map(|origin| Said::Answer(origin, Verdict::NotKept)));
    }

    /// Nothing that waits can be promised any more: it may or may not be on disk. A new life of
    /// the log begins, in which nothing is taken.
    fn give_up(&mut self, out: &mut Vec<Said>) {
        if self.waiting.is_empty() {
            return;
        }
        for Waiting { origin, again, .. } in self.waiting.drain(..) {
            let all = [origin].into_iter().chain(again);
            out.extend(all.map(|origin| Said::Answer(origin, Verdict::Failed)));
        }
        let epoch = Epoch(self.hub.position().epoch.0.wrapping_add(1));
        let anew = self.hub.begin_epoch(epoch);
        debug_assert!(anew.is_ok(), "the next number is another number");
        out.push(Said::Epoch(epoch));
    }

    const fn at(&self, seq: Seq) -> Cursor {
        Cursor { epoch: self.hub.position().epoch, seq }
    }
}

impl Said {
    /// What it is to a worker; `None` if it is somebody else's.
    pub(super) fn to(&self, worker: usize) -> Option<Outcome> {
        match self {
            Self::Entry(settled, origin) => {
                let ticket = (origin.worker == worker).then_some(origin.ticket);
                Some(Outcome::Entry(Arc::clone(settled), ticket))
            }
            Self::Void(seq) => Some(Outcome::Void(*seq)),
            Self::Epoch(epoch) => Some(Outcome::Epoch(*epoch)),
            Self::Health(health) => Some(Outcome::Health(*health)),
            Self::Answer(origin, verdict) => {
                (origin.worker == worker).then_some(Outcome::Answer(origin.ticket, *verdict))
            }
        }
    }

    /// Whether a worker has to hear it.
    pub(super) const fn is_for(&self, worker: usize) -> bool {
        match self {
            Self::Answer(origin, _) => origin.worker == worker,
            Self::Entry(..) | Self::Void(_) | Self::Epoch(_) | Self::Health(_) => true,
        }
    }

    /// Whose room is free again once everybody has heard it.
    pub(super) const fn holds(&self) -> Option<Origin> {
        match self {
            Self::Entry(_, origin) | Self::Answer(origin, _) => Some(*origin),
            Self::Void(_) | Self::Epoch(_) | Self::Health(_) => None,
        }
    }
}
