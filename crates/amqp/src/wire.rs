//! Fields of AMQP 0-9-1 (§4.2.5): numbers, strings and tables.

use bytes::{BufMut as _, BytesMut};

/// The deepest table in a table that is read. Servers send two.
const DEPTH_MAX: u32 = 8;

/// The bytes are no fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads fields.
pub(crate) struct Fields<'b>(pub(crate) &'b [u8]);

impl<'b> Fields<'b> {
    fn take(&mut self, length: usize) -> Result<&'b [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(crate) fn octet(&mut self) -> Result<u8, Malformed> {
        self.number().map(u8::from_be_bytes)
    }

    pub(crate) fn short(&mut self) -> Result<u16, Malformed> {
        self.number().map(u16::from_be_bytes)
    }

    pub(crate) fn long(&mut self) -> Result<u32, Malformed> {
        self.number().map(u32::from_be_bytes)
    }

    pub(crate) fn longlong(&mut self) -> Result<u64, Malformed> {
        self.number().map(u64::from_be_bytes)
    }

    /// A string of up to 255 bytes. Bytes that are no text are replaced.
    pub(crate) fn shortstr(&mut self) -> Result<Box<str>, Malformed> {
        let length = self.octet()?;
        Ok(String::from_utf8_lossy(self.take(length.into())?).into())
    }

    pub(crate) fn longstr(&mut self) -> Result<&'b [u8], Malformed> {
        let length = self.long()?;
        self.take(usize::try_from(length).map_err(|_| Malformed)?)
    }

    /// A table: its entries, of which those with other values than strings, numbers and tables have none.
    pub(crate) fn table(&mut self) -> Result<Table, Malformed> {
        self.table_within(DEPTH_MAX)
    }

    fn table_within(&mut self, depth: u32) -> Result<Table, Malformed> {
        let depth = depth.checked_sub(1).ok_or(Malformed)?;
        let mut fields = Fields(self.longstr()?);
        let mut table = Table::default();
        while !fields.0.is_empty() {
            let name = fields.shortstr()?;
            let value = fields.value(depth)?;
            table.0.push((name, value));
        }
        Ok(table)
    }

    /// A value of a table, in the types that RabbitMQ has: some of them are not those of the specification.
    fn value(&mut self, depth: u32) -> Result<Value, Malformed> {
        Ok(match self.octet()? {
            b't' => Value::Number(self.octet()?.into()),
            b'b' => Value::Number(i8::from_be_bytes(self.number()?).into()),
            b'B' => Value::Number(self.octet()?.into()),
            b's' => Value::Number(i16::from_be_bytes(self.number()?).into()),
            b'u' => Value::Number(self.short()?.into()),
            b'I' => Value::Number(i32::from_be_bytes(self.number()?).into()),
            b'i' => Value::Number(self.long()?.into()),
            b'l' | b'L' | b'T' => Value::Number(i64::from_be_bytes(self.number()?)),
            b'S' => Value::Text(String::from_utf8_lossy(self.longstr()?).into()),
            b'F' => Value::Table(self.table_within(depth)?),
            b'A' | b'x' => self.longstr().map(|_| Value::Other)?,
            b'f' => self.take(4).map(|_| Value::Other)?,
            b'd' => self.take(8).map(|_| Value::Other)?,
            b'D' => self.take(5).map(|_| Value::Other)?,
            b'V' => Value::Other,
            _ => return Err(Malformed),
        })
    }
}

/// A table of names and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table(Vec<(Box<str>, Value)>);

/// A value of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// An integer, or a truth value that was read, which is 0 or 1.
    Number(i64),
    /// The value "true", to be written.
    Truth,
    Text(Box<str>),
    Table(Table),
    /// A value of another type, which was passed over.
    Other,
}

impl Table {
    /// This table with one entry more.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.0.push((name.into(), value));
        self
    }

    /// Sets an entry, or removes it.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Option<Value>>) {
        self.0.retain(|(known, _)| **known != *name);
        self.0.extend(value.into().map(|value| (name.into(), value)));
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.value(name)? {
            Value::Text(text) => Some(text),
            Value::Number(_) | Value::Truth | Value::Table(_) | Value::Other => None,
        }
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        match self.value(name)? {
            Value::Number(number) => Some(*number),
            Value::Text(_) | Value::Truth | Value::Table(_) | Value::Other => None,
        }
    }
}

/// Writes fields.
pub(crate) trait PutFields {
    /// A string of up to 255 bytes; a longer one is cut.
    fn put_shortstr(&mut self, text: &str);
    fn put_longstr(&mut self, bytes: &[u8]);
    fn put_table(&mut self, table: &Table);
}

impl PutFields for BytesMut {
    fn put_shortstr(&mut self, text: &str) {
        let length = text.len().min(255);
        self.put_u8(u8::try_from(length).expect("255 at the most"));
        self.put_slice(&text.as_bytes()[..length]);
    }

    fn put_longstr(&mut self, bytes: &[u8]) {
        self.put_u32(u32::try_from(bytes.len()).expect("texts of a configuration are short"));
        self.put_slice(bytes);
    }

    fn put_table(&mut self, table: &Table) {
        let mut fields = Self::new();
        for (name, value) in &table.0 {
            fields.put_shortstr(name);
            match value {
                Value::Number(number) => {
                    fields.put_u8(b'l');
                    fields.put_i64(*number);
                }
                Value::Truth => fields.put_slice(b"t\x01"),
                Value::Text(text) => {
                    fields.put_u8(b'S');
                    fields.put_longstr(text.as_bytes());
                }
                Value::Table(table) => {
                    fields.put_u8(b'F');
                    fields.put_table(table);
                }
                Value::Other => fields.put_u8(b'V'),
            }
        }
        self.put_longstr(&fields);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_come_back() {
        let inner = Table::default().with("b", Value::Number(1));
        let table = Table::default()
            .with("text", Value::Text("ä".into()))
            .with("number", Value::Number(-7))
            .with("table", Value::Table(inner))
            .with("void", Value::Other);
        let mut bytes = BytesMut::new();
        bytes.put_table(&table);
        assert_eq!(Fields(&bytes).table(), Ok(table.clone()));
        assert_eq!((table.text("text"), table.number("number")), (Some("ä"), Some(-7)));
        assert_eq!((table.text("number"), table.number("nothing")), (None, None));
        for length in 0..bytes.len() {
            assert_eq!(Fields(&bytes[..length]).table(), Err(Malformed), "cut at {length}");
        }
    }

    #[test]
    fn values_of_all_types_are_passed_over_or_read() {
        let fields: &[(&[u8], Value)] = &[
            (b"t\x01", Value::Number(1)),
            (b"b\xff", Value::Number(-1)),
            (b"B\xff", Value::Number(255)),
            (b"s\xff\xff", Value::Number(-1)),
            (b"u\xff\xff", Value::Number(65_535)),
            (b"I\xff\xff\xff\xff", Value::Number(-1)),
            (b"i\0\0\0\x05", Value::Number(5)),
            (b"l\0\0\0\0\0\0\0\x09", Value::Number(9)),
            (b"f\0\0\0\0", Value::Other),
            (b"d\0\0\0\0\0\0\0\0", Value::Other),
            (b"D\x02\0\0\0\0", Value::Other),
            (b"A\0\0\0\x02t\x01", Value::Other),
            (b"x\0\0\0\x01a", Value::Other),
            (b"V", Value::Other),
        ];
        for (bytes, value) in fields {
            let mut fields = Fields(bytes);
            assert_eq!(fields.value(1), Ok(value.clone()), "{bytes:?}");
            assert!(fields.0.is_empty(), "{bytes:?}");
        }
        assert_eq!(Fields(b"?\0").value(1), Err(Malformed));
    }

    #[test]
    fn tables_are_not_too_deep() {
        let mut table = Table::default();
        for _ in 0..DEPTH_MAX {
            table = Table::default().with("t", Value::Table(table));
        }
        let mut bytes = BytesMut::new();
        bytes.put_table(&table);
        assert_eq!(Fields(&bytes).table(), Err(Malformed));
    }
}
