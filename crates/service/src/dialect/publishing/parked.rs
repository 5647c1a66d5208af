//! Jobs that wait for fan-outs: too many are under way, and their next publication begins another one.
//!
//! ```text
//!  add ─► waiting ─► call, once there is room ─► called: its step is next ─► take_call ─► it publishes
//!            ▲                                                                   │
//!            └────────────────────── put_back, if the room is gone ◄─────────────┘
//! ```
//!
//! Publications that begin no fan-out pass them, unless a job waits for the same channel. So a small channel does not
//! wait for large ones, and what one payer publishes in a channel keeps its order.

use std::collections::{HashMap, VecDeque};

use sockeye_server::FairQueue;

use crate::engine::work::Payer;

/// A job that waits.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) payer: Payer,
    pub(super) job: u64,
    /// The channel of its next publication.
    pub(super) channel: Box<str>,
}

/// The jobs that wait for fan-outs. Their bytes are bounded with those of all that wait for their turn.
#[derive(Debug, Default)]
pub(super) struct ParkedJobs {
    /// Each with the units that its fan-out needs. Payers get equal units. [service:fan-out-fair]
    waiting: FairQueue<Payer, (Parked, u64)>,
    /// Those that were called and could not begin. They are called first.
    back: VecDeque<Parked>,
    /// The channels of jobs that were called and have not had their step, by job.
    called: HashMap<u64, Box<str>>,
    /// The channels of all of these jobs, each with their number.
    channels: HashMap<Box<str>, usize>,
}

impl ParkedJobs {
    pub(super) fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// Whether a job waits for this channel.
    pub(super) fn has(&self, channel: &str) -> bool {
        self.channels.contains_key(channel)
    }

    /// Whether a job waits for this channel that was called before, and could not begin.
    pub(super) fn is_back(&self, channel: &str) -> bool {
        self.back.iter().any(|parked| *parked.channel == *channel)
    }

    /// Whether jobs wait that may be called, with room for so many fan-outs.
    pub(super) fn may_call(&self, room: usize) -> bool {
        self.called.len() < room && !(self.waiting.is_empty() && self.back.is_empty())
    }

    /// Puts a job whose fan-out needs so many units behind the others of its payer.
    pub(super) fn add(&mut self, parked: Parked, units: u64) {
        self.enter(&parked);
        let units = units.div_ceil(u64::from(parked.payer.weight));
        self.waiting.add(parked.payer, (parked, units));
    }

    /// Puts a job back that was called and could not begin.
    pub(super) fn put_back(&mut self, parked: Parked) {
        self.enter(&parked);
        self.back.push_back(parked);
    }

    fn enter(&mut self, parked: &Parked) {
        *self.channels.entry(parked.channel.clone()).or_default() += 1;
    }

    /// Calls the next job, if there is room for so many fan-outs. Its step follows.
    pub(super) fn call(&mut self, room: usize) -> Option<(Payer, u64)> {
        if !self.may_call(room) {
            return None;
        }
        let Parked { payer, job, channel } = self.back.pop_front().or_else(|| {
            let (payer, (parked, units)) = self.waiting.take()?;
            self.waiting.done(payer, units);
            Some(parked)
        })?;
        self.called.insert(job, channel);
        Some((payer, job))
    }

    /// Takes note that a job has its step now. Returns whether it was called.
    pub(super) fn take_call(&mut self, job: u64) -> bool {
        let Some(channel) = self.called.remove(&job) else { return false };
        if let Some(count) = self.channels.get_mut(&channel) {
            *count -= 1;
            if *count == 0 {
                self.channels.remove(&channel);
            }
        }
        true
    }
}
