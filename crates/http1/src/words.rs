//! Searches bytes, eight at a time.

/// The highest bit of each of eight bytes: where a byte that is looked for is marked.
pub(crate) const HIGH: u64 = eight(0x80);

/// Returns a word of eight such bytes.
pub(crate) const fn eight(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Marks the bytes of a word that are 0.
///
/// A borrow can mark a byte wrongly, but only above one that is marked rightly.
#[inline]
pub(crate) const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(eight(1)) & !word & HIGH
}

/// Returns how many bytes precede the first that is looked for.
///
/// `marks` marks it in a word by [`HIGH`], and nothing below it. `is_wanted` finds it among the last
/// bytes, which are less than a word.
#[inline]
pub(crate) fn len_before(
    bytes: &[u8],
    marks: impl Fn(u64) -> u64,
    is_wanted: impl Fn(u8) -> bool,
) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    let mut before = 0_usize;
    for word in words {
        let marks = marks(u64::from_le_bytes(*word));
        if marks != 0 {
            return before.saturating_add(marks.trailing_zeros() as usize / 8);
        }
        before = before.saturating_add(8);
    }
    let rest = tail.iter().position(|&byte| is_wanted(byte));
    before.saturating_add(rest.unwrap_or(tail.len()))
}
