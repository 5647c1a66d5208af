//! The commands of the log's stream, and their replies.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use sockeye_backbone::{LogEnds, Position};

use crate::resp::{self, Element, Reply, RespError};

/// The field of an entry that has its bytes.
const FIELD: &[u8] = b"e";

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

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, RespError> {
        let text = core::str::from_utf8(bytes).map_err(|_| RespError::Shape)?;
        let (fence, sequence) = text.split_once('-').ok_or(RespError::Shape)?;
        let part = |text: &str| text.parse().map_err(|_| RespError::Shape);
        Ok(Self { fence: part(fence)?, sequence: part(sequence)? })
    }

    fn text(self) -> String {
        format!("{}-{}", self.fence, self.sequence)
    }
}

/// Appends an entry under a fence to a stream that exists. `fence` is `FENCE-*`.
pub(crate) fn add(out: &mut Vec<u8>, key: &str, fence: &str, entry: &[u8]) {
    resp::command(out, &[b"XADD", key.as_bytes(), b"NOMKSTREAM", fence.as_bytes(), FIELD, entry]);
}

/// Appends the first entry under a fence to a stream that exists.
pub(crate) fn add_first(out: &mut Vec<u8>, key: &str, fence: u64, entry: &[u8]) {
    let id = Id { fence, sequence: 0 }.text();
    resp::command(out, &[b"XADD", key.as_bytes(), b"NOMKSTREAM", id.as_bytes(), FIELD, entry]);
}

/// Appends the first entry under a fence, and creates the stream.
pub(crate) fn create(out: &mut Vec<u8>, key: &str, fence: u64, entry: &[u8]) {
    let id = Id { fence, sequence: 0 }.text();
    resp::command(out, &[b"XADD", key.as_bytes(), id.as_bytes(), FIELD, entry]);
}

/// Drops the entries before a position.
pub(crate) fn trim(out: &mut Vec<u8>, key: &str, before: Position) {
    let id = Id::at(before).text();
    resp::command(out, &[b"XTRIM", key.as_bytes(), b"MINID", b"=", id.as_bytes()]);
}

/// Reads what is behind an identifier, or waits for it.
pub(crate) fn read(out: &mut Vec<u8>, key: &str, after: Id, count: usize, block_ms: u64) {
    let (count, block, after) = (count.to_string(), block_ms.to_string(), after.text());
    let options = [b"XREAD", b"COUNT", count.as_bytes(), b"BLOCK", block.as_bytes()];
    let all: Vec<&[u8]> =
        options.into_iter().chain([b"STREAMS", key.as_bytes(), after.as_bytes()]).collect();
    resp::command(out, &all);
}

/// Asks for the stream's ends.
pub(crate) fn ends(out: &mut Vec<u8>, key: &str) {
    resp::command(out, &[b"XINFO", b"STREAM", key.as_bytes()]);
}

/// A stream as its server describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) ends: LogEnds,
    /// The greatest identifier that it ever had.
    pub(crate) newest: Id,
}

/// Reads the reply of [`ends`]; `Err` has the server's error. `Ok(None)` means that the stream does not exist.
pub(crate) fn read_ends<'a>(
    reply: &mut Reply<'a>,
) -> Result<Answer<'a, Option<Description>>, RespError> {
    let fields = match reply.element()? {
        Element::Array(elements) => elements / 2,
        Element::Error(error) if error.contains("no such key") => return Ok(Ok(None)),
        Element::Error(error) => return Ok(Err(error)),
        Element::Status(_) | Element::Number(_) | Element::Bulk(_) | Element::Nil => {
            return Err(RespError::Shape);
        }
    };
    let mut description = Description { ends: LogEnds::default(), newest: Id::ZERO };
    for _ in 0..fields {
        match reply.bulk()? {
            b"last-generated-id" => description.newest = Id::read(reply.bulk()?)?,
            b"first-entry" => description.ends.first = end(reply)?,
            b"last-entry" => description.ends.last = end(reply)?,
            _ => reply.skip()?,
        }
    }
    Ok(Ok(Some(description)))
}

/// What a server answered: a result, or an error.
pub(crate) type Answer<'a, T> = Result<T, &'a str>;

/// The position of an entry that a description has.
fn end(reply: &mut Reply<'_>) -> Result<Option<Position>, RespError> {
    match reply.element()? {
        Element::Nil => Ok(None),
        Element::Array(2) => {
            let id = Id::read(reply.bulk()?)?;
            reply.skip()?;
            Ok(Some(id.position()))
        }
        _ => Err(RespError::Shape),
    }
}

/// An entry and its identifier.
pub(crate) type Entry = (Id, Arc<[u8]>);

/// Reads the reply of [`read`] to the end of `entries`.
pub(crate) fn read_entries<'a>(
    reply: &mut Reply<'a>,
    entries: &mut Vec<Entry>,
) -> Result<Answer<'a, ()>, RespError> {
    match reply.element()? {
        Element::Nil => return Ok(Ok(())),
        Element::Error(error) => return Ok(Err(error)),
        Element::Array(1) => {}
        _ => return Err(RespError::Shape),
    }
    if reply.array()? != 2 {
        return Err(RespError::Shape);
    }
    reply.skip()?;
    let count = reply.array()?;
    entries.reserve(count);
    for _ in 0..count {
        entries.push(read_entry(reply)?);
    }
    Ok(Ok(()))
}

fn read_entry(reply: &mut Reply<'_>) -> Result<Entry, RespError> {
    if reply.array()? != 2 {
        return Err(RespError::Shape);
    }
    let id = Id::read(reply.bulk()?)?;
    let fields = match reply.element()? {
        Element::Array(elements) => elements,
        // An entry that was deleted while it was read.
        Element::Nil => 0,
        _ => return Err(RespError::Shape),
    };
    let mut entry: &[u8] = &[];
    for field in 0..fields / 2 {
        let (name, value) = (reply.bulk()?, reply.bulk()?);
        // What a stranger wrote has no bytes of ours.
        if field == 0 && fields == 2 && name == FIELD {
            entry = value;
        }
    }
    Ok((id, Arc::from(entry)))
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

    use super::{Id, read_ends, read_entries};
    use crate::resp::{Element, Reply, RespError};

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
        let mut entries = Vec::new();
        let read = read_entries(&mut Reply::new(reply.as_bytes()), &mut entries);
        assert_eq!(read, Ok(Ok(())));
        let texts: Vec<_> = entries.iter().map(|(id, it)| (id.sequence, &it[..])).collect();
        assert_eq!(texts, [(0, &b"ab"[..]), (1, b""), (2, b""), (3, b"")]);
    }

    #[test]
    fn a_reply_of_another_shape_is_an_error() {
        for reply in
            ["+OK\r\n", "*1\r\n:1\r\n", "*1\r\n*2\r\n$1\r\nk\r\n*1\r\n*2\r\n$1\r\n5\r\n*-1\r\n"]
        {
            let read = read_entries(&mut Reply::new(reply.as_bytes()), &mut Vec::new());
            assert_eq!(read, Err(RespError::Shape), "{reply:?}");
        }
        let mut reply = Reply::new(b"*2\r\n$10\r\nlast-entry\r\n:1\r\n");
        assert_eq!(read_ends(&mut reply), Err(RespError::Shape));
        assert_eq!(Reply::new(b"").element(), Err::<Element<'_>, _>(RespError::Shape));
    }
}
