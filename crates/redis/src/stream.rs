//! The commands of the log's stream, and their replies.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use redis::{Cmd, FromRedisValue, ParsingError, Value};
use sockeye_backbone::{LogEnds, Position};

/// The field of an entry that has its bytes.
const FIELD: &str = "e";

/// Room for the bytes of an `XADD` beside its key and its entry.
const COMMAND_BYTES: usize = 64;

/// The second part of the greatest identifier under a first part.
const LAST: u64 = u64::MAX;

/// An identifier of an entry: `FENCE-SEQUENCE`. The sequence of a fence begins with 0, its numbers with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) fence: u64,
    pub(crate) sequence: u64,
}

impl Id {
    pub(crate) const ZERO: Self = Self { fence: 0, sequence: 0 };

    /// The identifier of the entry at a position; a number of 0 is the beginning of its fence.
    pub(crate) const fn at(position: Position) -> Self {
        Self { fence: position.fence, sequence: position.number.saturating_sub(1) }
    }

    /// The identifier before this one: reading goes on behind it.
    pub(crate) const fn before(self) -> Self {
        match (self.fence, self.sequence) {
            (0, 0) => Self::ZERO,
            (fence, 0) => Self { fence: fence - 1, sequence: LAST },
            (fence, sequence) => Self { fence, sequence: sequence - 1 },
        }
    }

    pub(crate) const fn position(self) -> Position {
        Position::new(self.fence, self.sequence.saturating_add(1))
    }

    fn text(self) -> String {
        format!("{}-{}", self.fence, self.sequence)
    }
}

/// Reads `FENCE-SEQUENCE`.
impl FromRedisValue for Id {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let text = String::from_redis_value(value)?;
        let parts = text.split_once('-');
        parts
            .and_then(|(fence, sequence)| {
                Some(Self { fence: fence.parse().ok()?, sequence: sequence.parse().ok()? })
            })
            .ok_or_else(|| "not an identifier of an entry".into())
    }
}

/// Appends an entry under a fence to a stream that exists. `fence` is `FENCE-*`.
pub(crate) fn add(key: &str, fence: &str, entry: &[u8]) -> Cmd {
    let mut command = Cmd::with_capacity(6, COMMAND_BYTES + key.len() + entry.len());
    command.arg("XADD").arg(key).arg("NOMKSTREAM").arg(fence).arg(FIELD).arg(entry);
    command
}

/// Appends the first entry under a fence to a stream that exists.
pub(crate) fn add_first(key: &str, fence: u64, entry: &[u8]) -> Cmd {
    add(key, &Id { fence, sequence: 0 }.text(), entry)
}

/// Appends the first entry under a fence, and creates the stream.
pub(crate) fn create(key: &str, fence: u64, entry: &[u8]) -> Cmd {
    let mut command = redis::cmd("XADD");
    command.arg(key).arg(Id { fence, sequence: 0 }.text()).arg(FIELD).arg(entry);
    command
}

/// Drops the entries before a position.
pub(crate) fn trim(key: &str, before: Position) -> Cmd {
    let mut command = redis::cmd("XTRIM");
    command.arg(key).arg("MINID").arg("=").arg(Id::at(before).text());
    command
}

/// Reads what is behind an identifier, or waits for it.
pub(crate) fn read(key: &str, after: Id, count: usize, block_ms: u64) -> Cmd {
    let mut command = redis::cmd("XREAD");
    command.arg("COUNT").arg(count).arg("BLOCK").arg(block_ms);
    command.arg("STREAMS").arg(key).arg(after.text());
    command
}

/// Asks for the stream's ends.
pub(crate) fn ends(key: &str) -> Cmd {
    let mut command = redis::cmd("XINFO");
    command.arg("STREAM").arg(key);
    command
}

/// A stream as its server describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) ends: LogEnds,
    /// The greatest identifier that it ever had.
    pub(crate) newest: Id,
}

/// Reads the reply of [`ends`].
impl FromRedisValue for Description {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let mut fields = HashMap::<String, Value>::from_redis_value(value)?;
        let mut field = |name: &str| fields.remove(name).unwrap_or(Value::Nil);
        let mut end = |name: &str| -> Result<Option<Position>, ParsingError> {
            let entry = Option::<(Id, Value)>::from_redis_value(field(name))?;
            Ok(entry.map(|(id, _)| id.position()))
        };
        let (first, last) = (end("first-entry")?, end("last-entry")?);
        let newest = Id::from_redis_value(field("last-generated-id"))?;
        Ok(Self { ends: LogEnds { first, last, ..LogEnds::default() }, newest })
    }
}

/// An entry and its identifier.
pub(crate) type Entry = (Id, Arc<[u8]>);

/// The reply of [`read`]: streams and their entries, each with its fields and their values in turns. The fields
/// are nil if the entry was deleted while it was read.
pub(crate) type Streams = Vec<(Value, Vec<(Id, Option<Vec<Value>>)>)>;

/// The entries of a reply.
pub(crate) fn entries(streams: Streams) -> impl Iterator<Item = Entry> {
    let entries = streams.into_iter().flat_map(|(_key, entries)| entries);
    entries.map(|(id, fields)| (id, bytes(fields.unwrap_or_default())))
}

/// What an entry has in our field. What a stranger wrote has no bytes of ours.
fn bytes(fields: Vec<Value>) -> Arc<[u8]> {
    match <[Value; 2]>::try_from(fields) {
        Ok([Value::BulkString(name), Value::BulkString(bytes)]) if name == FIELD.as_bytes() => {
            bytes.into()
        }
        Ok(_) | Err(_) => Arc::default(),
    }
}

/// A fence above all entries of a stream.
pub(crate) fn next_fence(newest: Id) -> u64 {
    let unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_millis());
    let unix_ms = u64::try_from(unix_ms).unwrap_or(u64::MAX);
    unix_ms.max(newest.fence.saturating_add(1)).max(1)
}

#[cfg(test)]
mod tests {
    use sockeye_backbone::Position;

    use redis::{FromRedisValue as _, Value, parse_redis_value};

    use super::{Description, Id, Streams, entries};

    #[test]
    fn reading_on_is_inclusive() {
        let behind = |fence, number| Id::at(Position::new(fence, number)).before().text();
        assert_eq!(behind(5, 3), "5-1");
        assert_eq!(behind(5, 1), "4-18446744073709551615");
        assert_eq!(behind(5, 0), "4-18446744073709551615");
        assert_eq!(behind(0, 0), "0-0");
        assert_eq!(Id { fence: 5, sequence: 0 }.position(), Position::new(5, 1));
    }

    #[test]
    fn strange_entries_come_back_empty() {
        let reply = "*1\r\n*2\r\n$1\r\nk\r\n*4\r\n\
                     *2\r\n$3\r\n5-0\r\n*2\r\n$1\r\ne\r\n$2\r\nab\r\n\
                     *2\r\n$3\r\n5-1\r\n*2\r\n$1\r\nx\r\n$2\r\nab\r\n\
                     *2\r\n$3\r\n5-2\r\n*4\r\n$1\r\ne\r\n$1\r\na\r\n$1\r\ne\r\n$1\r\nb\r\n\
                     *2\r\n$3\r\n5-3\r\n*-1\r\n";
        let streams = Streams::from_redis_value(value(reply)).expect("a reply of XREAD");
        let texts: Vec<_> = entries(streams).map(|(id, it)| (id.sequence, it.to_vec())).collect();
        let texts: Vec<_> = texts.iter().map(|(sequence, it)| (*sequence, &it[..])).collect();
        assert_eq!(texts, [(0, &b"ab"[..]), (1, b""), (2, b""), (3, b"")]);
    }

    #[test]
    fn a_reply_of_another_shape_is_an_error() {
        for reply in
            ["+OK\r\n", "*1\r\n:1\r\n", "*1\r\n*2\r\n$1\r\nk\r\n*1\r\n*2\r\n$1\r\n5\r\n*-1\r\n"]
        {
            Streams::from_redis_value(value(reply)).expect_err(reply);
        }
        for reply in ["*2\r\n$10\r\nlast-entry\r\n:1\r\n", "*2\r\n$1\r\na\r\n:1\r\n", "*0\r\n"] {
            Description::from_redis_value(value(reply)).expect_err(reply);
        }
    }

    fn value(reply: &str) -> Value {
        parse_redis_value(reply.as_bytes()).expect("a reply")
    }
}
