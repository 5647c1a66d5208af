//! What a node says of itself.

use sockeye_hub::Epoch;
use sockeye_service::sequencing::{Health, SequencerEvent, SharedLog};

use super::{Node, Phase};
use crate::engine::{Position, Trouble};
use crate::entry::Evidence;

/// The figures of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Whether the engine can be reached.
    pub is_up: bool,
    /// Whether it takes part: it has read the log, and offers are taken.
    pub is_ready: bool,
    /// Whether it has read the log once, and taken part.
    pub has_begun: bool,
    /// Entries that were read since it began to join last.
    pub restored: u64,
    /// The place of the newest entry that was read.
    pub head: u64,
    /// Log time there.
    pub time_ms: u64,
    /// Where the engine has its newest entry, as it was last heard. A node that joins reads up to there.
    pub last: Option<Position>,
    /// Where it has its oldest entry, as it was last heard.
    pub first: Option<Position>,
    /// Where the newest entry is that was read.
    pub read: Option<Position>,
    /// The epoch of the hubs.
    pub epoch: Epoch,
    /// Epochs that have ended since the node began.
    pub epochs_ended: u64,
    /// How often it has joined again.
    pub rejoined: u64,
    /// How often it has begun in the middle of a log.
    pub joined_behind: u64,
    /// Entries that could not be read.
    pub unreadable: u64,
    /// Offers that were not read back.
    pub unread: usize,
    /// Entries that are remembered.
    pub remembered: u64,
    /// Own offers that were read again, or too early.
    pub repeats: u64,
}

/// Why a node takes no offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objection {
    /// The engine is away, for this reason.
    Away(&'static str),
    /// The node reads the log.
    Joining,
    /// Parts of the log from which it goes on are missing.
    Importing,
    /// A new epoch has to begin first.
    Epoch,
    /// The log has other rules than the configuration.
    Rules,
    /// It has stopped.
    Stopped(Stop),
}

/// Why a node has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// An entry is of this later version: the program is too old.
    Newer(u8),
    /// Its verdicts differ from those of another node: a mistake of this program.
    Diverged,
}

impl Objection {
    /// The reason in `/readyz`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Away(reason) => reason,
            Self::Joining => "backbone_joining",
            Self::Importing => "backbone_importing",
            Self::Epoch => "backbone_epoch",
            Self::Rules => "backbone_config",
            Self::Stopped(Stop::Newer(_)) => "backbone_newer",
            Self::Stopped(Stop::Diverged) => "backbone_diverged",
        }
    }
}

/// Something that an operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The engine is there.
    Up,
    /// It is away, or takes no more.
    Away(Trouble),
    /// The node has read the log up to here.
    Joined(u64),
    /// The log goes on from another one, of which parts are missing. The node waits for them.
    Importing,
    /// The node reads the log again, because entries are missing, or others than before.
    Rejoins,
    /// A new epoch has begun, here.
    Epoch(Epoch, u64),
    /// Entries up to this place were trimmed before this node had read them: its clients have a gap.
    Missed(u64),
    /// This node has ended the epoch, for this reason.
    EndsEpoch(Evidence),
    /// This entry could not be read.
    Unreadable(Position),
    /// The log has other rules: what differs.
    OtherRules(String),
    /// The node has stopped.
    Stopped(Stop),
}

impl Status {
    /// The figures that a process shows.
    pub(super) fn shared_log(&self) -> SharedLog {
        let lag_entries = match (self.last, self.read) {
            (Some(last), Some(read)) if last.fence == read.fence => {
                last.number.saturating_sub(read.number)
            }
            // The entries of the fence before are not counted.
            (Some(last), Some(read)) if last > read => last.number,
            (Some(_), Some(_)) | (None, _) => 0,
            (Some(_), None) => self.retained(),
        };
        SharedLog {
            is_up: self.is_up,
            head: self.head,
            restored: self.restored,
            retained: self.retained(),
            lag_entries,
            unread: self.unread as u64,
            epochs_ended: self.epochs_ended,
            doubts: self.rejoined,
            unreadable: self.unreadable,
        }
    }

    /// The entries that the log has; zero if its ends do not tell.
    pub fn retained(&self) -> u64 {
        match (self.first, self.last) {
            (Some(first), Some(last)) if first.fence == last.fence => {
                last.number.saturating_sub(first.number) + 1
            }
            _ => 0,
        }
    }
}

impl Node {
    /// The figures.
    pub fn status(&self) -> Status {
        let mut status = self.status;
        status.is_up = self.link.is_up;
        status.is_ready = self.find_objection().is_none();
        status.last = self.link.ends.last;
        status.first = self.link.ends.first;
        status.unread = self.outbox.len();
        if let Some(log) = &self.log {
            status.head = log.replica.head();
            status.time_ms = log.replica.time_ms();
            status.epoch = log.replica.epoch();
            status.remembered = log.replica.remembered();
            status.read = Some(log.chain.last().position);
        }
        status
    }

    /// Why it takes no offers now.
    pub fn find_objection(&self) -> Option<Objection> {
        let phase = match &self.phase {
            Phase::Stopped(stop) => Some(Objection::Stopped(*stop)),
            Phase::Joining if self.waits_for_import => Some(Objection::Importing),
            Phase::Joining => Some(Objection::Joining),
            Phase::Following => None,
        };
        let away = match &self.link.trouble {
            Some(trouble) => Some(Objection::Away(trouble.kind.as_str())),
            None if !self.link.is_up => Some(Objection::Away("backbone_unreachable")),
            None => None,
        };
        let epoch = (!self.leads || self.writes.raise.is_some()).then_some(Objection::Epoch);
        let rules = (!self.has_own_rules()).then_some(Objection::Rules);
        phase
            .filter(|objection| matches!(objection, Objection::Stopped(_)))
            .or(away)
            .or(phase)
            .or(epoch)
            .or(rules)
    }

    /// The digest of all entries that were read, and that of everything that verdicts follow from. All nodes with
    /// the same first one have the same second one. It is for tests: it costs a step for each entry that is
    /// remembered.
    pub fn digest(&self) -> Option<(u64, u64)> {
        self.log.as_ref().map(|log| (log.chain.last().chain, log.replica.digest()))
    }

    pub(super) fn has_own_rules(&self) -> bool {
        let rules = self.log.as_ref().and_then(|log| log.replica.rules());
        rules == Some(&self.settings.rules)
    }

    pub(super) fn tell_health(&mut self, events: &mut Vec<SequencerEvent>) {
        let objection = self.find_objection();
        if self.health_told.replace(objection) == Some(objection) {
            return;
        }
        self.status.has_begun |= objection.is_none();
        events.push(SequencerEvent::Health(match objection {
            None => Health::Good,
            Some(Objection::Stopped(_)) => Health::Failed,
            Some(objection) => Health::Away(objection.as_str()),
        }));
    }
}
