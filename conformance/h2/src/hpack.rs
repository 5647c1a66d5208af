//! Field blocks as we write them, right or wrong, and a decoder of our own (RFC 7541).

use std::collections::VecDeque;

use crate::huffman;

/// A field: name and value.
pub(crate) type Field = (Vec<u8>, Vec<u8>);

/// The bits and the prefix of a representation (§6).
const INDEXED: (u8, u8) = (0x80, 7);
const INCREMENTAL: (u8, u8) = (0x40, 6);
const SIZE_UPDATE: (u8, u8) = (0x20, 5);
const NEVER: (u8, u8) = (0x10, 4);
const PLAIN: (u8, u8) = (0x00, 4);

/// A block under construction.
#[derive(Clone, Default)]
pub(crate) struct Block(Vec<u8>);

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Block {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// A field as a literal without indexing.
    pub(crate) fn field(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.literal(PLAIN, name.as_ref(), value.as_ref())
    }

    /// A field that enters the dynamic table.
    pub(crate) fn entry(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.literal(INCREMENTAL, name.as_ref(), value.as_ref())
    }

    /// A field that is never indexed.
    pub(crate) fn never(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.literal(NEVER, name.as_ref(), value.as_ref())
    }

    /// A field whose strings are Huffman-coded.
    pub(crate) fn coded(mut self, name: &[u8], value: &[u8]) -> Self {
        self.0.push(PLAIN.0);
        for text in [name, value] {
            let coded = huffman::encode(text);
            integer(&mut self.0, (0x80, 7), coded.len() as u64);
            self.0.extend(coded);
        }
        self
    }

    /// A field of a table.
    pub(crate) fn indexed(mut self, index: u64) -> Self {
        integer(&mut self.0, INDEXED, index);
        self
    }

    /// A literal without indexing whose name is of a table.
    pub(crate) fn named(mut self, index: u64, value: &[u8]) -> Self {
        integer(&mut self.0, PLAIN, index);
        string(&mut self.0, value);
        self
    }

    /// A dynamic table size update.
    pub(crate) fn table_size(mut self, size: u64) -> Self {
        integer(&mut self.0, SIZE_UPDATE, size);
        self
    }

    /// Bytes as they stand.
    pub(crate) fn raw(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.extend(bytes.as_ref());
        self
    }

    fn literal(mut self, (bits, _): (u8, u8), name: &[u8], value: &[u8]) -> Self {
        self.0.push(bits);
        string(&mut self.0, name);
        string(&mut self.0, value);
        self
    }
}

/// Appends an integer (§5.1).
fn integer(out: &mut Vec<u8>, (bits, prefix): (u8, u8), value: u64) {
    let full = (1_u64 << prefix) - 1;
    let low = |value: u64| u8::try_from(value & 0xff).unwrap_or(0);
    if value < full {
        return out.push(bits | low(value));
    }
    out.push(bits | low(full));
    let mut rest = value - full;
    while rest >= 128 {
        out.push(low(rest & 0x7f) | 0x80);
        rest >>= 7;
    }
    out.push(low(rest));
}

/// Appends a string that is not coded (§5.2).
fn string(out: &mut Vec<u8>, text: &[u8]) {
    integer(out, (0, 7), text.len() as u64);
    out.extend(text);
}

/// The decoder of the server's blocks.
#[derive(Default)]
pub(crate) struct Decoder {
    table: VecDeque<Field>,
    max: usize,
    /// The bound that we announced.
    bound: usize,
}

/// The rest of a block.
struct Input<'b>(&'b [u8]);

impl Decoder {
    pub(crate) fn new(bound: usize) -> Self {
        Self { table: VecDeque::new(), max: bound.min(4096), bound }
    }

    /// We announced another bound.
    pub(crate) fn announce(&mut self, bound: usize) {
        self.bound = bound;
    }

    /// The fields of a block, or the rule that it breaks.
    pub(crate) fn decode(&mut self, block: &[u8]) -> Result<Vec<Field>, String> {
        let mut input = Input(block);
        let mut fields = Vec::new();
        while let Some(&first) = input.0.first() {
            if first & INDEXED.0 != 0 {
                let index = input.integer(INDEXED.1)?;
                fields.push(self.get(index)?);
            } else if first & INCREMENTAL.0 != 0 {
                let field = self.literal(&mut input, INCREMENTAL.1)?;
                self.insert(field.clone());
                fields.push(field);
            } else if first & SIZE_UPDATE.0 != 0 {
                let max = input.integer(SIZE_UPDATE.1)?;
                if !fields.is_empty() || max > self.bound {
                    return Err(format!("a table size update to {max}"));
                }
                self.max = max;
                self.evict();
            } else {
                fields.push(self.literal(&mut input, PLAIN.1)?);
            }
        }
        Ok(fields)
    }

    fn literal(&self, input: &mut Input<'_>, prefix: u8) -> Result<Field, String> {
        let index = input.integer(prefix)?;
        let name = if index == 0 { input.string()? } else { self.get(index)?.0 };
        Ok((name, input.string()?))
    }

    fn get(&self, index: usize) -> Result<Field, String> {
        let index = index.checked_sub(1).ok_or("index 0")?;
        if let Some((name, value)) = STATIC.get(index) {
            return Ok((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        }
        let found = self.table.get(index - STATIC.len());
        found.cloned().ok_or_else(|| format!("index {}", index + 1))
    }

    fn insert(&mut self, field: Field) {
        self.table.push_front(field);
        self.evict();
    }

    fn evict(&mut self) {
        let size = |it: &Field| it.0.len() + it.1.len() + 32;
        while self.table.iter().map(size).sum::<usize>() > self.max {
            self.table.pop_back();
        }
    }
}

impl Input<'_> {
    fn byte(&mut self) -> Result<u8, String> {
        let (&byte, rest) = self.0.split_first().ok_or("a block that is cut off")?;
        self.0 = rest;
        Ok(byte)
    }

    fn integer(&mut self, prefix: u8) -> Result<usize, String> {
        let full = (1_usize << prefix) - 1;
        let mut value = usize::from(self.byte()?) & full;
        if value < full {
            return Ok(value);
        }
        for shift in (0..28).step_by(7) {
            let byte = self.byte()?;
            value += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("an integer over 28 bits".to_owned())
    }

    fn string(&mut self) -> Result<Vec<u8>, String> {
        let is_coded = self.0.first().is_some_and(|first| first & 0x80 != 0);
        let len = self.integer(7)?;
        let text = self.0.get(..len).ok_or("a string that is cut off")?;
        self.0 = &self.0[len..];
        if is_coded { huffman::decode(text) } else { Ok(text.to_vec()) }
    }
}

/// The static table (appendix A).
#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""),
    ("cache-control", ""), ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""),
    ("content-length", ""), ("content-location", ""), ("content-range", ""), ("content-type", ""),
    ("cookie", ""), ("date", ""), ("etag", ""), ("expect", ""), ("expires", ""), ("from", ""), ("host", ""),
    ("if-match", ""), ("if-modified-since", ""), ("if-none-match", ""), ("if-range", ""),
    ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""), ("location", ""),
    ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""),
    ("via", ""), ("www-authenticate", ""),
];

#[cfg(test)]
mod tests {
    use super::{Block, Decoder, Field, huffman};

    fn field(name: &str, value: &str) -> Field {
        (name.as_bytes().to_vec(), value.as_bytes().to_vec())
    }

    #[test]
    fn blocks_come_back() {
        let block = Block::new().indexed(2).entry("x", "y").never("a", "b").coded(b"n", b"value");
        let mut decoder = Decoder::new(4096);
        let fields = decoder.decode(block.as_ref()).expect("it is in order");
        assert_eq!(
            fields,
            [field(":method", "GET"), field("x", "y"), field("a", "b"), field("n", "value")]
        );
        let again = decoder.decode(Block::new().indexed(62).as_ref());
        assert_eq!(again.expect("it is in order"), [field("x", "y")]);
        assert!(decoder.decode(Block::new().table_size(0).indexed(62).as_ref()).is_err());
    }

    /// RFC 7541 §C.4.1 and §C.6.1.
    #[test]
    fn huffman_samples() {
        let coded = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(huffman::encode(b"www.example.com"), coded);
        assert_eq!(huffman::decode(&coded).as_deref(), Ok(&b"www.example.com"[..]));
        assert_eq!(huffman::decode(&[0x64, 0x02]).as_deref(), Ok(&b"302"[..]));
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(huffman::decode(&huffman::encode(&all)), Ok(all));
    }
}
