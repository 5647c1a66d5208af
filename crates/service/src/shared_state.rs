//! What the services of one process have in common besides their log: who is there, bounds on what
//! users do, figures.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::Limits;
use crate::bounds::Lately;
use crate::presence::{Census, Others};
use crate::session::Users;
use crate::surveys::Board;

/// Something that is a service's own, or that it has in common with others.
///
/// What is common is behind a lock. It is touched when a stream comes or goes and when somebody
/// publishes whose rate is bounded, and never for a delivery.
#[derive(Debug)]
pub(crate) enum Common<T> {
    Own(T),
    Shared(Arc<Mutex<T>>),
}

impl<T> Common<T> {
    pub(crate) fn with<R>(&mut self, visit: impl FnOnce(&mut T) -> R) -> R {
        match self {
            Self::Own(own) => visit(own),
            Self::Shared(shared) => visit(&mut lock(shared)),
        }
    }

    pub(crate) fn see<R>(&self, visit: impl FnOnce(&T) -> R) -> R {
        match self {
            Self::Own(own) => visit(own),
            Self::Shared(shared) => visit(&lock(shared)),
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().expect("nobody panics while holding it")
}

/// Wakes one of the services.
pub(crate) type WakeOne = Arc<dyn Fn(usize) + Send + Sync>;

/// What several services of one process have in common: made once, and given to each.
#[derive(Clone)]
pub struct SharedState {
    pub(crate) services: usize,
    pub(crate) others: Others,
    pub(crate) users: Arc<Mutex<Users>>,
    pub(crate) lately: Arc<Mutex<Lately>>,
    pub(crate) census: Arc<Mutex<Census>>,
    pub(crate) board: Arc<Board>,
}

impl SharedState {
    /// For so many services with these limits. `wake` wakes the loop of one of them.
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
            users: Arc::default(),
            lately: Arc::new(Mutex::new(Lately::new(limits))),
            census: Arc::new(Mutex::new(Census::new(limits, services))),
            board: Arc::new(Board::new(services)),
        }
    }
}

impl core::fmt::Debug for SharedState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SharedState").field("services", &self.services).finish_non_exhaustive()
    }
}
