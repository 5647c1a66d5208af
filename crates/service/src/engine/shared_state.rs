//! The engines' part of the state that services share: counts of streams, rate limits and presence.
//!
//! The public [`SharedState`](crate::SharedState) has it, and the dialect's part: the board of
//! figures.
//!
//! Each kind stands behind a trait. Today all services are loops of one process, and a structure
//! behind a lock implements each trait. An implementation for several machines takes its place
//! here.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::engine::access::Account;
use crate::engine::bounds::Lately;
use crate::engine::handshakes::{HandshakeRates, Opener, Places, TurnedAway};
use crate::engine::presence::{Census, Others, Registry};
use crate::engine::rates::Rate;
use crate::engine::session::{Accounts, Counts, OpenStreams};
use crate::engine::{Before, Limits};

/// Counts the streams of all clients and of each account. It is called when a stream opens or closes.
pub(crate) trait StreamCounts: core::fmt::Debug + Send + Sync {
    /// Counts one more stream, which may be one of an account.
    fn open(&self, account: Option<Account>);

    /// Counts one stream less.
    fn close(&self, account: Option<&Account>);

    /// The streams of all clients, and those of an account.
    fn count(&self, account: Option<&Account>) -> OpenStreams;

    /// The number of accounts with a stream.
    fn accounts(&self) -> Accounts;
}

/// Limits how much is done in a time. It is never called for a delivery.
pub(crate) trait RateLimits: core::fmt::Debug + Send + Sync {
    /// Counts a message of an account, of which at most `rated_max` are remembered.
    ///
    /// # Errors
    /// The account is above `rate`: how long the client is to wait, in milliseconds. Those that were refused
    /// lately come before it.
    fn take_message(
        &self,
        account: &Account,
        rate: Rate,
        rated_max: usize,
        now_ms: u64,
    ) -> Result<Before, u64>;

    /// Counts a request of an account that reads, or one for a ticket; otherwise as
    /// [`take_message`](Self::take_message).
    ///
    /// # Errors
    /// As [`take_message`](Self::take_message).
    fn take_request(
        &self,
        account: &Account,
        rate: Rate,
        rated_max: usize,
        now_ms: u64,
    ) -> Result<(), u64>;

    /// Counts a stream that opens.
    ///
    /// # Errors
    /// The client's account or all clients together are above their rate: how long the client is to
    /// wait.
    fn take_handshake(
        &self,
        opener: Opener<'_>,
        rates: &HandshakeRates,
        now_ms: u64,
    ) -> Result<(), TurnedAway>;

    /// Returns how long a client without a place is to wait, in milliseconds. Its turn is behind those of the clients
    /// that found none lately.
    fn turn_away(
        &self,
        opener: Opener<'_>,
        whose: Places,
        rates: &HandshakeRates,
        now_ms: u64,
    ) -> u64;
}

/// Locks a structure that services share.
pub(crate) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().expect("nobody panics while holding it")
}

/// Wakes the service with this number.
pub(crate) type WakeOne = Arc<dyn Fn(usize) + Send + Sync>;

/// The state that the engines of one process share: made once, and given to each.
#[derive(Clone)]
pub(crate) struct SharedEngineState {
    pub(crate) others: Others,
    pub(crate) counts: Arc<dyn StreamCounts>,
    pub(crate) rates: Arc<dyn RateLimits>,
    pub(crate) presence: Arc<dyn Registry>,
}

impl SharedEngineState {
    /// The state of `engines` engines with these limits. `wake` wakes the loop of one of them.
    pub(crate) fn new(engines: usize, limits: &Limits, wake: WakeOne) -> Self {
        let mail = (0..engines).map(|_| AtomicBool::new(false)).collect();
        Self {
            others: Others { wake, mail },
            counts: Arc::new(Mutex::new(Counts::default())),
            rates: Arc::new(Mutex::new(Lately::new(limits))),
            presence: Arc::new(Mutex::new(Census::new(limits, engines))),
        }
    }
}
