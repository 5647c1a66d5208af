//! Bounds on what clients send.

/// Bounds on what is read from clients. The server bounds bodies and messages as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Channels that one command or request names. The hub bounds the subscriptions of a stream.
    pub channels_max: usize,
    /// Arrays and objects inside each other in a publication's JSON. Subscribers parse it inside
    /// three levels of the protocol's, with parsers whose own bounds begin at about 100.
    pub json_depth_max: usize,
    /// Lines of a batch. Each one that is not blank has a result, which is held until all are there.
    pub batch_items_max: usize,
    /// Pairs of a query string.
    pub query_pairs_max: usize,
    /// Bytes of the first message of a connection that has not shown who it is.
    pub auth_bytes_max: usize,
    /// Longest time that a publication may be given to live, in milliseconds.
    pub ttl_ms_max: u64,
}

impl Limits {
    /// The bounds that the documentation names.
    pub const DEFAULT: Self = Self {
        channels_max: 128,
        json_depth_max: 64,
        batch_items_max: 1000,
        query_pairs_max: 160,
        auth_bytes_max: 4096,
        ttl_ms_max: 30 * 24 * 3600 * 1000,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
