//! The messages that verdicts follow from.

use std::collections::VecDeque;

use sockeye_hub::{ChannelName, Kind, Seq};
use sockeye_service::sequencing::{Offer, Sequencer};

use crate::digest::Digest;
use crate::entry::{ImportedKey, Rules};

/// The messages behind the horizon, without their payloads.
#[derive(Debug, Default)]
pub(super) struct Memory {
    entries: VecDeque<Entry>,
    /// Leases, and log time there: places where one can forget while nobody publishes.
    leases: VecDeque<(u64, u64)>,
    /// The entries up to here are forgotten.
    through: u64,
    /// Log time there.
    through_ms: u64,
}

/// A message, or what is known of one that another log had.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where it stands in the log.
    place: u64,
    /// Log time there.
    time_ms: u64,
    /// The position of the message: its place, unless it was brought from another log.
    seq: u64,
    channel: Box<str>,
    fact: Fact,
}

/// The parts of an entry that tell of its message.
#[derive(Debug)]
enum Fact {
    /// It is the newest one of its channel so far, and perhaps its key.
    Newest(Kind, Option<Box<str>>),
    /// The key that it had in another log, and when that is forgotten. Later messages may have been there.
    Key(Box<str>, u64),
}

impl Entry {
    pub(super) fn new(seq: u64, time_ms: u64, offer: &Offer) -> Self {
        let (channel, key) = (offer.channel.clone(), offer.key.clone());
        Self { place: seq, time_ms, seq, channel, fact: Fact::Newest(offer.kind, key) }
    }

    /// The newest message of a channel of another log, which a part at this place and log time tells.
    pub(super) fn newest(at: (u64, u64), seq: u64, channel: &str, kind: Kind) -> Self {
        let (place, time_ms) = at;
        Self { place, time_ms, seq, channel: channel.into(), fact: Fact::Newest(kind, None) }
    }

    /// A key of another log.
    pub(super) fn key(at: (u64, u64), it: &ImportedKey<'_>) -> Self {
        let ((place, time_ms), fact) = (at, Fact::Key(it.key.into(), it.until_ms));
        Self { place, time_ms, seq: it.seq, channel: it.channel.into(), fact }
    }
}

impl Memory {
    /// Of a log whose places begin behind `through`.
    pub(super) fn behind(through: u64, through_ms: u64) -> Self {
        Self { through, through_ms, ..Self::default() }
    }

    pub(super) const fn through(&self) -> u64 {
        self.through
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    pub(super) fn push_lease(&mut self, seq: u64, time_ms: u64) {
        self.leases.push_back((seq, time_ms));
    }

    /// The newest message or lease at `wanted` or before, and log time there; the end of what is forgotten already
    /// if there is none.
    pub(super) fn place_to_forget(&self, wanted: u64) -> (u64, u64) {
        let after = self.entries.partition_point(|entry| entry.place <= wanted);
        let entry = after.checked_sub(1).map(|at| &self.entries[at]);
        let entry = entry.map(|entry| (entry.place, entry.time_ms));
        let after = self.leases.partition_point(|(seq, _)| *seq <= wanted);
        let lease = after.checked_sub(1).map(|at| self.leases[at]);
        entry.max(lease).unwrap_or((self.through, self.through_ms))
    }

    /// Forgets everything up to `through`. False if there is nothing to forget.
    pub(super) fn forget(&mut self, through: u64, through_ms: u64) -> bool {
        if through <= self.through {
            return false;
        }
        (self.through, self.through_ms) = (through, through_ms);
        let after = self.entries.partition_point(|entry| entry.place <= through);
        self.entries.drain(..after);
        let after = self.leases.partition_point(|(seq, _)| *seq <= through);
        self.leases.drain(..after);
        true
    }

    /// Gives a new sequencer what is remembered. Channels that it does not know may have had messages up to `floor`.
    pub(super) fn restore(&self, sequencer: &mut Sequencer, rules: &Rules, floor: u64) {
        sequencer.restore_floor(Seq(floor)).expect("it is new");
        let config = rules.config();
        // The newest message of a channel counts, and the first one to be restored.
        for entry in self.entries.iter().rev() {
            let channel = ChannelName::new(&entry.channel).expect("it was checked");
            let seq = Seq(entry.seq);
            match &entry.fact {
                Fact::Newest(kind, key) => {
                    sequencer.restore_channel(channel, seq, *kind == Kind::End);
                    let Some(key) = key else { continue };
                    let key_ms = config.settings_of(channel.namespace()).key_ms;
                    sequencer.restore_key(channel, key, seq, entry.time_ms.saturating_add(key_ms));
                }
                Fact::Key(key, until_ms) => sequencer.restore_key(channel, key, seq, *until_ms),
            }
        }
    }

    pub(super) fn digest(&self, digest: Digest) -> Digest {
        let digest = digest.number(self.through).number(self.through_ms);
        let digest = digest.number(self.leases.len() as u64).number(self.entries.len() as u64);
        self.entries.iter().fold(digest, |digest, entry| {
            let (number, key) = match &entry.fact {
                Fact::Newest(kind, key) => (u64::from(*kind == Kind::End), key.as_deref()),
                Fact::Key(key, until_ms) => (*until_ms, Some(&**key)),
            };
            let digest = digest.number(entry.place).number(entry.time_ms).number(entry.seq);
            let key = key.unwrap_or_default();
            digest.number(number).bytes(entry.channel.as_bytes()).bytes(key.as_bytes())
        })
    }
}
