//! The seam behind which a disk may stand.

use sockeye_hub::{ChannelName, Cursor, Kind, Seq};

use crate::wire::Payload;

/// What keeps publications beyond this process's memory.
///
/// The service hands over each publication once it has its place, in order and without holes, and
/// answers its publisher when the log says that it is safe. No call may block; whoever writes on a
/// thread of its own wakes the loop when [`settled`](Self::settled) has changed.
pub trait Log {
    /// Whether one more record may be appended now.
    fn has_room(&self) -> bool;

    /// Takes a record over.
    fn append(&mut self, record: &Record<'_>);

    /// The time, in milliseconds since 1970, as of this turn: what has grown old may go.
    fn advance(&mut self, now_ms: u64) {
        let _ = now_ms;
    }

    /// How far the log is. It is asked until it says the same twice.
    fn settled(&mut self) -> LogState;
}

/// One publication with its place.
#[derive(Clone, Copy, Debug)]
pub struct Record<'r> {
    /// Its place.
    pub position: Cursor,
    /// Its channel.
    pub channel: ChannelName<'r>,
    /// When it was admitted, in milliseconds since 1970.
    pub time_ms: u64,
    /// Whether it is the channel's last.
    pub kind: Kind,
    /// What it says.
    pub payload: &'r Payload,
    /// Its idempotency key.
    pub key: Option<&'r str>,
}

/// How far a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogState {
    /// Everything up to this place is safe, but for what was refused.
    Through(Seq),
    /// What was appended and is not settled yet, up to this place, is not in the log and never will
    /// be; said once. Later records may have luck.
    Refused(Seq),
    /// It has failed, and will not recover by itself: what was not safe may or may not be there.
    Failed,
}

/// What `log` says next: nothing once there is no log, or it says the same twice.
pub(crate) fn next_state(
    log: Option<&mut (dyn Log + 'static)>,
    before: &mut Option<LogState>,
) -> Option<LogState> {
    let state = log?.settled();
    (before.replace(state) != Some(state)).then_some(state)
}
