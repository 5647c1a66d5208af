//! The contract of a log that makes messages durable.

use sockeye_hub::{ChannelName, Cursor, Kind, Seq};

use crate::payload::Payload;

/// A log that keeps messages beyond this process's memory.
///
/// It gets each message once the message has its position, in order and without holes. Publishers
/// are answered when the log says that their messages are safe. No call may block; a log that
/// writes on its own thread wakes the loop when [`settled`](Self::settled) has changed.
pub trait Log {
    /// Whether a record of this message may be appended now. It is asked before the message gets its
    /// position.
    ///
    /// # Errors
    /// [`NoRoom`] says of what there is too much.
    fn room(
        &self,
        channel: ChannelName<'_>,
        key: Option<&str>,
        payload: &Payload,
    ) -> Result<(), NoRoom>;

    /// Takes a record.
    fn append(&mut self, record: &Record<'_>);

    /// Tells the log the log time of this turn, so that it can drop old records. A log keeps the last
    /// one that it was told, and [goes on](super::LogClock::restore) from it after a restart.
    fn advance(&mut self, now_ms: u64) {
        let _ = now_ms;
    }

    /// The log's next answer. It is called until it returns the same state twice.
    fn settled(&mut self) -> LogState;
}

/// A message with its position, as a log keeps it.
#[derive(Clone, Copy, Debug)]
pub struct Record<'r> {
    /// Its position.
    pub position: Cursor,
    /// Its channel.
    pub channel: ChannelName<'r>,
    /// When it was admitted, in [log time](super::LogTime::ms).
    pub time_ms: u64,
    /// Whether it ends its channel.
    pub kind: Kind,
    /// The payload.
    pub payload: &'r Payload,
    /// Its idempotency key.
    pub key: Option<&'r str>,
}

impl Record<'_> {
    /// The kind as a number.
    pub const fn kind_number(&self) -> u8 {
        match self.kind {
            Kind::Message => 0,
            Kind::End => 1,
        }
    }

    /// The kind of that number.
    pub const fn kind_of(number: u8) -> Option<Kind> {
        match number {
            0 => Some(Kind::Message),
            1 => Some(Kind::End),
            _ => None,
        }
    }
}

/// Why a log takes no record now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// Too much waits for it. It takes more soon.
    Waiting,
    /// The channel's namespace has as many bytes on disk as it may.
    Bytes,
    /// The channel is new, and its namespace has as many channels on disk as it may.
    Channels,
    /// There are as many idempotency keys on disk as there may be.
    Keys,
}

/// A log's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogState {
    /// Every record up to this position is safe, except those that were refused.
    Through(Seq),
    /// The unsettled records up to this position are not in the log and never will be. Said once.
    /// Later records may succeed.
    Refused(Seq),
    /// The log has failed and will not recover. Unsettled records may or may not be in it.
    Failed,
}

/// The log's next answer; `None` if there is no log, or if it is the same as `before`.
pub(super) fn next_state(
    log: Option<&mut (dyn Log + 'static)>,
    before: &mut Option<LogState>,
) -> Option<LogState> {
    let state = log?.settled();
    (before.replace(state) != Some(state)).then_some(state)
}
