//! A stream, as the one consumer of a group.

use core::time::Duration;
use std::collections::HashMap;

use redis::{FromRedisValue as _, Value};
use sockeye_backbone::Trouble;
use sockeye_source::{Id, Message};

use super::{Session, bytes};
use crate::trouble;

/// The consumer that all processes are, one at a time: so the next one finds what the one before it has taken.
const CONSUMER: &str = "sockeye";

/// The field that is the content.
const CONTENT: &str = "data";

/// Reads the group's messages, if the lease is ours: those that were taken before and are not acknowledged, behind an
/// identifier; or new ones, behind `>`.
const READ: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {0} end \
    redis.call('PEXPIRE', KEYS[1], ARGV[2]) \
    if ARGV[4] == '0' then return {1, false} end \
    return {1, redis.call('XREADGROUP', 'GROUP', ARGV[3], ARGV[6], 'COUNT', ARGV[4], 'STREAMS', KEYS[2], ARGV[5])}";

/// The stream, and how far it was read.
pub(super) struct Stream {
    key: Box<str>,
    group: Box<str>,
    /// Messages that were taken before are read behind this one; `None` once there are no more.
    again: Option<String>,
    /// The newest message that was read.
    newest: Option<String>,
}

/// An entry: its identifier, and its fields and values in turns. An entry that was deleted has none.
type Entry = (String, Option<Vec<Value>>);

/// The streams of a reply: one at the most, with its key.
type Streams = Vec<(Value, Vec<Entry>)>;

impl Stream {
    pub(super) fn new(key: &str, group: &str) -> Self {
        Self { key: key.into(), group: group.into(), again: None, newest: None }
    }

    pub(super) fn open(&mut self, session: &mut Session<'_>) -> Result<(), Trouble> {
        let mut create = redis::cmd("XGROUP");
        create.arg("CREATE").arg(&*self.key).arg(&*self.group).arg("0").arg("MKSTREAM");
        if let Err(error) = session.link.ask_anything::<String>(&create)?
            && error.code() != Some("BUSYGROUP")
        {
            let key = (&*self.key, "a stream");
            return Err(trouble::of_key(&error, &session.link.name, key, session.config));
        }
        self.again = Some("0".to_owned());
        Ok(())
    }

    pub(super) fn take(
        &mut self,
        session: &mut Session<'_>,
        (count, wait): (usize, Duration),
        into: &mut Vec<Message>,
    ) -> Result<(), Trouble> {
        let mut entries = self.read(session, count)?;
        if entries.is_empty() && self.again.take().is_some() && count > 0 {
            entries = self.read(session, count)?;
        }
        if entries.is_empty() && count > 0 && !wait.is_zero() && self.is_news(session, wait)? {
            entries = self.read(session, count)?;
            if entries.is_empty() {
                // Somebody has moved the group.
                self.newest = None;
            }
        }
        into.extend(entries.into_iter().map(message));
        Ok(())
    }

    fn read(&mut self, session: &mut Session<'_>, count: usize) -> Result<Vec<Entry>, Trouble> {
        let mut command = session.script(READ, &[&self.key]);
        let behind = self.again.as_deref().unwrap_or(">");
        command.arg(&*self.group).arg(count).arg(behind).arg(CONSUMER);
        let reply: Vec<Value> = session.ask_long(&command, Duration::ZERO)?;
        let Some((1, streams)) = read(reply) else { return Err(session.overtaken()) };
        let entries: Vec<Entry> = streams.into_iter().flat_map(|(_, entries)| entries).collect();
        if let Some((id, _)) = entries.last() {
            match &mut self.again {
                Some(again) => again.clone_from(id),
                None => self.newest = Some(id.clone()),
            }
        }
        Ok(entries)
    }

    /// Waits for an entry that was not read.
    fn is_news(&self, session: &mut Session<'_>, wait: Duration) -> Result<bool, Trouble> {
        let mut command = redis::cmd("XREAD");
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
        command.arg("COUNT").arg(1).arg("BLOCK").arg(wait_ms).arg("STREAMS").arg(&*self.key);
        command.arg(self.newest.as_deref().unwrap_or("$"));
        let reply: Value = session.ask_long(&command, wait)?;
        Ok(reply != Value::Nil)
    }

    pub(super) fn acknowledge(&self, session: &mut Session<'_>, ids: &[Id]) -> Result<(), Trouble> {
        let mut command = redis::cmd("XACK");
        command.arg(&*self.key).arg(&*self.group);
        for id in ids {
            command.arg(&**id);
        }
        session.ask::<u64>(&command).map(drop)
    }

    /// The entries that the group has not read, and those that are not acknowledged.
    pub(super) fn pending(&self, session: &mut Session<'_>) -> Result<Option<u64>, Trouble> {
        let command = redis::cmd("XINFO").arg("GROUPS").arg(&*self.key).clone();
        let groups: Vec<HashMap<String, Value>> = session.ask_long(&command, Duration::ZERO)?;
        let is_ours = |group: &&HashMap<String, Value>| {
            let name = group.get("name").cloned().unwrap_or(Value::Nil);
            String::from_redis_value(name).is_ok_and(|name| name == *self.group)
        };
        let group = groups.iter().find(is_ours);
        let number = |field: &str| match group.and_then(|it| it.get(field)) {
            Some(Value::Int(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        // A server before 7.0 knows no lag.
        Ok(Option::zip(number("pending"), number("lag")).map(|(pending, lag)| pending + lag))
    }
}

/// The parts of the reply to [`READ`]: whether the lease is ours, and the streams.
fn read(reply: Vec<Value>) -> Option<(u8, Streams)> {
    let mut reply = reply.into_iter();
    let is_ours = u8::from_redis_value(reply.next()?).ok()?;
    let streams = reply.next().unwrap_or(Value::Nil);
    let streams = Option::<Streams>::from_redis_value(streams).ok()?;
    Some((is_ours, streams.unwrap_or_default()))
}

/// The message of an entry. A field that is no text is left out, and the content stays as it is.
fn message((id, fields): Entry) -> Message {
    let is_gone = fields.is_none();
    let mut message = Message { id: id.into(), is_gone, ..Message::default() };
    let mut values = fields.unwrap_or_default().into_iter().map(|it| bytes(it).unwrap_or_default());
    while let (Some(name), Some(value)) = (values.next(), values.next()) {
        if let (Ok(name), Ok(text)) = (str::from_utf8(&name), str::from_utf8(&value)) {
            message.fields.push((name.into(), text.into()));
        }
        if name == CONTENT.as_bytes() {
            message.body = value;
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use redis::{Value, parse_redis_value};

    use super::{message, read};

    fn reply(text: &str) -> Vec<Value> {
        match parse_redis_value(text.as_bytes()).expect("a reply") {
            Value::Array(values) => values,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn entries_are_messages_and_deleted_ones_are_gone() {
        let text = "*2\r\n:1\r\n*1\r\n*2\r\n$1\r\nk\r\n*2\r\n\
                    *2\r\n$3\r\n5-0\r\n*4\r\n$4\r\ndata\r\n$2\r\nab\r\n$1\r\nc\r\n$1\r\nd\r\n\
                    *2\r\n$3\r\n5-1\r\n*-1\r\n";
        let (is_ours, mut streams) = read(reply(text)).expect("a reply");
        assert_eq!(is_ours, 1);
        let messages: Vec<_> = streams.remove(0).1.into_iter().map(message).collect();
        assert_eq!((&*messages[0].id, &*messages[0].body), ("5-0", &b"ab"[..]));
        assert_eq!((messages[0].field("c"), messages[0].is_gone), (Some("d"), false));
        assert_eq!((&*messages[1].id, messages[1].is_gone), ("5-1", true));
    }

    #[test]
    fn no_entries_and_no_lease_are_told_apart() {
        assert_eq!(read(reply("*2\r\n:1\r\n*-1\r\n")), Some((1, Vec::new())));
        assert_eq!(read(reply("*1\r\n:0\r\n")), Some((0, Vec::new())));
        assert_eq!(read(reply("*1\r\n$1\r\nx\r\n")), None);
    }
}
