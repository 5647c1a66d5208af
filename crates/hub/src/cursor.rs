//! Positions in the log: epochs, sequence numbers, cursors and their text form.

use core::fmt;

/// Identifies an unbroken stretch of a log. Sequence numbers of different epochs are not
/// comparable.
///
/// A new epoch begins when sequence numbers may be given again: the log was lost or rewritten. No
/// two epochs of one log may share a number: take a random one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// A sequence number: a message's position within its epoch. They are dense: 1, 2, 3 …
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first message.
    pub const ZERO: Self = Self(0);

    /// The next number.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number before this one; that of [`ZERO`](Self::ZERO) is itself.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// The check of a cursor: the tag of the [run](Run) that gave the position out.
///
/// A log that was restored from a backup gives positions out a second time, under the tag of
/// another run. So a cursor from the lost run is not mistaken for one of this log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Check(u32);

impl Check {
    /// No check: the log has no table of runs, or does not know the run. Such a cursor agrees with
    /// every log of its epoch.
    pub const NONE: Self = Self(0);

    /// The bits of a check.
    pub const BITS: u32 = 20;

    /// The check with the lowest [`BITS`](Self::BITS) of a random number; one instead of zero.
    pub const fn new(random: u32) -> Self {
        let bits = random & ((1 << Self::BITS) - 1);
        Self(if bits == 0 { 1 } else { bits })
    }

    /// The number: zero for none, else below `1 << BITS`.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// A run: the positions that a log gave out from one opening of its directory to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its first position.
    pub first: Seq,
    /// The check of its positions: a random tag.
    pub check: Check,
}

/// A position in the log, from which a client can resume.
///
/// As a client's cursor it says: "I have everything that I was entitled to, up to `seq` of
/// `epoch`." The position of a message is the cursor of a client that has just received it. The
/// text form is `1<epoch>-<seq>`, and `1<epoch>-<seq>.<check>` with a check, each in base 36
/// without leading zeros; `1` is the version of the form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The epoch that `seq` belongs to.
    pub epoch: Epoch,
    /// The sequence number.
    pub seq: Seq,
    /// The check of `seq`.
    pub check: Check,
}

impl Cursor {
    /// Longest text form, in bytes.
    pub const BYTES_MAX: usize = 33;

    /// A cursor without a check.
    pub const fn new(epoch: Epoch, seq: Seq) -> Self {
        Self { epoch, seq, check: Check::NONE }
    }

    /// Writes the text form to the end of a buffer, and returns it.
    pub fn text(self, buffer: &mut [u8; Self::BYTES_MAX]) -> &str {
        let mut at = buffer.len();
        // [hub:cursor-check]
        if self.check != Check::NONE {
            at = digits_before(at, u64::from(self.check.0), buffer) - 1;
            buffer[at] = b'.';
        }
        let at = digits_before(at, self.seq.0, buffer) - 1;
        buffer[at] = b'-';
        let at = digits_before(at, self.epoch.0, buffer) - 1;
        buffer[at] = b'1';
        str::from_utf8(&buffer[at..]).expect("digits are ASCII")
    }

    /// Reads the text form, and nothing but the text form: each cursor has one spelling.
    pub fn parse(text: &str) -> Option<Self> {
        let (epoch, position) = text.strip_prefix('1')?.split_once('-')?;
        let (seq, check) = match position.split_once('.') {
            Some((seq, check)) => (seq, written_check(check)?),
            None => (position, Check::NONE),
        };
        Some(Self { epoch: Epoch(base36(epoch)?), seq: Seq(base36(seq)?), check })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(&mut [0; Self::BYTES_MAX]))
    }
}

/// Where a subscription starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the head. A subscriber that is behind also gets what history still has since its cursor.
    /// Written `now`.
    Now,
    /// At the oldest message in history. Messages that were dropped before are not owed. Written
    /// `earliest`.
    Earliest,
    /// After the cursor.
    After(Cursor),
    /// Nowhere: the client's position cannot be read, so a gap is declared.
    Unreadable,
}

/// The token that a client sends to resume: a [`Start`], and a proof of its session that the hub
/// does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// The start.
    pub start: Start,
    /// The text after the first `~`.
    pub proof: Option<&'a str>,
}

impl<'a> Token<'a> {
    /// Longest text that is parsed, in bytes.
    pub const BYTES_MAX: usize = 96;

    /// Parses a `Last-Event-ID` or cursor parameter. It never fails: an invalid text becomes
    /// [`Start::Unreadable`], which leads to a declared gap.
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

/// Parses a check; `None` for a number that no check has.
fn written_check(digits: &str) -> Option<Check> {
    let number = u32::try_from(base36(digits)?).ok()?;
    (1..1 << Check::BITS).contains(&number).then_some(Check(number))
}

/// Parses base 36; `None` unless [`digits_before`] writes the number with these digits.
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

/// Writes a number in base 36 before `at`, and returns where it begins. At most 13 digits: 36^13 is
/// above 2^64.
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
        Cursor::new(Epoch(epoch), Seq(seq))
    }

    #[test]
    fn text_form() {
        assert_eq!(cursor(0, 0).to_string(), "10-0");
        assert_eq!(cursor(36, 35).to_string(), "110-z");
        let largest = cursor(u64::MAX, u64::MAX).to_string();
        assert_eq!(largest, "13w5e11264sgsf-3w5e11264sgsf");
        assert_eq!(Cursor::parse(&largest), Some(cursor(u64::MAX, u64::MAX)));
    }

    /// [hub:cursor-check]
    #[test]
    fn text_form_with_a_check() {
        let checked = |check| Cursor { check, ..cursor(36, 35) };
        assert_eq!(checked(Check::new(35)).to_string(), "110-z.z");
        assert_eq!(Check::new(0), Check::new(1), "no run has the check of none");
        assert_eq!(Check::new(1 << Check::BITS), Check::new(1), "twenty bits");
        let largest = Cursor { check: Check::new(u32::MAX), ..cursor(u64::MAX, u64::MAX) };
        let text = largest.to_string();
        assert_eq!((text.as_str(), text.len()), ("13w5e11264sgsf-3w5e11264sgsf.mh33", 33));
        for it in [largest, checked(Check::new(1)), checked(Check::NONE)] {
            assert_eq!(Cursor::parse(&it.to_string()), Some(it));
        }
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
            "1a-b.",
            "1a-b.0",
            "1a-b.01",
            "1a-b.mh34",
            "1a-b.C",
            "1a-b.c.d",
            "1a.c-b",
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
