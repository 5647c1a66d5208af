//! State that several services share besides the log: users' streams, rates, presence, figures.
//!
//! Each kind stands behind a trait. Today all services are loops of one process, and a structure
//! behind a lock implements each trait. An implementation for several machines takes its place
//! here.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::dialect::surveys::Board;
use crate::engine::access::Account;
use crate::engine::bounds::Lately;
use crate::engine::limits::Limits;
use crate::engine::presence::{Census, Others, Registry};
use crate::engine::rates::{Before, Rate};
use crate::engine::session::Users;

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

/// The state that the services of one process share: made once, and given to each.
#[derive(Clone)]
pub struct SharedState {
    pub(crate) services: usize,
    pub(crate) others: Others,
    pub(crate) users: Arc<dyn UserStreams>,
    pub(crate) rates: Arc<dyn RateLimits>,
    pub(crate) presence: Arc<dyn Registry>,
    pub(crate) board: Arc<Board>,
}

impl SharedState {
    /// The state of `services` services with these limits. `wake` wakes the loop of one of them.
    pub fn new(
        services: usize,
        limits: &Limits,
        wake: impl Fn(usize) + Send + Sync + 'static,
    ) -> Self {
        Self {
            services,
            others: Others {
                wake: Arc::new(wake),
                mail: (0..services).map(|_| AtomicBool::new(false)).collect(),
            },
            users: Arc::new(Mutex::new(Users::default())),
            rates: Arc::new(Mutex::new(Lately::new(limits))),
            presence: Arc::new(Mutex::new(Census::new(limits, services))),
            board: Arc::new(Board::new(services)),
        }
    }
}

impl core::fmt::Debug for SharedState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SharedState").field("services", &self.services).finish_non_exhaustive()
    }
}
