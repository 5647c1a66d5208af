//! Checks of bytes: whether they are text, and up to where.

/// The longest beginning of `bytes` that is text. Shorter than `bytes` if a character is broken, or cut by the end.
#[must_use]
pub fn text_prefix(bytes: &[u8]) -> &str {
    let (whole, _) = split_cut(bytes);
    text(whole).unwrap_or_else(|| whole.utf8_chunks().next().map_or("", |chunk| chunk.valid()))
}

/// The bytes as text, if all of them are valid.
#[cfg(not(feature = "simdutf8"))]
#[inline]
pub(crate) fn text(bytes: &[u8]) -> Option<&str> {
    core::str::from_utf8(bytes).ok()
}

/// Below 64 bytes the vectors would not be full, and the standard library is as fast.
#[cfg(feature = "simdutf8")]
#[inline]
pub(crate) fn text(bytes: &[u8]) -> Option<&str> {
    if bytes.len() < 64 {
        core::str::from_utf8(bytes).ok()
    } else {
        simdutf8::basic::from_utf8(bytes).ok()
    }
}

/// The first `len` of `bytes` as text: a value whose line ends there.
#[cfg(not(feature = "simdutf8"))]
#[inline]
pub(crate) fn text_before(bytes: &[u8], len: usize) -> Option<&str> {
    text(bytes.get(..len)?)
}

/// The same in whole vectors. The bytes behind the value are checked along with it, which costs a
/// quarter of checking a short value, or the end of a long one, alone. If that check fails (perhaps
/// for a character that is cut there), the value is checked alone.
#[cfg(feature = "simdutf8")]
#[inline]
pub(crate) fn text_before(bytes: &[u8], len: usize) -> Option<&str> {
    let vectors = bytes.get(..len.max(1).checked_next_multiple_of(64)?);
    if let Some(text) = vectors.and_then(|bytes| simdutf8::basic::from_utf8(bytes).ok()) {
        return text.get(..len);
    }
    text(bytes.get(..len)?)
}

/// Splits off the sequence that the end cuts, if it cuts one.
pub(crate) fn split_cut(bytes: &[u8]) -> (&[u8], &[u8]) {
    if bytes.last().is_none_or(u8::is_ascii) {
        return (bytes, &[]);
    }
    (1..=3)
        .filter_map(|cut_len| bytes.split_at_checked(bytes.len().checked_sub(cut_len)?))
        .find(|(_, cut)| is_incomplete(cut))
        .unwrap_or((bytes, &[]))
}

/// Whether more bytes could complete this to a character.
pub(crate) fn is_incomplete(sequence: &[u8]) -> bool {
    core::str::from_utf8(sequence)
        .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
}
