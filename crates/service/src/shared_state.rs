//! The state that services share besides their log.
//!
//! It has the engines' part, [`SharedEngineState`], and the dialect's: the board of figures.

use std::sync::Arc;

use crate::dialect::surveys::Board;
use crate::engine::Limits;
use crate::engine::shared_state::SharedEngineState;

/// The state that the services of one process share: made once, and given to each.
#[derive(Clone)]
pub struct SharedState {
    pub(crate) services: usize,
    pub(crate) engine: SharedEngineState,
    pub(crate) board: Arc<Board>,
}

impl SharedState {
    /// The state of `services` services with these limits. `wake` wakes the loop of one of them.
    pub fn new(
        services: usize,
        limits: &Limits,
        wake: impl Fn(usize) + Send + Sync + 'static,
    ) -> Self {
        let engine = SharedEngineState::new(services, limits, Arc::new(wake));
        Self { services, engine, board: Arc::new(Board::new(services)) }
    }
}

impl core::fmt::Debug for SharedState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SharedState").field("services", &self.services).finish_non_exhaustive()
    }
}
