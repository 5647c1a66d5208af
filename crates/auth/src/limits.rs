//! The bounds that a user may set. Fixed ones are constants at the top of their files.

/// The bounds that a user may set. Bytes are bytes of text as it came, times are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Longest JSON Web Token that is looked at. The HTTP head has its own bound.
    pub token_bytes_max: usize,
    /// How deep objects and lists may nest in a token's header and claims, the outermost counted.
    /// The claims that this crate reads need two levels.
    pub token_depth_max: usize,
    /// Longest ticket. It is in a URL, so it has to stay far below what proxies take.
    pub ticket_bytes_max: usize,
    /// Longest API key that is looked at.
    pub key_bytes_max: usize,
    /// Longest name of a user.
    pub user_bytes_max: usize,
    /// Most channels and patterns in one list of grants. Each check compares all of them.
    pub grants_max: usize,
    /// Most API keys, most keys of tokens, and most secrets of tickets. Each API key is compared at
    /// each login, each token key may be tried for a token without `kid`, and each secret for a
    /// ticket.
    pub keys_max: usize,
    /// Largest leeway that a configuration may set.
    pub leeway_ms_max: u64,
    /// Most tickets that were issued and are neither redeemed nor expired.
    pub tickets_max: usize,
    /// Most of those that count against one user, so that no user takes the room of all.
    /// [`Tickets::issue`](crate::Tickets::issue) says which user a ticket counts against.
    pub tickets_per_user_max: usize,
    /// Longest life of a ticket before it is redeemed.
    pub ticket_ms_max: u64,
    /// Longest life of a session that a ticket begins, whatever is asked for.
    pub session_ms_max: u64,
    /// How long a proof of a session is valid.
    pub resume_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            token_bytes_max: 4096,
            token_depth_max: 16,
            ticket_bytes_max: 2048,
            key_bytes_max: 256,
            user_bytes_max: 200,
            grants_max: 128,
            keys_max: 64,
            leeway_ms_max: 60_000,
            tickets_max: 100_000,
            tickets_per_user_max: 100,
            ticket_ms_max: 60_000,
            session_ms_max: 24 * 60 * 60 * 1000,
            resume_ms: 10 * 60 * 1000,
        }
    }
}
