//! Bounds of the service that are not the hub's and not the server's.

use crate::wire;

/// Bounds of the service. The hub's are in [`sockeye_hub::Config`], the connections' in
/// [`sockeye_server::Limits`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// What requests and commands may hold.
    pub wire: wire::Limits,
    /// Unsent bytes above which a stream gets nothing more until its peer has read; then it is
    /// given what it missed from history. Keep it below the server's own marks.
    pub queue_bytes_max: usize,
    /// How long a client that is sent away is told to wait, at least, in milliseconds; up to as
    /// much again is added to spread a crowd.
    pub retry_ms: u64,
    /// Longest time for which a poll is held, in milliseconds.
    pub wait_ms_max: u64,
    /// Messages in one answer to a poll.
    pub poll_messages_max: usize,
    /// Bytes of messages in one answer to a poll; the first message may exceed it.
    pub poll_bytes_max: usize,
    /// Messages in one page of history.
    pub history_messages_max: usize,
    /// Members of channels whose namespace keeps who is there. Whoever is above it is counted as a
    /// stream without a user.
    pub presence: sockeye_hub::presence::Limits,
    /// Users named in one presence event.
    pub presence_names_max: usize,
    /// Users in one page of the list.
    pub presence_page_max: usize,
    /// Changes of one channel within so many milliseconds are one event.
    pub presence_interval_ms: u64,
    /// Presence events a second, of all streams together; where more are watched, the interval
    /// grows.
    pub presence_events_per_second: u64,
    /// How often a WebSocket is pinged, as clients are told; the server's limits decide.
    pub ping_ms: u64,
    /// From opening a WebSocket to the first message, where that has to say who it is, in
    /// milliseconds.
    pub greeting_ms: u64,
    /// Longest message that a WebSocket's client may send, in bytes.
    pub message_bytes_max: u64,
    /// Publications that wait for the log: the requests that made them are held.
    pub publishing_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wire: wire::Limits::DEFAULT,
            queue_bytes_max: 64 * 1024,
            retry_ms: 1_000,
            wait_ms_max: 60_000,
            poll_messages_max: 256,
            poll_bytes_max: 1024 * 1024,
            history_messages_max: 1_000,
            presence: presence_limits(),
            presence_names_max: 64,
            presence_page_max: 1_000,
            presence_interval_ms: 1_000,
            presence_events_per_second: 10_000,
            ping_ms: 25_000,
            greeting_ms: 5_000,
            message_bytes_max: 16 * 1024,
            publishing_max: 4_096,
        }
    }
}

/// A user's name is as long as credentials let it be.
fn presence_limits() -> sockeye_hub::presence::Limits {
    let mut limits = sockeye_hub::presence::Limits::default();
    limits.member_bytes_max = sockeye_auth::Limits::default().user_bytes_max;
    limits
}
