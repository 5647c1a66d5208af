//! Fields that are encoded when the program is compiled.

use core::fmt;

use crate::write::{Form, put_field};

/// Encoded fields, of at most `N` bytes. In a constant it costs nothing to make.
///
/// ```
/// use sockeye_hpack::Prebuilt;
///
/// const EVENT_STREAM: Prebuilt<32> =
///     Prebuilt::new().field(":status", "200").field("content-type", "text/event-stream");
/// assert_eq!(EVENT_STREAM.as_bytes().len(), 16);
/// ```
#[derive(Clone, Copy)]
pub struct Prebuilt<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Prebuilt<N> {
    /// Makes an empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    /// Appends a field by the rules of [`write_field`](crate::write_field).
    ///
    /// # Panics
    /// It does not fit in `N` bytes. In a constant that is an error of the compiler.
    #[must_use]
    pub const fn field(mut self, name: &str, value: &str) -> Self {
        let (name, value) = (name.as_bytes(), value.as_bytes());
        self.len = put_field(&mut self.bytes, self.len, name, value, Form::Usual);
        self
    }

    /// Returns the encoded fields: a part of a block.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        self.bytes.split_at(self.len).0
    }
}

impl<const N: usize> Default for Prebuilt<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows the length only.
impl<const N: usize> fmt::Debug for Prebuilt<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prebuilt").field("len", &self.len).finish_non_exhaustive()
    }
}
