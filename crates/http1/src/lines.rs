//! Takes the lines of a head apart: its first line, and the header lines behind it.

use sockeye_http::{HeaderLine, Headers, grammar};

use crate::{Error, HeaderStorage, words};

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

/// Returns how many bytes stand before the first CR.
fn line_len(bytes: &[u8]) -> usize {
    let returns = |word: u64| words::zeros(word ^ words::eight(b'\r'));
    words::len_before(bytes, returns, |byte| byte == b'\r')
}
