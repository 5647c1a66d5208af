//! Reads a cursor as far as a client needs it: its epoch, and its place in the log.

/// Longest cursor that a hub gives, in bytes.
const CURSOR_BYTES_MAX: usize = 96;

/// A position in a log. Positions of one epoch are in order; those of different epochs are not comparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) epoch: u64,
    pub(super) seq: u64,
}

impl Position {
    /// The position that belongs to no log: a gap follows.
    pub(super) const NOWHERE: Self = Self { epoch: 0, seq: 0 };

    /// Reads `1<epoch>-<seq>`, both in base 36. A check may follow behind a `.`, and a proof behind a
    /// `~`.
    pub(super) fn parse(cursor: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if cursor.len() > CURSOR_BYTES_MAX || !cursor.bytes().all(fits) {
            return None;
        }
        let place = cursor.split('~').next().unwrap_or_default();
        let (epoch, seq) = place.strip_prefix('1')?.split_once('-')?;
        let (seq, check) = seq.split_once('.').unwrap_or((seq, "0"));
        base36(check)?;
        Some(Self { epoch: base36(epoch)?, seq: base36(seq)? })
    }
}

fn base36(digits: &str) -> Option<u64> {
    // The library takes a sign and capital letters, too.
    let fits = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
    if digits.bytes().all(fits) { u64::from_str_radix(digits, 36).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_up_to_their_proof() {
        let at = |text| Position::parse(text).map(|at| (at.epoch, at.seq));
        assert_eq!(at("1a-15"), Some((10, 41)));
        assert_eq!(at("1a-15~p3x9~Xb2_k"), Some((10, 41)));
        assert_eq!(at("1a-15.mh33~p3x9~X.2_k"), Some((10, 41)));
        assert_eq!(Position::parse("10-0"), Some(Position::NOWHERE));
        let long = format!("1a-1~{}", "x".repeat(96));
        for text in [
            "", "1", "1a", "2a-1", "1a-", "1-a-1", "1+a-1", "1A-1", "1a-1é", "1a-1\n", "1a-1.",
            "1a-1.C", &long,
        ] {
            assert_eq!(at(text), None, "{text:?}");
        }
        assert_eq!(at("1zzzzzzzzzzzzzz-1"), None, "beyond 64 bits");
    }
}
