//! Takes the lines of a head apart: its first line, and the header lines behind it.

use sockeye_http::{HeaderLine, Headers, grammar};

use crate::{Error, HeaderStorage};

/// Takes the first line off a complete head; also gives the header lines behind it.
pub(crate) fn split_first(head: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let (line, rest) = head.split_at_checked(line_len(head)).ok_or(Error::HeadBoundary)?;
    Ok((line, rest.strip_prefix(b"\r\n").ok_or(Error::HeadBoundary)?))
}

/// Parses the header lines of a head that [`HeadEnd`](crate::HeadEnd) has scanned, of which there
/// are `count`, up to the empty line.
///
/// The scanner has looked at every byte already: each line ends in CRLF, none begins with
/// whitespace, and no value holds a control byte. What is left to check is the name.
pub(crate) fn parse<'h, 'b>(
    fields: &'b [u8],
    count: usize,
    storage: &'h mut HeaderStorage<'b>,
) -> Result<Headers<'h, 'b>, Error> {
    let lines = storage.slots(count);
    let mut rest = fields;
    for line in &mut *lines {
        let name_len = rest.iter().position(|&byte| !grammar::is_tchar(byte));
        // [rfc9112:5.1-no-space-before-colon]
        let (name, [b':', after @ ..]) = rest.split_at(name_len.ok_or(Error::Header)?) else {
            return Err(Error::Header);
        };
        if name.is_empty() {
            return Err(Error::Header);
        }
        let (value, next) = split_first(after)?;
        *line = HeaderLine { name, value };
        rest = next;
    }
    if rest == b"\r\n" { Ok(Headers::new(lines)) } else { Err(Error::HeadBoundary) }
}

/// Returns how many bytes stand before the first CR, looking at eight at a time.
fn line_len(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    const RETURNS: u64 = u64::from_le_bytes([b'\r'; 8]);
    let (words, tail) = bytes.as_chunks::<8>();
    let mut before = 0_usize;
    for word in words {
        // A byte that is CR is zero here. A borrow can mark another byte wrongly, but only above a CR.
        let differs = u64::from_le_bytes(*word) ^ RETURNS;
        let returns = differs.wrapping_sub(ONES) & !differs & HIGH;
        if returns != 0 {
            return before.saturating_add(returns.trailing_zeros() as usize / 8);
        }
        before = before.saturating_add(8);
    }
    let rest = tail.iter().position(|&byte| byte == b'\r');
    before.saturating_add(rest.unwrap_or(tail.len()))
}
