//! The rate of streams that open: of all clients together, and of each account.

use sockeye_hub::Claim;

use crate::engine::Limits;
use crate::engine::access::Account;
use crate::engine::rates::{Bucket, Queue, Rate, Rates};

/// An account is busy if it tries more often than its rate divided by this. After a rest it may try
/// an eighth of its burst at once. At least so many quiet accounts are needed to use up the rate of
/// all. Busy accounts always leave some of it for the others.
const QUIET_PART: u32 = 64;

/// The bounds on streams that open in a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HandshakeRates {
    /// Of all clients.
    all: Rate,
    /// Of one account.
    own: Rate,
    /// Of the tries of one account, so that it does not count as busy.
    quiet: Rate,
    rated_max: usize,
    wait_ms_max: u64,
}

impl HandshakeRates {
    pub(crate) const fn new(limits: &Limits) -> Self {
        let (own, burst) = (limits.address_handshakes_per_second, limits.address_handshakes_burst);
        Self {
            all: Rate::new(limits.handshakes_per_second, limits.handshakes_burst),
            own: Rate::new(own, burst),
            quiet: Rate::new(own / QUIET_PART, burst.div_ceil(8)),
            rated_max: limits.rated_max,
            wait_ms_max: limits.handshake_wait_ms_max,
        }
    }
}

/// The client that opens a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opener<'a> {
    /// Its account; `None` if it is not counted.
    pub(crate) account: Option<&'a Account>,
    /// Whether it has shown a credential.
    pub(crate) is_known: bool,
}

/// The rate limit that refused a stream, and how long its client is to wait, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnedAway {
    /// That of its account.
    Own(u64),
    /// That of all clients.
    All(u64),
}

/// The places that a client has found taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Places {
    /// Those of its account.
    Own,
    /// Those of all clients.
    All,
    /// The same, of a client whose try to open a stream was counted.
    AllOfTried,
}

/// The streams that opened lately.
///
/// Each account has a token bucket, and all clients have one together. A client gets a token of both
/// or none. Of the bucket of all it gets only the part that it has a [`Claim`] on: strangers leave
/// tokens for known clients, and busy accounts leave some for the others. A refused client waits for
/// its turn among the clients of its account, or among those with its claim. So a storm of one account
/// makes nobody else wait.
#[derive(Debug)]
pub(crate) struct Handshakes {
    all: Bucket,
    /// The clients that the bucket of all refused, by their claims.
    queues: [Queue; 4],
    own: Rates<Account>,
    /// The tries of each account. Refused ones count, so a busy account remains busy.
    tries: Rates<Account>,
}

impl Handshakes {
    pub(crate) fn new(limits: &Limits) -> Self {
        let HandshakeRates { own, quiet, .. } = HandshakeRates::new(limits);
        Self {
            all: Bucket::default(),
            queues: [Queue::default(); 4],
            own: Rates::new(own),
            tries: Rates::new(quiet),
        }
    }

    /// Counts a stream that opens.
    ///
    /// # Errors
    /// Its account or all clients are above their rate. A refusal takes nothing.
    pub(crate) fn take(
        &mut self,
        opener: Opener<'_>,
        rates: &HandshakeRates,
        now_ms: u64,
    ) -> Result<(), TurnedAway> {
        let HandshakeRates { all, own, rated_max, wait_ms_max, .. } = *rates;
        let claim = self.claim(opener, rates, now_ms);
        if let Some(account) = opener.account
            && self.own.taken(account, own, now_ms) >= own.burst()
        {
            // [service:address-handshakes]
            let wait_ms = self.own.turn_away(account, own, wait_ms_max, rated_max, now_ms);
            return Err(TurnedAway::Own(wait_ms));
        }
        if self.all.take_of(claim.of(all.burst()), all, now_ms).is_err() {
            let queue = &mut self.queues[claim as usize];
            return Err(TurnedAway::All(queue.wait_ms(all, wait_ms_max, now_ms)));
        }
        if let Some(account) = opener.account {
            let taken = self.own.take(account, own, rated_max, now_ms);
            debug_assert!(taken.is_ok(), "it had a token");
        }
        Ok(())
    }

    /// Returns how long a client without a place is to wait, in milliseconds. It waits for its turn among the clients
    /// of its account, or among those with its claim.
    pub(crate) fn turn_away(
        &mut self,
        opener: Opener<'_>,
        whose: Places,
        rates: &HandshakeRates,
        now_ms: u64,
    ) -> u64 {
        let HandshakeRates { all, own, rated_max, wait_ms_max, .. } = *rates;
        // [service:places-wait]
        match (whose, opener.account) {
            (Places::Own, Some(account)) => {
                self.own.turn_away(account, own, wait_ms_max, rated_max, now_ms)
            }
            (Places::Own | Places::All | Places::AllOfTried, _) => {
                let claim = match whose {
                    Places::Own | Places::All => self.claim(opener, rates, now_ms),
                    Places::AllOfTried => self.claim_of_tried(opener, rates, now_ms),
                };
                self.queues[claim as usize].wait_ms(all, wait_ms_max, now_ms)
            }
        }
    }

    /// The claim of a client on the bucket of all. Counts its try.
    fn claim(&mut self, opener: Opener<'_>, rates: &HandshakeRates, now_ms: u64) -> Claim {
        let claim = self.claim_of_tried(opener, rates, now_ms);
        if let Some(account) = opener.account {
            let _ = self.tries.take(account, rates.quiet, rates.rated_max, now_ms);
        }
        claim
    }

    /// The claim of a client by the tries that were counted.
    fn claim_of_tried(&self, opener: Opener<'_>, rates: &HandshakeRates, now_ms: u64) -> Claim {
        let HandshakeRates { all, own, quiet, .. } = *rates;
        let Some(account) = opener.account else { return Claim::First };
        let tried = self.tries.taken(account, quiet, now_ms);
        match opener.is_known {
            true => Claim::of_known(tried, own.burst(), all.burst()),
            false => Claim::of_stranger(tried, own.burst(), all.burst()),
        }
    }
}

#[cfg(test)]
mod tests;
