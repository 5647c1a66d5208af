//! The messages that verdicts follow from.

use std::collections::VecDeque;

use sockeye_hub::{ChannelName, Kind, Seq};
use sockeye_service::sequencing::{Offer, Sequencer};

use crate::digest::Digest;
use crate::entry::Rules;

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

/// A message.
#[derive(Debug)]
pub(super) struct Entry {
    seq: u64,
    time_ms: u64,
    channel: Box<str>,
    kind: Kind,
    key: Option<Box<str>>,
}

impl Entry {
    pub(super) fn new(seq: u64, time_ms: u64, offer: &Offer) -> Self {
        let (channel, key) = (offer.channel.clone(), offer.key.clone());
        Self { seq, time_ms, channel, kind: offer.kind, key }
    }
}

impl Memory {
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
        let after = self.entries.partition_point(|entry| entry.seq <= wanted);
        let entry = after.checked_sub(1).map(|at| &self.entries[at]);
        let entry = entry.map(|entry| (entry.seq, entry.time_ms));
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
        let after = self.entries.partition_point(|entry| entry.seq <= through);
        self.entries.drain(..after);
        let after = self.leases.partition_point(|(seq, _)| *seq <= through);
        self.leases.drain(..after);
        true
    }

    /// Gives a new sequencer what is remembered.
    pub(super) fn restore(&self, sequencer: &mut Sequencer, rules: &Rules) {
        sequencer.restore_floor(Seq(self.through)).expect("it is new");
        let config = rules.config();
        // The newest message of a channel counts, and the first one to be restored.
        for entry in self.entries.iter().rev() {
            let channel = ChannelName::new(&entry.channel).expect("it was checked");
            let seq = Seq(entry.seq);
            sequencer.restore_channel(channel, seq, entry.kind == Kind::End);
            if let Some(key) = &entry.key {
                let key_ms = config.settings_of(channel.namespace()).key_ms;
                sequencer.restore_key(channel, key, seq, entry.time_ms.saturating_add(key_ms));
            }
        }
    }

    pub(super) fn digest(&self, digest: Digest) -> Digest {
        let digest = digest.number(self.through).number(self.through_ms);
        let digest = digest.number(self.leases.len() as u64).number(self.entries.len() as u64);
        self.entries.iter().fold(digest, |digest, entry| {
            let key = entry.key.as_deref().unwrap_or_default();
            let digest = digest.number(entry.seq).number(entry.time_ms);
            let digest = digest.number(u64::from(entry.kind == Kind::End));
            digest.bytes(entry.channel.as_bytes()).bytes(key.as_bytes())
        })
    }
}
