//! Reads the primitive types of a block: bytes, integers, strings.

use crate::Error;

/// The bytes after an integer's prefix. Five bytes of 7 bits hold 32 bits.
const CONTINUATION_MAX: u32 = 5;

/// The part of a block that is not decoded yet.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

/// A string as it stands in a block.
pub(crate) struct Encoded<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) is_huffman: bool,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(block: &'a [u8]) -> Self {
        Self { rest: block }
    }

    /// Returns the next byte without taking it.
    pub(crate) const fn peek(&self) -> Option<u8> {
        match self.rest.first() {
            Some(byte) => Some(*byte),
            None => None,
        }
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.rest.split_off_first().copied()
    }

    /// Reads an integer whose prefix is the low `bits` of `first`, which the caller has taken.
    #[expect(clippy::arithmetic_side_effects, reason = "2³⁵ + 2⁷ fits in 64 bits")]
    pub(crate) fn integer(&mut self, first: u8, bits: u32) -> Result<u32, Error> {
        debug_assert!((1..8).contains(&bits), "a prefix has 4 to 7 bits");
        let mask = (1 << bits) - 1;
        let prefix = u32::from(first) & mask;
        if prefix < mask {
            return Ok(prefix);
        }
        let mut value = u64::from(mask);
        for count in 0..CONTINUATION_MAX {
            // [hpack:5.1-truncated] RFC 7541 §5.1: the last byte has its highest bit clear.
            let byte = self.byte().ok_or(Error::Truncated)?;
            value += u64::from(byte & 0x7f) << (7 * count);
            if byte & 0x80 == 0 {
                // [hpack:5.1-value] RFC 7541 §5.1: an integer over the limit is an error.
                return u32::try_from(value).map_err(|_| Error::IntegerTooBig);
            }
        }
        // [hpack:5.1-length] RFC 7541 §5.1: a longer encoding is an error, whatever its value.
        Err(Error::IntegerTooBig)
    }

    /// Reads a string literal without decoding it.
    pub(crate) fn string(&mut self) -> Result<Encoded<'a>, Error> {
        let first = self.byte().ok_or(Error::Truncated)?;
        let len = self.integer(first, 7)?;
        // [hpack:5.2-string-length] RFC 7541 §7.4: the length is compared before memory is taken.
        let len = usize::try_from(len).map_err(|_| Error::Truncated)?;
        let bytes = self.rest.split_off(..len).ok_or(Error::Truncated)?;
        Ok(Encoded { bytes, is_huffman: first & 0x80 != 0 })
    }
}
