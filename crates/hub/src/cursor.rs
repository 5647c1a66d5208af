//! Where in the log: epochs, sequence numbers, cursors and their text.

use core::fmt;

/// One unbroken life of a log, compared before any arithmetic on sequence numbers.
///
/// It changes whenever history was lost or rewritten. Milliseconds of the log's birth are a good
/// choice; what matters is that no two lives of one log share a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// A place in the log. The authority numbers messages 1, 2, 3 … without holes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first message.
    pub const ZERO: Self = Self(0);

    /// The place after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The place before this one; [`ZERO`](Self::ZERO) has none and is its own.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// "Everything up to `seq` of the log's life `epoch` that I was entitled to has reached me."
///
/// Also the position of a message, which is the cursor of who has received it. The text form is
/// `1<epoch>-<seq>`, both in base 36 without leading zeros; `1` is the form's version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The life of the log that `seq` belongs to.
    pub epoch: Epoch,
    /// The place in it.
    pub seq: Seq,
}

impl Cursor {
    /// Longest text form, in bytes.
    pub const BYTES_MAX: usize = 28;

    /// Writes the text form to the end of a buffer, and gives it.
    pub fn text(self, buffer: &mut [u8; Self::BYTES_MAX]) -> &str {
        let at = digits_before(buffer.len(), self.seq.0, buffer) - 1;
        buffer[at] = b'-';
        let at = digits_before(at, self.epoch.0, buffer) - 1;
        buffer[at] = b'1';
        str::from_utf8(&buffer[at..]).expect("digits are ASCII")
    }

    /// Reads the text form, and nothing but the text form: each cursor has one spelling.
    pub fn parse(text: &str) -> Option<Self> {
        let (epoch, seq) = text.strip_prefix('1')?.split_once('-')?;
        Some(Self { epoch: Epoch(base36(epoch)?), seq: Seq(base36(seq)?) })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(&mut [0; Self::BYTES_MAX]))
    }
}

/// From where a subscription wants its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// From here on; nothing is owed from before. A subscriber that is behind gets what is left
    /// since its cursor, as that is the place it knows. Written `now`.
    Now,
    /// Everything that is still there. What was dropped before is not owed. Written `earliest`.
    Earliest,
    /// Everything after the cursor.
    After(Cursor),
    /// The client named a position that cannot be read: a gap is declared to it.
    Unreadable,
}

/// What a client sends to resume: a [`Start`], and a proof of its session that is not ours to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// From where.
    pub start: Start,
    /// What follows the first `~`, as it came.
    pub proof: Option<&'a str>,
}

impl<'a> Token<'a> {
    /// Longest text that is looked at, in bytes.
    pub const BYTES_MAX: usize = 96;

    /// Reads a `Last-Event-ID` or cursor parameter. It never fails: what cannot be read becomes
    /// [`Start::Unreadable`], which resolves to a declared gap.
    pub fn parse(text: &'a str) -> Self {
        if text.len() > Self::BYTES_MAX {
            return Self { start: Start::Unreadable, proof: None };
        }
        let (position, proof) = match text.split_once('~') {
            Some((position, proof)) => (position, Some(proof)),
            None => (text, None),
        };
        let start = match position {
            "now" => Start::Now,
            "earliest" => Start::Earliest,
            // [hub:cursor-garbage]
            _ => Cursor::parse(position).map_or(Start::Unreadable, Start::After),
        };
        Self { start, proof }
    }
}

/// The number that the digits mean; `None` unless they are how [`digits_before`] writes it.
fn base36(digits: &str) -> Option<u64> {
    if digits.is_empty() || (digits.starts_with('0') && digits.len() > 1) {
        return None;
    }
    digits.bytes().try_fold(0_u64, |sum, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'z' => byte - b'a' + 10,
            _ => return None,
        };
        sum.checked_mul(36)?.checked_add(u64::from(digit))
    })
}

/// Writes a number in front of `at`, and gives where it begins. At the most 13 digits: 36^13 is above
/// 2^64.
fn digits_before(mut at: usize, mut number: u64, buffer: &mut [u8; Cursor::BYTES_MAX]) -> usize {
    loop {
        at -= 1;
        buffer[at] = b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize];
        number /= 36;
        if number == 0 {
            return at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(epoch: u64, seq: u64) -> Cursor {
        Cursor { epoch: Epoch(epoch), seq: Seq(seq) }
    }

    #[test]
    fn text_form() {
        assert_eq!(cursor(0, 0).to_string(), "10-0");
        assert_eq!(cursor(36, 35).to_string(), "110-z");
        let largest = cursor(u64::MAX, u64::MAX).to_string();
        assert_eq!(largest, "13w5e11264sgsf-3w5e11264sgsf");
        assert_eq!(Cursor::parse(&largest), Some(cursor(u64::MAX, u64::MAX)));
    }

    /// [hub:cursor-garbage]
    #[test]
    fn garbage_is_unreadable_and_nothing_else() {
        let bad = [
            "",
            "1",
            "-",
            "1-",
            "1a-",
            "1-a",
            "2a-b",
            "a-b",
            "1A-b",
            "1a-B",
            "1a-b ",
            " 1a-b",
            "101-b",
            "1a-0b",
            "1a-b-c",
            "13w5e11264sgsg-0",
            "1a-3w5e11264sgsg",
            "Now",
            "now ",
            "1a-b.c",
            "1é-b",
            "\0",
        ];
        for text in bad {
            assert_eq!(
                Token::parse(text),
                Token { start: Start::Unreadable, proof: None },
                "{text}"
            );
        }
        let long = format!("1a-b~{}", "x".repeat(Token::BYTES_MAX));
        assert_eq!(Token::parse(&long), Token { start: Start::Unreadable, proof: None });
    }

    #[test]
    fn a_proof_is_kept_as_it_came() {
        let start = Start::After(cursor(10, 11));
        assert_eq!(Token::parse("1a-b~s~m"), Token { start, proof: Some("s~m") });
        assert_eq!(Token::parse("1a-b~"), Token { start, proof: Some("") });
        assert_eq!(Token::parse("now~x"), Token { start: Start::Now, proof: Some("x") });
        assert_eq!(Token::parse("earliest"), Token { start: Start::Earliest, proof: None });
    }
}
