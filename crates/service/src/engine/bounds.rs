//! Quotas and rate limits: refuses streams and messages above them.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};

use sockeye_hub::{Claim, Cursor, Holder, Seq, Start};
use sockeye_server::Time;

use crate::engine::access::Account;
use crate::engine::handshakes::{HandshakeRates, Handshakes, Opener, Places, TurnedAway};
use crate::engine::rates::{Rate, Rates};
use crate::engine::shared_state::{RateLimits, lock};
use crate::engine::{
    Before, Dialect, End, Engine, Limits, NOWHERE, Principal, Refusal, StreamName,
};

/// The rate limits, and how often each bound refused something.
#[derive(Debug)]
pub(crate) struct Bounds {
    pub(crate) rates: Arc<dyn RateLimits>,
    pub(crate) rejections: Rejections,
    /// Answers that told a client to come back later. Their number spreads the waits.
    sent_away: u32,
    /// Numbers the holders of the hub. Nobody can choose two accounts with one number.
    numbers: RandomState,
}

/// The rate limiters.
#[derive(Debug)]
pub(crate) struct Lately {
    messages: Rates<Account>,
    requests: Rates<Account>,
    handshakes: Handshakes,
}

impl Lately {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            messages: Rates::new(limits.message_rate()),
            requests: Rates::new(limits.request_rate()),
            handshakes: Handshakes::new(limits),
        }
    }
}

impl RateLimits for Mutex<Lately> {
    fn take_message(
        &self,
        account: &Account,
        rate: Rate,
        rated_max: usize,
        now_ms: u64,
    ) -> Result<Before, u64> {
        lock(self).messages.take_or_wait(account, rate, rated_max, now_ms)
    }

    fn take_request(
        &self,
        account: &Account,
        rate: Rate,
        rated_max: usize,
        now_ms: u64,
    ) -> Result<(), u64> {
        lock(self).requests.take_or_wait(account, rate, rated_max, now_ms).map(|_| ())
    }

    fn take_handshake(
        &self,
        opener: Opener<'_>,
        rates: &HandshakeRates,
        now_ms: u64,
    ) -> Result<(), TurnedAway> {
        lock(self).handshakes.take(opener, rates, now_ms)
    }

    fn turn_away(
        &self,
        opener: Opener<'_>,
        whose: Places,
        rates: &HandshakeRates,
        now_ms: u64,
    ) -> u64 {
        lock(self).handshakes.turn_away(opener, whose, rates, now_ms)
    }
}

/// How often each bound refused something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rejections {
    /// Commands and publications above their rate limit.
    pub(crate) messages: u64,
    /// Requests that read, and requests for tickets, above their rate limit.
    pub(crate) requests: u64,
    /// Streams above the rate limit of all streams.
    pub(crate) handshakes: u64,
    /// Streams above the rate limit of a user or an address.
    pub(crate) own_handshakes: u64,
    /// Streams and polls above a user's quota.
    pub(crate) connections: u64,
    /// Streams and polls above an address's quota.
    pub(crate) address_streams: u64,
    /// Streams and polls that the hub had no room for.
    pub(crate) full: u64,
    /// Subscriptions that the hub had no room for.
    pub(crate) channels: u64,
    /// Subscriptions above the quota of a user or an address.
    pub(crate) own_channels: u64,
    /// Requests above the bound on those that wait for the archive or for their turn.
    pub(crate) archive: u64,
    /// Requests above the share of a user or an address of these.
    pub(crate) own_archive: u64,
}

impl Rejections {
    pub(crate) fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.requests += other.requests;
        self.handshakes += other.handshakes;
        self.own_handshakes += other.own_handshakes;
        self.connections += other.connections;
        self.address_streams += other.address_streams;
        self.full += other.full;
        self.channels += other.channels;
        self.own_channels += other.own_channels;
        self.archive += other.archive;
        self.own_archive += other.own_archive;
    }

    /// Counts a subscription that was refused, if a bound refused it.
    pub(crate) fn count_subscription(&mut self, refusal: Refusal) {
        let Refusal::Hub(refusal) = refusal else { return };
        match refusal {
            sockeye_hub::Refusal::Channels | sockeye_hub::Refusal::Patterns => self.channels += 1,
            sockeye_hub::Refusal::OwnChannels { .. } | sockeye_hub::Refusal::OwnPatterns { .. } => {
                self.own_channels += 1;
            }
            _ => {}
        }
    }
}

impl Bounds {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            rates: Arc::new(Mutex::new(Lately::new(limits))),
            rejections: Rejections::default(),
            sent_away: 0,
            numbers: RandomState::new(),
        }
    }
}

impl Limits {
    const fn message_rate(&self) -> Rate {
        Rate::new(self.messages_per_second, self.messages_burst)
    }

    const fn request_rate(&self) -> Rate {
        Rate::new(self.requests_per_second, self.requests_burst)
    }
}

impl<D: Dialect> Engine<D> {
    /// Counts a command or a publication against its sender's rate limit.
    ///
    /// # Errors
    /// The sender is above its rate limit.
    // [service:bound-rate]
    pub(crate) fn count_message(&mut self, who: &Principal) -> Result<Before, Refusal> {
        let Some(account) = who.account() else { return Ok(Before::Full) };
        let (limits, rate) = (&self.limits, self.limits.message_rate());
        let now_ms = self.now.as_millis();
        let taken = self.bounds.rates.take_message(&account, rate, limits.rated_max, now_ms);
        taken.map_err(|wait_ms| {
            self.bounds.rejections.messages += 1;
            Refusal::RateLimited { per_second: limits.messages_per_second, wait_ms }
        })
    }

    /// Counts a request that reads, or one for a ticket, against its sender's rate limit.
    ///
    /// # Errors
    /// The sender is above its rate limit.
    // [service:bound-requests]
    pub(crate) fn count_request(&mut self, who: &Principal) -> Result<(), Refusal> {
        let Some(account) = who.account() else { return Ok(()) };
        let (limits, rate) = (&self.limits, self.limits.request_rate());
        let now_ms = self.now.as_millis();
        let taken = self.bounds.rates.take_request(&account, rate, limits.rated_max, now_ms);
        taken.map_err(|wait_ms| {
            self.bounds.rejections.requests += 1;
            Refusal::RateLimited { per_second: limits.requests_per_second, wait_ms }
        })
    }

    /// Admits one more stream, or says why not and how long its client is to wait.
    pub(crate) fn admit_stream(
        &mut self,
        stream: D::Stream,
        who: &Principal,
    ) -> Result<(), (End, u64)> {
        let (rates, retry_ms) = (HandshakeRates::new(&self.limits), self.retry_ms(stream));
        let account = who.holder();
        let opener = Opener { account: account.as_ref(), is_known: who.is_known() };
        // [service:bound-handshakes]
        match self.bounds.rates.take_handshake(opener, &rates, self.now.as_millis()) {
            Ok(()) => {}
            Err(TurnedAway::Own(wait_ms)) => {
                self.bounds.rejections.own_handshakes += 1;
                return Err((End::TryAgain, retry_ms + wait_ms));
            }
            Err(TurnedAway::All(wait_ms)) => {
                self.bounds.rejections.handshakes += 1;
                return Err((End::TryAgain, retry_ms + wait_ms));
            }
        }
        let admitted = self.admit_place(who, Places::AllOfTried);
        admitted.map_err(|refusal| (refusal.end(), retry_ms + refusal.wait_ms()))
    }

    /// Checks the quota of a client that opens one more stream or waiting poll, and its claim on the
    /// places of all. `all`: how its refusal counts, if those are taken.
    pub(crate) fn admit_place(&mut self, who: &Principal, all: Places) -> Result<(), Refusal> {
        self.admit_own(who)?;
        let (room, open) = (self.streams_max(), self.sessions.open_streams(who));
        let own_max = self.own_streams_max(who);
        let claim = match who.is_known() || own_max == usize::MAX {
            true => Claim::of_known(open.own, own_max, room),
            false => Claim::of_stranger(open.own, own_max, room),
        };
        // [service:bound-places]
        if open.all < claim.of(room) {
            return Ok(());
        }
        Err(self.refuse_place(who, all))
    }

    /// Refuses a client because the places of all are taken.
    pub(crate) fn refuse_place(&mut self, who: &Principal, all: Places) -> Refusal {
        self.bounds.rejections.full += 1;
        Refusal::Full { wait_ms: self.turn_away(who, all) }
    }

    /// Returns how long a client without a place is to wait, in milliseconds.
    fn turn_away(&self, who: &Principal, whose: Places) -> u64 {
        let (account, rates) = (who.holder(), HandshakeRates::new(&self.limits));
        let opener = Opener { account: account.as_ref(), is_known: who.is_known() };
        self.bounds.rates.turn_away(opener, whose, &rates, self.now.as_millis())
    }

    /// Checks the quota of the user or the address that gets one more stream or waiting poll.
    pub(crate) fn admit_own(&mut self, who: &Principal) -> Result<(), Refusal> {
        let most = self.own_streams_max(who);
        let own = self.sessions.open_streams(who).own;
        if own.saturating_add(self.streams_elsewhere(who)) < most {
            return Ok(());
        }
        let wait_ms = self.turn_away(who, Places::Own);
        let rejections = &mut self.bounds.rejections;
        match who.holder() {
            // [service:bound-user]
            Some(Account::User(_)) | None => {
                rejections.connections += 1;
                Err(Refusal::TooManyConnections { most, wait_ms })
            }
            // [service:bound-address]
            Some(Account::Nameless(_) | Account::Address(_)) => {
                rejections.address_streams += 1;
                Err(Refusal::TooManyFromAddress { most, wait_ms })
            }
        }
    }

    fn streams_max(&self) -> usize {
        self.limits.streams_max.min(self.hub.config().limits.subscribers_max)
    }

    /// The streams and waiting polls that the account of a principal may have.
    fn own_streams_max(&self, who: &Principal) -> usize {
        match who.holder() {
            Some(Account::User(_)) => self.limits.connections_per_user,
            Some(Account::Nameless(_) | Account::Address(_)) => self.limits.streams_per_address,
            None => usize::MAX,
        }
    }

    /// The holder whose quotas a principal's channels and patterns count against.
    pub(crate) fn holder(&self, who: &Principal) -> Holder {
        match who.holder() {
            None => Holder::UNCOUNTED,
            Some(account) => {
                let number = self.bounds.numbers.hash_one(&account);
                match account {
                    Account::User(_) | Account::Nameless(_) => Holder::known(number),
                    Account::Address(_) => Holder::stranger(number),
                }
            }
        }
    }

    /// How long a client that gets a refusing status is to wait. The times are spread, so that a
    /// crowd does not come back at once.
    pub(crate) fn spread_ms(&mut self) -> u64 {
        self.bounds.sent_away = self.bounds.sent_away.wrapping_add(1);
        scatter(self.limits.retry_ms, u128::from(self.bounds.sent_away))
    }

    /// How long a client is to wait before it comes back. The stream's name spreads the times.
    pub(crate) fn retry_ms(&self, stream: D::Stream) -> u64 {
        scatter(self.limits.retry_ms, stream.spread())
    }

    /// When a stream that begins now has lived long enough.
    pub(crate) fn lifetime_end(&self, stream: D::Stream, now: Time) -> Time {
        // [service:lifetime]
        match self.limits.lifetime_ms {
            0 => Time::NEVER,
            ms => now + (ms - (scatter(ms / 10, stream.spread()) - ms / 10)),
        }
    }

    /// The cursor for a client that is turned away before it received anything: the start that it
    /// asked for. With the head as its cursor it would miss the messages in between, without a gap.
    pub(crate) fn begin_again_at(&self, start: Start) -> Cursor {
        match start {
            Start::After(cursor) => cursor,
            Start::Now => self.hub.position(),
            Start::Earliest => self.hub.at(Seq::ZERO),
            Start::Unreadable => NOWHERE,
        }
    }
}

/// From `least_ms` up to twice as much.
fn scatter(least_ms: u64, key: u128) -> u64 {
    // The golden ratio's multiples scatter neighbouring keys evenly.
    let scattered = (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) & 0xFFFF_FFFF;
    let more_ms = (u128::from(least_ms) * scattered) >> 32;
    least_ms + u64::try_from(more_ms).expect("less than the least")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [service:lifetime]
    #[test]
    fn neighbours_are_scattered_within_the_bound() {
        for least_ms in [0, 1, 1_000, u64::MAX / 2] {
            let all: Vec<u64> = (0..100).map(|key| scatter(least_ms, key)).collect();
            assert!(all.iter().all(|ms| (least_ms..=least_ms * 2).contains(ms)));
            let early = all.iter().filter(|ms| **ms - least_ms < least_ms / 2).count();
            assert!(least_ms < 2 || (40..=60).contains(&early), "{early} of 100");
        }
    }
}
