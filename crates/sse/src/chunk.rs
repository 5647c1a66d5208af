//! What a parser reads: bytes, or text.

use crate::utf8;

/// Input of the parser. Text is known to be UTF-8, and its values are not checked again.
pub(crate) trait Chunk<'b>: Copy {
    fn bytes(self) -> &'b [u8];

    /// What lies behind the first `at` bytes; `None` if they end inside a character of a text.
    fn behind(self, at: usize) -> Option<Self>;

    /// Nothing, behind all of it.
    fn end(self) -> Self;

    /// The first `len` bytes as text, if they are valid.
    fn text(self, len: usize) -> Option<&'b str>;

    /// All of it, if it is known to be text.
    fn known_text(self) -> Option<&'b str>;
}

impl<'b> Chunk<'b> for &'b [u8] {
    #[inline(always)]
    fn bytes(self) -> &'b [u8] {
        self
    }

    #[inline(always)]
    fn behind(self, at: usize) -> Option<Self> {
        self.get(at..)
    }

    #[inline(always)]
    fn end(self) -> Self {
        &[]
    }

    #[inline(always)]
    fn text(self, len: usize) -> Option<&'b str> {
        utf8::text_before(self, len)
    }

    #[inline(always)]
    fn known_text(self) -> Option<&'b str> {
        None
    }
}

impl<'b> Chunk<'b> for &'b str {
    #[inline(always)]
    fn bytes(self) -> &'b [u8] {
        self.as_bytes()
    }

    #[inline(always)]
    fn behind(self, at: usize) -> Option<Self> {
        self.get(at..)
    }

    #[inline(always)]
    fn end(self) -> Self {
        ""
    }

    #[inline(always)]
    fn text(self, len: usize) -> Option<&'b str> {
        self.get(..len)
    }

    #[inline(always)]
    fn known_text(self) -> Option<&'b str> {
        Some(self)
    }
}
