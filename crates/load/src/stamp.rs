//! Makes numbered payloads for publications, and finds them in messages, wherever a server puts them.

/// Bytes of the part that differs from one publication to the next: `~`, the run, the number, `~`.
pub(super) const STAMP_BYTES: usize = 20;
const RUN_DIGITS: usize = 8;
const NUMBER_DIGITS: usize = 10;
const NUMBER_AT: usize = 1 + RUN_DIGITS;

/// The payloads of one run: ASCII letters and digits, which no encoding of messages has to escape.
pub(super) struct Stamps {
    /// The payload with number 0.
    payload: Vec<u8>,
    /// Where in a message the payload was found last; servers put it at the same place each time.
    at: usize,
}

/// What was found in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Our payload with this number.
    Number(u64),
    /// Our payload, with wrong bytes in it.
    Damaged,
    /// No payload of ours.
    Other,
}

impl Stamps {
    /// Payloads of `bytes` bytes, at least [`STAMP_BYTES`], that no other `run` makes.
    pub(super) fn new(run: u32, bytes: usize) -> Self {
        let mut payload = format!("~{run:08x}{:0>10}~", 0).into_bytes();
        let letters = (b'a'..=b'z').cycle();
        payload.extend(letters.take(bytes.saturating_sub(STAMP_BYTES)));
        Self { payload, at: 0 }
    }

    /// The payload with number 0.
    pub(super) fn text(&self) -> &str {
        core::str::from_utf8(&self.payload).expect("it is ASCII")
    }

    /// Puts another number into a message that has this payload at `at`.
    pub(super) fn renumber(message: &mut [u8], at: usize, number: u64) {
        let digits = &mut message[at + NUMBER_AT..][..NUMBER_DIGITS];
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            *digit = b"0123456789abcdef"[usize::from(rest.to_le_bytes()[0] & 15)];
            rest >>= 4;
        }
    }

    /// Looks for the payload in a message.
    #[inline]
    pub(super) fn find(&mut self, message: &[u8]) -> Found {
        let mark = &self.payload[..NUMBER_AT];
        if !message.get(self.at..).is_some_and(|rest| rest.starts_with(mark)) {
            let at = message.windows(mark.len()).position(|window| window == mark);
            let Some(at) = at else { return Found::Other };
            self.at = at;
        }
        let Some(found) = message.get(self.at..self.at + self.payload.len()) else {
            return Found::Damaged;
        };
        let behind = NUMBER_AT + NUMBER_DIGITS;
        match number(&found[NUMBER_AT..behind]) {
            Some(number) if found[behind..] == self.payload[behind..] => Found::Number(number),
            Some(_) | None => Found::Damaged,
        }
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number: u64, digit| {
        let value = char::from(*digit).to_digit(16)?;
        Some(number << 4 | u64::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_found_wherever_it_stands() {
        let mut stamps = Stamps::new(0xBEEF, 64);
        assert_eq!(stamps.text().len(), 64);
        for before in ["", "{\"data\":\"", "~0000bee", "x"] {
            for number in [0, 1, 0xAB_CDEF_0123, (1 << 40) - 1] {
                let mut message = format!("{before}{}\"}}", stamps.text()).into_bytes();
                Stamps::renumber(&mut message, before.len(), number);
                assert_eq!(stamps.find(&message), Found::Number(number));
                let end = before.len() + 63;
                message[end] ^= 1;
                assert_eq!(stamps.find(&message), Found::Damaged);
                message.truncate(end);
                assert_eq!(stamps.find(&message), Found::Damaged);
            }
        }
        assert_eq!(stamps.find(Stamps::new(0xDEAD, 64).text().as_bytes()), Found::Other);
        assert_eq!(stamps.find(b""), Found::Other);
        assert_eq!(Stamps::new(1, STAMP_BYTES).text(), "~000000010000000000~");
    }
}
