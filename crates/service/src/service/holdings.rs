//! What open streams and requests hold.

use crate::Service;

/// How much is held for streams and requests. See [`Service::holdings`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holdings {
    /// Streams with a subscriber; polls that wait are among them.
    pub streams: usize,
    /// Streams for which something is due: the answer to a poll, a first message, or an end. Work
    /// that goes on in later turns counts, too.
    pub due: usize,
    /// Openings that wait for a cursor that is ahead.
    pub openings: usize,
    /// Requests and commands that are still publishing, or wait for the log.
    pub jobs: usize,
    /// Streams of requests that are still publishing, that wait for the log, its archive or their turn, or
    /// that are put off.
    pub held: usize,
    /// Messages and statements that are not committed yet: most of them wait for the log.
    pub publications: usize,
    /// Items of presence: channels, streams and members.
    pub presence: usize,
    /// Users with a stream or a waiting poll.
    pub users: usize,
    /// Addresses with a stream or a waiting poll of a client without a user; of an address at which
    /// some have shown a credential and some have not, two.
    pub addresses: usize,
    /// Users and addresses that are in channels without a message, and those that are in patterns.
    pub holders: usize,
}

impl Service {
    /// The items that open streams and requests hold: none, once they are gone and the log has
    /// answered.
    pub fn holdings(&self) -> Holdings {
        let (held, jobs, waiting) = self.jobs.counts();
        let (stated, statements) = self.statements.counts();
        let (redeeming, tickets) = self.redemptions.counts();
        let accounts = self.engine.sessions.accounts();
        Holdings {
            streams: self.engine.sessions.len(),
            due: self.engine.due.len() + self.engine.expiring.len() + self.engine.work.len(),
            openings: self.engine.openings.len().max(self.openings.len()),
            jobs,
            held: held + stated + redeeming + self.held.len(),
            publications: self
                .engine
                .sequencing
                .pending()
                .unwrap_or(waiting + statements + tickets),
            presence: self.engine.presence.held(),
            users: accounts.users,
            addresses: accounts.addresses,
            holders: self.engine.hub.stats().holders,
        }
    }
}
