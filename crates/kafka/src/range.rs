//! Offsets, and the positions that stand for them.

use std::sync::Arc;

use sockeye_backbone::{LogEnds, Position};

/// An entry, and its position.
pub(crate) type Entry = (Position, Arc<[u8]>);

/// A position of an offset: numbers begin with 1.
pub(crate) fn position(offset: i64) -> Position {
    Position::new(0, u64::try_from(offset).unwrap_or_default().saturating_add(1))
}

/// The offset of a position.
pub(crate) fn offset(position: Position) -> i64 {
    i64::try_from(position.number.saturating_sub(1)).unwrap_or(i64::MAX)
}

/// The offsets that a log has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Range {
    /// The first one.
    pub(crate) start: i64,
    /// The one behind the last: the high watermark. What is behind it may still get lost.
    pub(crate) high: i64,
}

impl Range {
    /// The ends of a log with this identity.
    pub(crate) fn ends(self, identity: u64) -> LogEnds {
        let has_entries = self.start < self.high;
        LogEnds {
            identity,
            first: has_entries.then(|| position(self.start)),
            last: has_entries.then(|| position(self.high - 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_those_of_entries() {
        let ends = Range { start: 3, high: 7 }.ends(9);
        assert_eq!((ends.first, ends.last), (Some(position(3)), Some(position(6))));
        assert_eq!(ends.identity, 9);
        assert_eq!(position(6).number, 7, "numbers begin with 1");
        let empty = Range { start: 7, high: 7 }.ends(9);
        assert_eq!((empty.first, empty.last, empty.identity), (None, None, 9));
    }
}
