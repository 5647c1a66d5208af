//! Room for the header lines of one head, in place for the usual number of them.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use sockeye_http::{HeaderLine, Headers};

use crate::{Error, HEADERS_MAX};

/// Lines for which there is room without an allocation: browsers behind a proxy send about 20.
const INLINE_MAX: usize = 24;
/// Lines of a small head: a WebSocket client that is no browser sends about six.
const FEW: usize = 8;

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

    /// Has `parse` fill slots of httparse for `count` lines, at most [`HEADERS_MAX`], and keeps as
    /// many lines as it says that it filled.
    pub(crate) fn fill<'h, T>(
        &'h mut self,
        count: usize,
        parse: impl FnOnce(&mut [httparse::Header<'b>]) -> Result<(usize, T), Error>,
    ) -> Result<(Headers<'h, 'b>, T), Error> {
        // The vocabulary cannot name httparse's type, hence the copy: two references a line. Small
        // heads get few slots, because each is written before it is used.
        let (mut few, mut some, mut many);
        let slots: &mut [httparse::Header<'b>] = if count <= FEW {
            few = [httparse::EMPTY_HEADER; FEW];
            &mut few
        } else if count <= INLINE_MAX {
            some = const { [httparse::EMPTY_HEADER; INLINE_MAX] };
            &mut some
        } else {
            many = vec![httparse::EMPTY_HEADER; count.min(HEADERS_MAX)];
            &mut many
        };
        let (len, parsed) = parse(slots.get_mut(..count).unwrap_or_default())?;
        if len > INLINE_MAX {
            self.spilled.resize(len, HeaderLine::EMPTY);
        }
        let lines = if len > INLINE_MAX { &mut self.spilled[..] } else { &mut self.inline[..] };
        for (line, slot) in lines.iter_mut().zip(&*slots).take(len) {
            *line = HeaderLine { name: slot.name, value: slot.value };
        }
        Ok((Headers::new(lines.get(..len).unwrap_or_default()), parsed))
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
