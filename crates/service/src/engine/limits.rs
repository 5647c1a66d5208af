//! The limits of the service: of requests, streams, presence and rates.

use crate::wire;

/// Limits of the service, with those of requests and presence in them. [`sockeye_hub::Config`] has
/// the limits of channels and history, [`sockeye_server::Limits`] those of connections.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bounds on requests and commands.
    pub wire: wire::Limits,
    /// Unsent bytes above which a stream gets nothing more until its peer has read. It then gets
    /// what it missed from history. Keep it below the server's own marks.
    pub queue_bytes_max: usize,
    /// Shortest time that a client that is sent away is told to wait, in milliseconds. Up to as
    /// much again is added, to spread a crowd.
    pub retry_ms: u64,
    /// Longest time for which a poll is held, in milliseconds.
    pub wait_ms_max: u64,
    /// Messages in one answer to a poll.
    pub poll_messages_max: usize,
    /// Bytes of the items in one answer: messages, gaps and ends of a poll, a page of history or of
    /// members. The first item may exceed it. An unread answer is held like what waits for a
    /// stream, so the bound is never above `queue_bytes_max`. The answer to a batch cannot come in
    /// parts: it has some 300 bytes for each line, and [`wire::Limits::batch_items_max`] bounds it.
    pub answer_bytes_max: usize,
    /// Messages in one page of history.
    pub history_messages_max: usize,
    /// Questions to the archive under way, and pages that wait to be handed in. One account has a quarter
    /// of them at the most. Further streams and requests wait in a queue that is fair by account.
    pub archive_questions_max: usize,
    /// Polls and pages of history that wait for the archive, and requests that read and wait for their
    /// turn, because they may cost much. Each client gets the part that it has a
    /// [`sockeye_hub::Claim`] on.
    pub archive_requests_max: usize,
    /// Of these, the ones of one user, or of all clients without a name at one address.
    pub archive_requests_per_holder_max: usize,
    /// Messages in one page of the archive.
    pub archive_messages_max: usize,
    /// Longest time for which a request waits for its turn and for the archive, in milliseconds; a poll
    /// waits as long as its client wants, if that is longer.
    pub archive_ms_max: u64,
    /// Bounds on the members of channels. A user above them is counted as a stream without a user.
    pub presence: sockeye_hub::presence::Limits,
    /// Channels in which one user may be a member at a time, so that no user takes the room of all.
    pub presence_channels_per_user: usize,
    /// Users named in one presence event.
    pub presence_names_max: usize,
    /// Users in one page of members.
    pub presence_page_max: usize,
    /// Shortest time between two presence events of a channel, in milliseconds. All changes within
    /// it are one event.
    pub presence_interval_ms: u64,
    /// Presence events sent in a second; an event to many watchers counts once for each. It bounds
    /// each channel alone, so the interval of a channel grows with its watchers, and all channels
    /// together. When that is not enough, channels send alternately: the one that has waited
    /// longest, then the one with the fewest watchers.
    pub presence_events_per_second: u64,
    /// The bytes of a batch in which a node of a shared log tells the others of its members. It tells one after the other,
    /// and at most one in `presence_interval_ms` that has not so many.
    pub presence_batch_bytes: usize,
    /// How often a WebSocket is pinged, as clients are told, in milliseconds. The server's limits
    /// decide.
    pub ping_ms: u64,
    /// Silence on an event stream until its heartbeat, as streams are told it: that of the server's limits.
    pub heartbeat_ms: u64,
    /// Longest time from opening a WebSocket to its first message, in milliseconds, if that message
    /// has to identify the client.
    pub greeting_ms: u64,
    /// How long an opening waits for a cursor that is ahead of this service, in milliseconds, before the cursor
    /// is judged; 0: not at all. Only services behind a [`Backbone`](crate::sequencing::Backbone) wait, and only
    /// where it joins several machines is there something to wait for.
    pub opening_wait_ms: u64,
    /// Bytes of the openings that wait. A user or an address may have an eighth of them.
    pub openings_bytes_max: usize,
    /// Longest life of a stream, in milliseconds; 0 for no bound. Each stream ends up to a tenth
    /// earlier, so that streams of a crowd do not come back at once. Polls have their own bound.
    pub lifetime_ms: u64,
    /// Longest message that a WebSocket's client may send, in bytes.
    pub message_bytes_max: u64,
    /// Publications that wait for the log: the requests that made them are held.
    pub publishing_max: usize,
    /// Units of work of the publications that wait for the log: each counts ten, and one for each of its
    /// subscribers. Others wait before the log, where accounts have their turns by what they cause. A
    /// unit takes about a tenth of a microsecond; a publication may wait for as many units as this. While turns are
    /// short, the bound is a quarter of it.
    pub publishing_units_max: u64,
    /// Bytes of publications that wait for their turn: batches, publications to several channels, and
    /// single ones that wait before the log. An account may have as many as are free; above that, its
    /// publications are refused.
    pub batches_bytes_max: usize,
    /// Streams and waiting polls of one known user. A person has a few tabs on a few devices; a
    /// program that opens one after the other and forgets them would take the places of others.
    /// Back ends with an API key are not counted.
    pub connections_per_user: usize,
    /// Streams and waiting polls of all clients, in all services that share their state. Each client
    /// gets the part that it has a [`sockeye_hub::Claim`] on. If
    /// [`sockeye_hub::Limits::subscribers_max`] is lower, that is the bound.
    pub streams_max: usize,
    /// Streams and waiting polls of all clients at one address that have shown no credential; and of
    /// all there that have shown one without a name. Behind a proxy all clients have its address.
    pub streams_per_address: usize,
    /// Commands and publications in a second, in the long run: of one user, or of all clients
    /// without a name at one address. Each goes to all subscribers, so its sender's share of the
    /// server's work is many times its own traffic. API keys have no such limit, nor has an open
    /// server.
    pub messages_per_second: u32,
    /// The burst of these after a rest. A WebSocket is closed once as many of its messages were
    /// refused without a rest.
    pub messages_burst: u32,
    /// Requests that read in a second, in the long run, of one user, or of all clients without a name at
    /// one address: polls, pages of history and of members, positions; requests for tickets, too. Behind
    /// a proxy all clients have the address of the proxy. API keys have no such limit, nor has an open
    /// server.
    pub requests_per_second: u32,
    /// The burst of these after a rest.
    pub requests_burst: u32,
    /// Users and addresses whose rate limits are remembered.
    pub rated_max: usize,
    /// Streams opened in a second, in the long run, by all clients together: each costs signatures,
    /// a place and a replay. When a server comes back, all of its clients do. Each client gets the
    /// part that it has a [`sockeye_hub::Claim`] on.
    pub handshakes_per_second: u32,
    /// The burst of these after a rest.
    pub handshakes_burst: u32,
    /// Streams opened in a second, in the long run, by one user, by all clients at one address that
    /// have shown no credential, or by all there that have shown one without a name. API keys have no
    /// such limit, nor has an open server.
    pub address_handshakes_per_second: u32,
    /// The burst of these after a rest.
    pub address_handshakes_burst: u32,
    /// Longest time over which the return of refused clients is spread, in milliseconds.
    pub handshake_wait_ms_max: u64,
    /// What is compressed for clients that take gzip.
    pub compression: Compression,
}

/// What is compressed for clients that take gzip. [`sockeye_server::Limits::gzip`] says how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compression {
    /// Event streams are in gzip: an event is compressed once for all of them.
    pub events: bool,
    /// Answers that are compressed, each by itself: polls, history, positions, members, metrics.
    pub answers: CompressedAnswers,
    /// Shorter answers stay as they are, in bytes.
    pub answer_bytes_min: usize,
}

/// The answers that are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressedAnswers {
    /// None.
    None,
    /// Those to clients that have shown no credential: everybody gets the same.
    Public,
    /// Those to all clients but those with a ticket. An answer has texts of several publishers, so whoever can
    /// publish in a channel and sees the lengths of others' answers can find out texts in it.
    All,
}

impl Default for Compression {
    /// Event streams, and public answers from 1 KiB on: a shorter one is a packet in any case.
    fn default() -> Self {
        Self { events: true, answers: CompressedAnswers::Public, answer_bytes_min: 1_024 }
    }
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
            archive_questions_max: 64,
            archive_requests_max: 4_096,
            archive_requests_per_holder_max: 491,
            archive_messages_max: 256,
            archive_ms_max: 10_000,
            presence: presence_limits(),
            presence_channels_per_user: 1_000,
            presence_names_max: 64,
            presence_page_max: 1_000,
            presence_interval_ms: 1_000,
            presence_events_per_second: 10_000,
            presence_batch_bytes: 16 * 1024,
            ping_ms: 25_000,
            heartbeat_ms: 15_000,
            greeting_ms: 5_000,
            opening_wait_ms: 0,
            openings_bytes_max: 32 * 1024 * 1024,
            lifetime_ms: 0,
            message_bytes_max: 16 * 1024,
            publishing_max: 4_096,
            publishing_units_max: 8_192,
            batches_bytes_max: 16 * 1024 * 1024,
            connections_per_user: 100,
            streams_max: 100_000,
            streams_per_address: 12_000,
            messages_per_second: 100,
            messages_burst: 500,
            requests_per_second: 1_000,
            requests_burst: 5_000,
            rated_max: 65_536,
            handshakes_per_second: 2_000,
            handshakes_burst: 10_000,
            address_handshakes_per_second: 240,
            address_handshakes_burst: 1_200,
            handshake_wait_ms_max: 60_000,
            compression: Compression::default(),
        }
    }
}

impl Limits {
    /// The questions to the archive that one account may have under way: a quarter of all. The others are for
    /// those who come later. [service:fair-archive]
    pub(crate) fn archive_questions_per_payer(&self) -> usize {
        self.archive_questions_max.div_ceil(4).max(1)
    }

    /// Bytes of the items in one answer.
    pub(crate) fn answer_bytes(&self) -> usize {
        self.answer_bytes_max.min(self.queue_bytes_max)
    }
}

/// Limits of presence. A user's name may be as long as in a credential.
fn presence_limits() -> sockeye_hub::presence::Limits {
    let mut limits = sockeye_hub::presence::Limits::default();
    limits.member_bytes_max = sockeye_auth::Limits::default().user_bytes_max;
    limits
}
