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
    /// Bytes of what is listed in one answer: messages, gaps and ends of a poll, a page of history
    /// or of who is there. Its first item may exceed it. An answer that nobody reads is held as what
    /// waits for a stream is, so it is never more than `queue_bytes_max`. The answer to a batch
    /// cannot come in parts: some 300 bytes for each of its lines, and so bounded by these.
    pub answer_bytes_max: usize,
    /// Messages in one page of history.
    pub history_messages_max: usize,
    /// Members of channels whose namespace keeps who is there. Whoever is above it is counted as a
    /// stream without a user.
    pub presence: sockeye_hub::presence::Limits,
    /// Channels in which one user is a member at a time, so that nobody takes the places of all.
    pub presence_channels_per_user: usize,
    /// Users named in one presence event.
    pub presence_names_max: usize,
    /// Users in one page of the list.
    pub presence_page_max: usize,
    /// Changes of one channel within so many milliseconds are one event.
    pub presence_interval_ms: u64,
    /// Presence events a second: of the watchers of one channel, whose interval grows where there
    /// are more, and of all together. Where all want more, half of it goes to the channels that
    /// have waited longest, and half to those with the fewest watchers.
    pub presence_events_per_second: u64,
    /// How often a WebSocket is pinged, as clients are told; the server's limits decide.
    pub ping_ms: u64,
    /// From opening a WebSocket to the first message, where that has to say who it is, in
    /// milliseconds.
    pub greeting_ms: u64,
    /// How old a stream may become, in milliseconds; 0 for no bound. Each ends up to a tenth earlier,
    /// so that those that came as a crowd do not come back as one. Polls have their own bound.
    pub lifetime_ms: u64,
    /// Longest message that a WebSocket's client may send, in bytes.
    pub message_bytes_max: u64,
    /// Publications that wait for the log: the requests that made them are held.
    pub publishing_max: usize,
    /// Streams and waiting polls of one known user. A person has a few tabs on a few devices; a
    /// program that opens one after the other and forgets them would take the places of others.
    /// Back ends with an API key are not counted.
    pub connections_per_user: usize,
    /// Commands and publications of one user in a second, in the long run, or of one address for
    /// all from there who are nobody's. Each goes to all subscribers, so its sender's share of the
    /// server is many times its own traffic. Not for API keys, nor where access is open.
    pub messages_per_second: u32,
    /// So many of these at once, after a rest. A WebSocket that has been refused so many without
    /// a rest is closed.
    pub messages_burst: u32,
    /// Users and addresses whose rate is remembered.
    pub rated_max: usize,
    /// Streams opened in a second, in the long run, by all clients together: each costs signatures,
    /// a place and a replay. When a server comes back, all of its clients do.
    pub handshakes_per_second: u32,
    /// So many of these at once, after a rest.
    pub handshakes_burst: u32,
    /// Longest time over which clients are spread that could not be let in, in milliseconds.
    pub handshake_wait_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wire: wire::Limits::DEFAULT,
            queue_bytes_max: 64 * 1024,
            retry_ms: 1_000,
            wait_ms_max: 60_000,
            poll_messages_max: 256,
            answer_bytes_max: 64 * 1024,
            history_messages_max: 1_000,
            presence: presence_limits(),
            presence_channels_per_user: 1_000,
            presence_names_max: 64,
            presence_page_max: 1_000,
            presence_interval_ms: 1_000,
            presence_events_per_second: 10_000,
            ping_ms: 25_000,
            greeting_ms: 5_000,
            lifetime_ms: 0,
            message_bytes_max: 16 * 1024,
            publishing_max: 4_096,
            connections_per_user: 100,
            messages_per_second: 100,
            messages_burst: 500,
            rated_max: 65_536,
            handshakes_per_second: 2_000,
            handshakes_burst: 10_000,
            handshake_wait_ms_max: 60_000,
        }
    }
}

impl Limits {
    /// Bytes of what one answer lists.
    pub(crate) fn answer_bytes(&self) -> usize {
        self.answer_bytes_max.min(self.queue_bytes_max)
    }
}

/// A user's name is as long as credentials let it be.
fn presence_limits() -> sockeye_hub::presence::Limits {
    let mut limits = sockeye_hub::presence::Limits::default();
    limits.member_bytes_max = sockeye_auth::Limits::default().user_bytes_max;
    limits
}
