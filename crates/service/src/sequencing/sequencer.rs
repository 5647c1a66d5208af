//! The sequencer of services that share a log: it decides for all of them.

use std::collections::VecDeque;
use std::sync::Arc;

use sockeye_hub::{ChannelName, Config, Cursor, Epoch, Flow, Hub, Misuse, Publication, Run, Seq};

use super::decider::{Decider, Decision, Step};
use super::log::{Log, Record};
use super::{Figures, LogNode, Offer, Outcome, Sequenced, Statement, Ticket, Verdict, restore};

/// Gives the offers of several services one order.
///
/// [`LoopBackbone::step`](super::LoopBackbone::step) drives it and spreads its events. An
/// implementation may decide at once, as [`Sequencer`] does. It may also append offers to a log
/// that several machines share, and decide them as they come back:
/// [`sequencing`](crate::sequencing) says what it has to do then.
pub trait Sequence {
    /// Takes one offer.
    fn offer(
        &mut self,
        offer: Offer,
        origin: Origin,
        now_ms: u64,
        events: &mut Vec<SequencerEvent>,
    );

    /// Takes one statement.
    fn declare(
        &mut self,
        statement: Statement,
        origin: Origin,
        now_ms: u64,
        events: &mut Vec<SequencerEvent>,
    );

    /// Takes in the answers of the log since the last call.
    fn settle(&mut self, now_ms: u64, events: &mut Vec<SequencerEvent>);

    /// The figures.
    fn figures(&self) -> Figures;

    /// The nodes of a log that several machines share; none of any other log.
    fn nodes(&self) -> Arc<[LogNode]> {
        Arc::default()
    }
}

/// Decides the offers of several services, and has a log keep them if there is one.
///
/// It owns a hub without subscribers and without bodies, and decides with the same code as a single
/// service. It starts no threads.
pub struct Sequencer {
    hub: Hub<()>,
    decider: Decider<Origin>,
    /// The offers of messages that wait for the log, by position.
    offers: VecDeque<Offer>,
}

/// The worker and the ticket of an offer, and the room that it holds until every worker has read
/// its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The worker's number.
    pub worker: usize,
    /// The worker's own number for the offer.
    pub ticket: Ticket,
    /// The bytes that it holds.
    pub bytes: usize,
}

/// One change of the log for all workers, or an answer for one.
pub type SequencerEvent = Outcome<Origin>;

impl Sequencer {
    /// A sequencer over an empty log, in an epoch that has not been before.
    pub fn new(epoch: Epoch, config: Config) -> Self {
        Self { hub: Hub::new(epoch, config), decider: Decider::new(None), offers: VecDeque::new() }
    }

    /// Has messages wait for a log's answer.
    #[must_use]
    pub fn with_log(mut self, log: Box<dyn Log>) -> Self {
        self.decider = Decider::new(Some(log));
        self
    }

    /// As [`Service::restore_floor`](crate::Service::restore_floor).
    ///
    /// # Errors
    /// As there.
    pub fn restore_floor(&mut self, floor: Seq) -> Result<(), Misuse> {
        restore::floor(&mut self.hub, floor)
    }

    /// As [`Service::restore_runs`](crate::Service::restore_runs).
    pub fn restore_runs(&mut self, runs: &[Run]) {
        restore::runs(&mut self.hub, runs);
    }

    /// As [`Service::restore`](crate::Service::restore).
    ///
    /// # Errors
    /// As there.
    pub fn restore(&mut self, record: &Record<'_>) -> Result<(), Misuse> {
        restore::message(&mut self.hub, record, (), record.time_ms)
    }

    /// As [`Service::restore_channel`](crate::Service::restore_channel).
    pub fn restore_channel(&mut self, channel: ChannelName<'_>, last: Seq, ended: bool) {
        self.hub.restore_channel(channel, last, ended);
    }

    /// As [`Service::restore_key`](crate::Service::restore_key).
    pub fn restore_key(&mut self, channel: ChannelName<'_>, key: &str, seq: Seq, until_ms: u64) {
        self.hub.restore_key(channel, key, seq, until_ms);
    }

    /// As [`Service::restore_head`](crate::Service::restore_head).
    ///
    /// # Errors
    /// As there.
    pub fn restore_head(&mut self, head: Seq) -> Result<(), Misuse> {
        restore::head(&mut self.hub, head)
    }

    /// Decides by other settings from now on.
    pub fn reconfigure(&mut self, config: Config, now_ms: u64) {
        self.hub.reconfigure(config, now_ms);
    }

    fn commit(&mut self, position: Cursor, offer: Offer, now_ms: u64) -> Arc<Sequenced> {
        let committed = self.hub.commit(position, now_ms, |_, _| Flow::Full);
        let time_ms = committed.expect("messages are settled in order").entry.time_ms;
        let Offer { channel, payload, kind, key: _, expect: _ } = offer;
        let level = self.decider.level();
        Arc::new(Sequenced { position, channel, payload, kind, time_ms, level })
    }
}

impl Sequence for Sequencer {
    fn offer(
        &mut self,
        offer: Offer,
        origin: Origin,
        now_ms: u64,
        events: &mut Vec<SequencerEvent>,
    ) {
        let publication = Publication {
            channel: ChannelName::new(&offer.channel).expect("services check names"),
            body: (),
            cost: offer.payload.cost(),
            kind: offer.kind,
            key: offer.key.as_deref(),
            expect: offer.expect,
        };
        let payload = |(): &()| offer.payload.clone();
        match self.decider.decide(&mut self.hub, publication, payload, origin, now_ms) {
            Decision::Commit(position) => {
                let entry = self.commit(position, offer, now_ms);
                events.push(SequencerEvent::Entry(entry, Some(origin)));
            }
            Decision::Pending => self.offers.push_back(offer),
            Decision::PendingRepeat => {}
            Decision::Answer(verdict) => events.push(SequencerEvent::Answer(origin, verdict)),
        }
    }

    /// No log has to keep it: it concerns streams that are open now.
    fn declare(
        &mut self,
        statement: Statement,
        origin: Origin,
        _: u64,
        events: &mut Vec<SequencerEvent>,
    ) {
        events.push(match statement {
            Statement::Disconnect(user) => SequencerEvent::Disconnect(user.into(), Some(origin)),
            // Services of one process share a table of tickets, and a census.
            Statement::Issue(_) | Statement::Redeem(_) | Statement::Present(_) => {
                SequencerEvent::Answer(origin, Verdict::Failed)
            }
        });
    }

    fn settle(&mut self, now_ms: u64, events: &mut Vec<SequencerEvent>) {
        if self.hub.is_overdue() {
            self.hub.advance(now_ms);
        }
        let mut steps = Vec::new();
        self.decider.advance(now_ms);
        self.decider.settle(now_ms, usize::MAX, &mut steps);
        for step in steps {
            events.push(match step {
                Step::Commit(position, origin) => {
                    let offer = self.offers.pop_front().expect("a pending message has its offer");
                    SequencerEvent::Entry(self.commit(position, offer, now_ms), Some(origin))
                }
                Step::Void(position) => {
                    self.offers.pop_front();
                    let aborted = self.hub.abort(position);
                    debug_assert!(aborted.is_ok(), "a message that waits is pending");
                    SequencerEvent::Void(position.seq)
                }
                Step::NextEpoch => {
                    self.offers.clear();
                    SequencerEvent::Epoch(self.hub.begin_next_epoch())
                }
                Step::Health(health) => SequencerEvent::Health(health),
                Step::Answer(origin, verdict) => SequencerEvent::Answer(origin, verdict),
            });
        }
    }

    fn figures(&self) -> Figures {
        self.decider.figures(self.hub.stats())
    }
}

impl SequencerEvent {
    /// The outcome that a worker gets; `None` if the event is for another one.
    pub(super) fn outcome_for(&self, worker: usize) -> Option<Outcome> {
        match self {
            Self::Entry(entry, origin) => {
                let own = origin.filter(|origin| origin.worker == worker);
                Some(Outcome::Entry(Arc::clone(entry), own.map(|origin| origin.ticket)))
            }
            Self::Void(seq) => Some(Outcome::Void(*seq)),
            Self::Lost(seq) => Some(Outcome::Lost(*seq)),
            Self::Epoch(epoch) => Some(Outcome::Epoch(*epoch)),
            Self::Restored(log) => Some(Outcome::Restored(Arc::clone(log))),
            Self::Health(health) => Some(Outcome::Health(*health)),
            Self::Disconnect(user, origin) => {
                let own = origin.filter(|origin| origin.worker == worker);
                Some(Outcome::Disconnect(Arc::clone(user), own.map(|origin| origin.ticket)))
            }
            Self::DisconnectsMissed => Some(Outcome::DisconnectsMissed),
            Self::Presence(news) => Some(Outcome::Presence(Arc::clone(news))),
            Self::Answer(origin, verdict) => {
                (origin.worker == worker).then_some(Outcome::Answer(origin.ticket, *verdict))
            }
        }
    }

    /// Whether a worker gets an outcome of it.
    pub(super) const fn is_for(&self, worker: usize) -> bool {
        match self {
            Self::Answer(origin, _) => origin.worker == worker,
            Self::Entry(..)
            | Self::Void(_)
            | Self::Lost(_)
            | Self::Epoch(_)
            | Self::Restored(_)
            | Self::Health(_)
            | Self::Disconnect(..)
            | Self::DisconnectsMissed
            | Self::Presence(_) => true,
        }
    }

    /// The offer or statement whose room is free again once every worker has this event.
    pub(super) const fn settles(&self) -> Option<Origin> {
        match self {
            Self::Entry(_, origin) | Self::Disconnect(_, origin) => *origin,
            Self::Answer(origin, _) => Some(*origin),
            Self::Void(_)
            | Self::Lost(_)
            | Self::Epoch(_)
            | Self::Restored(_)
            | Self::Health(_)
            | Self::DisconnectsMissed
            | Self::Presence(_) => None,
        }
    }
}
