//! The engines' part of the state that services share: users' streams, rate limits and presence.
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
use crate::engine::presence::{Census, Others, Registry};
use crate::engine::rates::Rate;
use crate::engine::session::Users;
use crate::engine::{Before, Limits};

/// Counts the streams of each user. It is called when a stream opens or closes.
pub(crate) trait UserStreams: core::fmt::Debug + Send + Sync {
    /// Counts one more stream of a user.
    fn open(&self, user: &Arc<str>);

    /// Counts one stream less.
    fn close(&self, user: &str);

    /// The streams of a user.
    fn count(&self, user: &str) -> usize;

    /// The number of users with a stream.
    fn users(&self) -> usize;
}

/// Limits how much is done in a time. It is never called for a delivery.
pub(crate) trait RateLimits: core::fmt::Debug + Send + Sync {
    /// Counts a message of an account, of which at most `rated_max` are remembered.
    ///
    /// # Errors
    /// The account is above `rate`: milliseconds until its next message is taken.
    fn take_message(
        &self,
        account: &Account,
        rate: Rate,
        rated_max: usize,
        now_ms: u64,
    ) -> Result<Before, u64>;

    /// Counts a stream that opens.
    ///
    /// # Errors
    /// All streams together are above `rate`: milliseconds until this client is to come back.
    fn take_handshake(&self, rate: Rate, wait_ms_max: u64, now_ms: u64) -> Result<(), u64>;
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
    pub(crate) users: Arc<dyn UserStreams>,
    pub(crate) rates: Arc<dyn RateLimits>,
    pub(crate) presence: Arc<dyn Registry>,
}

impl SharedEngineState {
    /// The state of `engines` engines with these limits. `wake` wakes the loop of one of them.
    pub(crate) fn new(engines: usize, limits: &Limits, wake: WakeOne) -> Self {
        let mail = (0..engines).map(|_| AtomicBool::new(false)).collect();
        Self {
            others: Others { wake, mail },
            users: Arc::new(Mutex::new(Users::default())),
            rates: Arc::new(Mutex::new(Lately::new(limits))),
            presence: Arc::new(Mutex::new(Census::new(limits, engines))),
        }
    }
}
