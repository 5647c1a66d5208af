//! The counters of the dialect, besides the engine's and the server's.

use std::collections::BTreeMap;

/// Plain numbers: the loop is one thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestCounters {
    /// Polls that were held.
    pub(crate) polls: Polls,
    /// Requests without a credential.
    pub(crate) nothing_shown: u64,
    /// Good credentials.
    pub(crate) authenticated: u64,
    /// Refused credentials, by the word of the code.
    pub(crate) not_authenticated: BTreeMap<&'static str, u64>,
    /// Refused requests, likewise.
    pub(crate) requests_refused: BTreeMap<&'static str, u64>,
    /// Refused publications, likewise.
    pub(crate) publications_refused: BTreeMap<&'static str, u64>,
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
pub(crate) fn count(counters: &mut BTreeMap<&'static str, u64>, why: &'static str) {
    *counters.entry(why).or_default() += 1;
}

fn add_all(sums: &mut BTreeMap<&'static str, u64>, others: &BTreeMap<&'static str, u64>) {
    for (why, count) in others {
        *sums.entry(*why).or_default() += count;
    }
}
