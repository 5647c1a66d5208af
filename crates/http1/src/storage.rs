//! Room for the header lines of one head, in place for the usual number of them.

use alloc::vec::Vec;
use core::fmt;

use sockeye_http::HeaderLine;

use crate::HEADERS_MAX;

/// Lines for which there is room without an allocation: browsers behind a proxy send about 20.
const INLINE_MAX: usize = 24;

/// Room for the header lines of one head, as pairs of references: for 24 lines in place (768 bytes
/// on 64-bit machines), and on the heap, up to [`HEADERS_MAX`], for a head that has more.
pub struct HeaderStorage<'b> {
    inline: [HeaderLine<'b>; INLINE_MAX],
    spilled: Vec<HeaderLine<'b>>,
}

impl<'b> HeaderStorage<'b> {
    /// Makes empty room.
    #[must_use]
    pub const fn new() -> Self {
        // A constant, so that making room is one copy and not a loop over the slots. It is the
        // dearest step of a small head, hence the few slots.
        Self { inline: const { [HeaderLine::EMPTY; INLINE_MAX] }, spilled: Vec::new() }
    }

    /// Returns room for `count` lines, but never for more than [`HEADERS_MAX`].
    pub(crate) fn slots(&mut self, count: usize) -> &mut [HeaderLine<'b>] {
        let count = count.min(HEADERS_MAX);
        if count > INLINE_MAX {
            self.spilled.resize(count, HeaderLine::EMPTY);
            return &mut self.spilled;
        }
        self.inline.get_mut(..count).unwrap_or_default()
    }
}

impl Default for HeaderStorage<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for HeaderStorage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeaderStorage")
    }
}
