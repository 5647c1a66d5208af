//! Input that waits for another visit.

/// Bytes that were read and not used yet.
pub(crate) struct Leftover {
    pub(crate) bytes: Vec<u8>,
    /// How many of them are used.
    pub(crate) used: usize,
}
