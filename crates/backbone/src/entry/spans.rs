//! A set of places in ascending order, in few bytes: distances in LEB128.

/// Places behind a first one.
///
/// Each is written as its distance from the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spans {
    bytes: Vec<u8>,
}

impl Spans {
    /// Adds a place, which is behind `before`: the last one that was added, or the first place.
    pub(crate) fn push(&mut self, before: u64, place: u64) {
        let mut distance = place - before;
        while distance >= 0x80 {
            self.bytes.push(low_bits(distance) | 0x80);
            distance >>= 7;
        }
        self.bytes.push(low_bits(distance));
    }

    /// The bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The places in bytes that begin behind `first`; `None` if the bytes are not a set, or leave
    /// `first..=last`.
    pub(crate) fn read(bytes: &[u8], first: u64, last: u64) -> Option<Vec<u64>> {
        // A place has a byte at least, so the list is bounded by its bytes.
        let mut places = Vec::new();
        let (mut at, mut distance, mut shift) = (first, 0_u64, 0_u32);
        for byte in bytes {
            if shift > 63 || (shift == 63 && byte & 0x7e != 0) {
                return None;
            }
            distance |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 != 0 {
                continue;
            }
            at = at.checked_add(distance).filter(|at| distance > 0 && *at <= last)?;
            places.push(at);
            (distance, shift) = (0, 0);
        }
        (shift == 0).then_some(places)
    }
}

fn low_bits(number: u64) -> u8 {
    number.to_le_bytes()[0] & 0x7f
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back() {
        let places = [6, 7, 133, 134, 1 << 40, u64::MAX];
        let (mut spans, mut before) = (Spans::default(), 5);
        for place in places {
            spans.push(before, place);
            before = place;
        }
        assert_eq!(Spans::read(spans.as_bytes(), 5, u64::MAX).as_deref(), Some(&places[..]));
        assert_eq!(Spans::read(spans.as_bytes(), 5, u64::MAX - 1), None, "one is behind the last");
        assert_eq!(Spans::read(spans.as_bytes(), 6, u64::MAX), None, "too far for a number");
        assert_eq!(Spans::read(&[], 5, 5), Some(vec![]));
    }

    #[test]
    fn other_bytes_are_refused() {
        for bytes in [&[0][..], &[0x80], &[1, 0x80], &[0xff; 9], &[0xff; 10], &[0x80, 0]] {
            assert_eq!(Spans::read(bytes, 0, u64::MAX), None, "{bytes:x?}");
        }
    }
}
