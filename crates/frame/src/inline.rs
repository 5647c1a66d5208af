//! A few bytes held by value, so that headers and control payloads need no allocator.

use core::{fmt, ops};

/// At most `N` bytes, `N` below 256, inline.
///
/// # Examples
///
/// ```
/// use sockeye_frame::InlineBytes;
///
/// let mut bytes = InlineBytes::<4>::EMPTY;
/// bytes.fill(b"sal");
/// bytes.fill(b"mon");
/// assert_eq!(&*bytes, b"salm");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InlineBytes<const N: usize> {
    /// The bytes behind `len` are 0, so that a derived comparison is right.
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> InlineBytes<N> {
    /// No bytes. Does not compile for an `N` of 256 or more.
    pub const EMPTY: Self = {
        assert!(N < 256, "the length is one byte");
        Self { bytes: [0; N], len: 0 }
    };

    /// Appends a field that fits as a whole, or nothing.
    #[inline]
    pub(crate) fn push<const M: usize>(&mut self, field: [u8; M]) {
        let free = self.bytes.get_mut(usize::from(self.len)..);
        let room = free.and_then(|free| free.first_chunk_mut());
        debug_assert!(room.is_some(), "the capacity is the sum of the fields");
        if let (Some(room), Ok(len)) = (room, u8::try_from(M)) {
            *room = field;
            self.len = self.len.saturating_add(len);
        }
    }

    /// Appends as much of `bytes` as fits.
    pub fn fill(&mut self, bytes: &[u8]) {
        let free = self.bytes.get_mut(usize::from(self.len)..).unwrap_or_default();
        let fits = free.len().min(bytes.len());
        if let (Some(to), Some(from)) = (free.get_mut(..fits), bytes.get(..fits)) {
            to.copy_from_slice(from);
        }
        self.len = self.len.saturating_add(u8::try_from(fits).unwrap_or_default());
    }
}

impl<const N: usize> ops::Deref for InlineBytes<N> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl<const N: usize> fmt::Debug for InlineBytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InlineBytes({} of {N} bytes)", self.len)
    }
}
