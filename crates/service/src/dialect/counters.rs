//! The counters of the dialect, besides the engine's and the server's.

use std::collections::BTreeMap;

use sockeye_auth::Refusal;

use crate::wire::Code;

/// Plain numbers: the loop is one thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestCounters {
    /// Polls that were held.
    pub(crate) polls: Polls,
    /// Requests without a credential.
    pub(crate) nothing_shown: u64,
    /// Good credentials.
    pub(crate) authenticated: u64,
    /// Refused credentials, by reason.
    pub(crate) not_authenticated: BTreeMap<Refusal, u64>,
    /// Refused requests, by reason.
    pub(crate) requests_refused: BTreeMap<Code, u64>,
    /// Refused publications, by reason.
    pub(crate) publications_refused: BTreeMap<Code, u64>,
}

impl RequestCounters {
    /// Adds what another service has counted.
    pub(crate) fn add(&mut self, other: &Self) {
        self.polls.opened += other.polls.opened;
        self.polls.answered += other.polls.answered;
        self.polls.gone += other.polls.gone;
        self.nothing_shown += other.nothing_shown;
        self.authenticated += other.authenticated;
        add_all(&mut self.not_authenticated, &other.not_authenticated);
        add_all(&mut self.requests_refused, &other.requests_refused);
        add_all(&mut self.publications_refused, &other.publications_refused);
    }
}

/// Polls that were held.
#[derive(Clone, Debug, Default)]
pub(crate) struct Polls {
    pub(crate) opened: u64,
    pub(crate) answered: u64,
    /// Polls whose clients went away, or that the server cut.
    pub(crate) gone: u64,
}

/// Adds one to the counter of a reason.
pub(crate) fn count<K: Ord>(counters: &mut BTreeMap<K, u64>, why: K) {
    *counters.entry(why).or_default() += 1;
}

fn add_all<K: Copy + Ord>(sums: &mut BTreeMap<K, u64>, others: &BTreeMap<K, u64>) {
    for (why, count) in others {
        *sums.entry(*why).or_default() += count;
    }
}
