//! The engines' part of the state that services share: users' streams, rate limits and presence.
//!
//! The public [`SharedState`](crate::SharedState) has it, and the dialect's part: the board of
//! figures.
//!
//! All services are loops of one process, so each kind is a structure behind a lock. Counts that
//! several machines share would take the place of these types here.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::engine::Limits;
use crate::engine::bounds::RateLimits;
use crate::engine::presence::{Census, Others};
use crate::engine::session::Users;

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
    pub(crate) users: Arc<Users>,
    pub(crate) rates: Arc<Mutex<RateLimits>>,
    pub(crate) presence: Arc<Mutex<Census>>,
}

impl SharedEngineState {
    /// The state of `engines` engines with these limits. `wake` wakes the loop of one of them.
    pub(crate) fn new(engines: usize, limits: &Limits, wake: WakeOne) -> Self {
        let mail = (0..engines).map(|_| AtomicBool::new(false)).collect();
        Self {
            others: Others { wake, mail },
            users: Arc::default(),
            rates: Arc::new(Mutex::new(RateLimits::new(limits))),
            presence: Arc::new(Mutex::new(Census::new(limits, engines))),
        }
    }
}
