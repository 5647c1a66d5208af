//! Finds the end of a line: the one loop that touches every byte of a stream.

/// The position of the first CR or LF.
///
/// [html:9.2.5-line-ends] Nothing else ends a line: not U+2028, U+2029, U+0085, VT or FF.
#[inline]
pub(crate) fn line_end(bytes: &[u8]) -> Option<usize> {
    // Every second line is blank, and many a heartbeat is a colon alone.
    match bytes {
        [b'\r' | b'\n', ..] => return Some(0),
        [b':', b'\r' | b'\n', ..] => return Some(1),
        _ => {}
    }
    line_end_of_value(bytes)
}

/// Most lines end within so many bytes.
const NEAR: usize = 256;

/// As [`line_end`], behind the name of a field: most values are not empty.
#[inline(always)]
pub(crate) fn line_end_of_value(bytes: &[u8]) -> Option<usize> {
    let (near, far) = bytes.split_at_checked(NEAR).unwrap_or((bytes, &[]));
    match line_end_near(near) {
        None if !far.is_empty() => line_end_far(far).map(|at| at.wrapping_add(NEAR)),
        found => found,
    }
}

/// As [`line_end`], for the rest of a line that is in the middle: such lines are often long.
#[inline]
pub(crate) fn line_end_of_rest(bytes: &[u8]) -> Option<usize> {
    line_end_far(bytes)
}

/// Bytes that are folded into one answer while no line end is in sight. Both folds below have a
/// form that the compiler turns into vector instructions; the wide one costs less per byte, the
/// narrow one less until its first answer.
const NARROW: usize = 32;
const WIDE: usize = 256;

#[inline(always)]
fn line_end_near(bytes: &[u8]) -> Option<usize> {
    let (blocks, rest) = bytes.as_chunks::<NARROW>();
    let mut offset = 0_usize;
    for block in blocks {
        // As small as CR or smaller: tabs and other controls are false alarms, and rare.
        if block.iter().fold(false, |found, &byte| found | (byte <= b'\r'))
            && let Some(at) = line_end_by_words(block)
        {
            return Some(offset.wrapping_add(at));
        }
        offset = offset.wrapping_add(NARROW);
    }
    line_end_by_words(rest).map(|at| offset.wrapping_add(at))
}

#[inline(never)]
fn line_end_far(bytes: &[u8]) -> Option<usize> {
    let (blocks, rest) = bytes.as_chunks::<WIDE>();
    let mut offset = 0_usize;
    for block in blocks {
        if block.iter().fold(u8::MAX, |least, &byte| least.min(byte)) <= b'\r'
            && let Some(at) = line_end_near(block)
        {
            return Some(offset.wrapping_add(at));
        }
        offset = offset.wrapping_add(WIDE);
    }
    line_end_near(rest).map(|at| offset.wrapping_add(at))
}

/// As [`line_end`], eight bytes at a time: for short input and for the block that has the end.
#[inline(always)]
fn line_end_by_words(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut offset = 0_usize;
    for word in words {
        if let Some(at) = line_end_in_word(*word) {
            return Some(offset.wrapping_add(at));
        }
        offset = offset.wrapping_add(8);
    }
    match bytes.last_chunk::<8>() {
        // The first bytes of this word were looked at and are no line end.
        Some(last) if !rest.is_empty() => {
            line_end_in_word(*last).map(|at| bytes.len().wrapping_sub(8).wrapping_add(at))
        }
        Some(_) => None,
        None => rest.iter().position(|&byte| matches!(byte, b'\r' | b'\n')),
    }
}

#[inline(always)]
fn line_end_in_word(word: [u8; 8]) -> Option<usize> {
    let word = u64::from_le_bytes(word);
    let mut small = bytes_up_to_cr(word);
    while small != 0 {
        let bit = small.trailing_zeros() & 0x38;
        if matches!(word.wrapping_shr(bit).to_le_bytes()[0], b'\r' | b'\n') {
            return usize::try_from(bit / 8).ok();
        }
        small &= small.wrapping_sub(1);
    }
    None
}

/// Marks (in its top bit) every byte of `word` that is at most CR. A byte above such a one may be
/// marked wrongly, by the borrow.
const fn bytes_up_to_cr(word: u64) -> u64 {
    const EVERY: u64 = u64::from_le_bytes([1; 8]);
    const ABOVE_CR: u64 = u64::from_le_bytes([b'\r' + 1; 8]);
    word.wrapping_sub(ABOVE_CR) & !word & (EVERY << 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [html:9.2.5-line-ends] Every position, with every byte around it that could fool the word
    /// trick: 0x0B after a LF borrows, 0x8A and 0x8D differ from LF and CR in the top bit only.
    #[test]
    fn finds_the_first_cr_or_lf_at_every_position() {
        for len in (0..100).chain(250..300).chain(760..780_usize) {
            for filler in [b'x', 0x00, 0x09, 0x0B, 0x0C, 0x0E, 0x8A, 0x8D, 0xFF] {
                let mut bytes = alloc::vec![filler; len];
                assert_eq!(line_end(&bytes), None);
                for at in (0..len).rev() {
                    bytes[at] = if at % 3 == 0 { b'\r' } else { b'\n' };
                    assert_eq!(line_end(&bytes), Some(at), "{len} bytes of {filler:#x}");
                }
            }
        }
    }
}
