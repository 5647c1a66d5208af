//! The bounds of an engine.

use core::time::Duration;

use super::queues::QueueLimits;

/// Bounds of an engine behind a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DriverLimits {
    /// How long a connection with its login, or an answer, may take before the server counts as away.
    pub patience_ms: u64,
    /// Appends that wait.
    pub append_entries_max: usize,
    /// Their bytes.
    pub append_bytes_max: usize,
    /// Events that the owner has not taken. The reader stops at the bound; what is on its way may exceed it.
    pub event_entries_max: usize,
    /// Their bytes.
    pub event_bytes_max: usize,
    /// The bytes of one entry.
    pub entry_bytes_max: usize,
}

impl Default for DriverLimits {
    fn default() -> Self {
        Self {
            patience_ms: 5_000,
            append_entries_max: 16_384,
            append_bytes_max: 64 * 1024 * 1024,
            event_entries_max: 16_384,
            event_bytes_max: 32 * 1024 * 1024,
            entry_bytes_max: 16 * 1024 * 1024,
        }
    }
}

impl DriverLimits {
    /// The same with another patience.
    #[must_use]
    pub const fn with_patience_ms(mut self, patience_ms: u64) -> Self {
        self.patience_ms = patience_ms;
        self
    }

    /// The patience as a duration.
    pub const fn patience(&self) -> Duration {
        Duration::from_millis(self.patience_ms)
    }
}

impl From<DriverLimits> for QueueLimits {
    fn from(limits: DriverLimits) -> Self {
        Self {
            append_entries_max: limits.append_entries_max,
            append_bytes_max: limits.append_bytes_max,
            event_entries_max: limits.event_entries_max,
            event_bytes_max: limits.event_bytes_max,
        }
    }
}
