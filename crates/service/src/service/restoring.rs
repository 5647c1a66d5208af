//! Restoring a log's state before the service runs.

use sockeye_hub::{ChannelName, Misuse, Run, Seq};

use crate::Service;
use crate::engine::{Body, Engine};
use crate::sequencing::{Record, restore};

impl Service {
    /// Begins in the middle of a log: its entries up to `floor` have been dropped.
    ///
    /// # Errors
    /// If something has been restored or published already.
    pub fn restore_floor(&mut self, floor: Seq) -> Result<(), Misuse> {
        restore::floor(&mut self.engine.hub, floor)
    }

    /// Restores the log's table of runs, in the order of their first positions. The last one is the
    /// run that begins now: it has a random check, and the position after the log's head. Cursors
    /// carry the check of their position from then on, and a cursor that another run gave out has a
    /// gap `forked`. Call it before the entries are restored.
    pub fn restore_runs(&mut self, runs: &[Run]) {
        restore::runs(&mut self.engine.hub, runs);
    }

    /// Restores an entry of the log. Call it in the log's order, before the server runs. Positions
    /// between two records are void.
    ///
    /// # Errors
    /// If its position is not above that of the last record.
    pub fn restore(&mut self, record: &Record<'_>) -> Result<(), Misuse> {
        let Engine { hub, log_time, .. } = &mut self.engine;
        log_time.ms = record.time_ms.max(log_time.ms);
        restore::message(hub, record, Body::new(record.payload.clone()), log_time.ms)?;
        let date_ms = record.payload.date_ms.unwrap_or(record.time_ms);
        self.restore_clock(record.time_ms, date_ms);
        Ok(())
    }

    /// Has log time go on from `log_ms`, the last one that the log has. `date_ms` is the date of its
    /// newest message, in milliseconds since 1970, or zero. Call it before the server runs.
    pub fn restore_clock(&mut self, log_ms: u64, date_ms: u64) {
        self.engine.sequencing.clock().restore(log_ms, date_ms);
    }

    /// Restores a channel whose messages stay on disk: its newest message, and whether that ended
    /// it. The messages count as dropped from memory.
    pub fn restore_channel(&mut self, channel: ChannelName<'_>, last: Seq, ended: bool) {
        self.engine.hub.restore_channel(channel, last, ended);
    }

    /// Restores an idempotency key of the message at `seq`. It is remembered until `until_ms`, in
    /// [log time](crate::sequencing::LogTime::ms).
    pub fn restore_key(&mut self, channel: ChannelName<'_>, key: &str, seq: Seq, until_ms: u64) {
        self.engine.hub.restore_key(channel, key, seq, until_ms);
    }

    /// Moves the head to `head`: new messages get positions above it. Positions up to it that had
    /// no record are void.
    ///
    /// # Errors
    /// None before the server runs: a lower `head` changes nothing.
    pub fn restore_head(&mut self, head: Seq) -> Result<(), Misuse> {
        restore::head(&mut self.engine.hub, head)
    }
}
