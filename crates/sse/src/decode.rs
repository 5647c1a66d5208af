//! UTF-8 decode as the Encoding standard orders it: replacement, never an error.

use alloc::string::String;

use crate::chunk::Chunk;
use crate::item::Error;
use crate::utf8::{is_incomplete, split_cut, text};

/// Decodes a value piece by piece, and keeps a cut sequence for the next piece.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Decoder {
    tail: [u8; 3],
    tail_len: usize,
}

impl Decoder {
    /// Decodes `bytes` and appends the text to `out`, which may grow by at most `room` bytes.
    ///
    /// [html:9.2.5-utf8-replacement] Each maximal subpart of a broken sequence becomes one U+FFFD.
    pub(crate) fn push<'b, C: Chunk<'b>>(
        &mut self,
        value: C,
        mut room: usize,
        out: &mut String,
    ) -> Result<(), Error> {
        match value.known_text() {
            Some(text) if self.tail_len == 0 => append(text, &mut room, out),
            Some(_) | None => self.push_bytes(value.bytes(), room, out),
        }
    }

    fn push_bytes(&mut self, bytes: &[u8], mut room: usize, out: &mut String) -> Result<(), Error> {
        let bytes = self.resume(bytes, &mut room, out)?;
        let (whole, cut) = split_cut(bytes);
        let valid_len = match text(whole) {
            Some(text) => {
                if !cut.is_empty() {
                    self.keep(cut);
                }
                return append(text, &mut room, out);
            }
            None => core::str::from_utf8(whole).map_or_else(|error| error.valid_up_to(), str::len),
        };
        // The fast path: everything before the first broken byte.
        let (whole, rest) = bytes.split_at_checked(valid_len).unwrap_or_default();
        append(core::str::from_utf8(whole).unwrap_or_default(), &mut room, out)?;
        let mut left = rest.len();
        for part in rest.utf8_chunks() {
            append(part.valid(), &mut room, out)?;
            let broken = part.invalid();
            left = left.saturating_sub(part.valid().len()).saturating_sub(broken.len());
            if left == 0 && is_incomplete(broken) {
                self.keep(broken);
            } else if !broken.is_empty() {
                append(REPLACEMENT, &mut room, out)?;
            }
        }
        Ok(())
    }

    /// Ends the value. A cut sequence will never be whole.
    ///
    /// [html:9.2.5-utf8-keeps-delimiters] The line end stays a line end.
    pub(crate) fn finish(&mut self, mut room: usize, out: &mut String) -> Result<(), Error> {
        if self.tail_len == 0 {
            return Ok(());
        }
        self.tail_len = 0;
        append(REPLACEMENT, &mut room, out)
    }

    /// [html:9.2.5-utf8-partial-kept] Goes on with the sequence that the last piece left open and
    /// returns the bytes behind it.
    fn resume<'b>(
        &mut self,
        mut bytes: &'b [u8],
        room: &mut usize,
        out: &mut String,
    ) -> Result<&'b [u8], Error> {
        while self.tail_len > 0
            && let Some((&next, rest)) = bytes.split_first()
        {
            let mut sequence = [0; 4];
            let len = self.tail_len.saturating_add(1);
            for (to, &from) in sequence.iter_mut().zip(self.tail()) {
                *to = from;
            }
            if let Some(last) = sequence.get_mut(self.tail_len) {
                *last = next;
            }
            let sequence = sequence.get(..len).unwrap_or_default();
            if let Ok(character) = core::str::from_utf8(sequence) {
                self.tail_len = 0;
                append(character, room, out)?;
            } else if is_incomplete(sequence) {
                self.keep(sequence);
            } else {
                // The new byte does not belong to the sequence: it is looked at afresh.
                self.tail_len = 0;
                append(REPLACEMENT, room, out)?;
                continue;
            }
            bytes = rest;
        }
        Ok(bytes)
    }

    fn tail(&self) -> &[u8] {
        self.tail.get(..self.tail_len).unwrap_or_default()
    }

    fn keep(&mut self, sequence: &[u8]) {
        debug_assert!(sequence.len() < 4, "an incomplete sequence has three bytes at most");
        self.tail_len = 0;
        for (to, &from) in self.tail.iter_mut().zip(sequence) {
            *to = from;
            self.tail_len = self.tail_len.saturating_add(1);
        }
    }
}

const REPLACEMENT: &str = "\u{FFFD}";

/// [sse:limit-while-arriving] The limit is checked before the bytes are held, not at the line end.
fn append(text: &str, room: &mut usize, out: &mut String) -> Result<(), Error> {
    *room = room.checked_sub(text.len()).ok_or(Error::TooLarge)?;
    out.push_str(text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [html:9.2.5-utf8-replacement] [html:9.2.5-utf8-partial-kept]
    /// [html:9.2.5-utf8-keeps-delimiters] Every three-part cut of every awkward sequence.
    #[test]
    fn any_cut_decodes_like_the_whole() {
        let table: &[(&[u8], &str)] = &[
            (b"\xE2\x82\xAC", "\u{20AC}"),
            (b"\xF0\x9F\x98\x80", "\u{1F600}"),
            (b"\xFF", "\u{FFFD}"),
            (b"\x80\xBF", "\u{FFFD}\u{FFFD}"),
            (b"\xE2\x82A", "\u{FFFD}A"),
            (b"\xF0\x9F\x92:", "\u{FFFD}:"),
            (b"\xE0\x80\xAF", "\u{FFFD}\u{FFFD}\u{FFFD}"),
            (b"\xED\xA0\x80", "\u{FFFD}\u{FFFD}\u{FFFD}"),
            (b"\xF4\x90\x80\x80", "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"),
            (b"\xC0\x80", "\u{FFFD}\u{FFFD}"),
            (b"\xF0\xF0\x9F\x98\x80", "\u{FFFD}\u{1F600}"),
            (b"\xE2\x82\xE2\x82", "\u{FFFD}\u{FFFD}"),
            (b"a\xC3", "a\u{FFFD}"),
        ];
        for &(bytes, expected) in table {
            for first in 0..=bytes.len() {
                for second in first..=bytes.len() {
                    let (mut decoder, mut out) = (Decoder::default(), String::new());
                    for piece in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                        decoder.push(piece, 100, &mut out).unwrap();
                    }
                    decoder.finish(100, &mut out).unwrap();
                    assert_eq!(out, expected, "{bytes:02X?} cut at {first} and {second}");
                }
            }
        }
    }

    /// [sse:limit-while-arriving]
    #[test]
    fn a_bad_byte_costs_three() {
        let (mut decoder, mut out) = (Decoder::default(), String::new());
        assert_eq!(decoder.push(&b"\xFF\xFF"[..], 5, &mut out), Err(Error::TooLarge));
        assert_eq!(out, "\u{FFFD}");
    }
}
