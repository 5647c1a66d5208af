//! One header field, as a block has it.

use core::fmt;

/// The bytes that a field counts beside its name and value: 32 (§4.1).
pub const FIELD_OVERHEAD: usize = 32;

/// A decoded field. Name and value are any bytes: the rules of HTTP/2 for them are the caller's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as it was sent. HTTP/2 refuses upper case.
    pub name: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// The sender asks never to index the field: an intermediary has to forward it so (§6.2.3).
    pub never_indexed: bool,
}

/// Shows the name, and of the value its length only.
impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field")
            .field("name", &format_args!("\"{}\"", self.name.escape_ascii()))
            .field("value_len", &self.value.len())
            .field("never_indexed", &self.never_indexed)
            .finish()
    }
}
