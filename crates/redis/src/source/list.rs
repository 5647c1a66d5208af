//! A list, whose elements get a number when they are taken.
//!
//! ```text
//!  list ─► LMOVE ─► KEY:sockeye:moved ─► script: a number ─► KEY:sockeye:pending ─► LREM, after the receipt
//! ```
//!
//! Elements may be equal, so their numbers tell them apart. Numbers grow with the server's time, also after a FLUSHALL.

use core::time::Duration;
use std::collections::{HashMap, VecDeque};

use redis::Value;
use sockeye_backbone::Trouble;
use sockeye_source::{Id, Message};

use super::{REPLY_BYTES_MAX, Session, bytes};
use crate::link::SHORT_REPLY_BYTES_MAX;

/// Takes elements, if the lease is ours: numbers them and puts them into the pending list.
const TAKE: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {0} end \
    redis.call('PEXPIRE', KEYS[1], ARGV[2]) \
    local out, time = {1}, redis.call('TIME') \
    local now, last = time[1] * 1000000 + time[2], tonumber(redis.call('GET', KEYS[5]) or '0') \
    for _ = 1, ARGV[3] do \
      local value = redis.call('LPOP', KEYS[3]) or redis.call(ARGV[4], KEYS[2]) \
      if not value then break end \
      last = math.max(last + 1, now) \
      out[#out + 1] = string.format('%.0f', last) .. ':' .. value \
      redis.call('RPUSH', KEYS[4], out[#out]) \
    end \
    if #out > 1 then redis.call('SET', KEYS[5], string.format('%.0f', last)) end \
    return out";

/// The list, and what was taken from it.
pub(super) struct List {
    key: Box<str>,
    /// The key of a single element that was moved before its number was given.
    moved: String,
    pending: String,
    number: String,
    takes_from_right: bool,
    /// Elements that a former session has taken.
    again: VecDeque<Vec<u8>>,
    /// The elements that are not acknowledged, as the pending list has them.
    elements: HashMap<Id, Vec<u8>>,
}

impl List {
    pub(super) fn new(key: &str, takes_from_right: bool) -> Self {
        Self {
            key: key.into(),
            moved: format!("{key}:sockeye:moved"),
            pending: format!("{key}:sockeye:pending"),
            number: format!("{key}:sockeye:number"),
            takes_from_right,
            again: VecDeque::new(),
            elements: HashMap::new(),
        }
    }

    pub(super) fn open(&mut self, session: &mut Session<'_>) -> Result<(), Trouble> {
        let mut command = redis::cmd("LRANGE");
        command.arg(&self.pending).arg(0).arg(-1);
        let key = (&*self.pending, "a list");
        let pending: Vec<Value> = session.ask_key(&command, key, REPLY_BYTES_MAX)?;
        // The script that takes elements cannot say which key is of another type.
        for key in [&*self.key, &self.moved] {
            let command = redis::cmd("LLEN").arg(key).clone();
            session.ask_key::<u64>(&command, (key, "a list"), SHORT_REPLY_BYTES_MAX)?;
        }
        let number = redis::cmd("GET").arg(&self.number).clone();
        let key = (&*self.number, "a text");
        session.ask_key::<Option<String>>(&number, key, SHORT_REPLY_BYTES_MAX)?;
        self.again = pending.into_iter().filter_map(bytes).collect();
        Ok(())
    }

    pub(super) fn take(
        &mut self,
        session: &mut Session<'_>,
        (count, wait): (usize, Duration),
        into: &mut Vec<Message>,
    ) -> Result<(), Trouble> {
        let has_again = !self.again.is_empty();
        let again = self.again.drain(..count.min(self.again.len())).collect::<Vec<_>>();
        // The lease is renewed in any case.
        let mut elements = self.read(session, if has_again { 0 } else { count })?;
        if !has_again && elements.is_empty() && count > 0 && !wait.is_zero() {
            self.wait(session, wait)?;
            elements = self.read(session, count)?;
        }
        for element in again.into_iter().chain(elements) {
            into.extend(self.message(element));
        }
        Ok(())
    }

    fn read(&self, session: &mut Session<'_>, count: usize) -> Result<Vec<Vec<u8>>, Trouble> {
        let keys = [&*self.key, &self.moved, &self.pending, &self.number];
        let mut command = session.script(TAKE, &keys);
        command.arg(count).arg(if self.takes_from_right { "RPOP" } else { "LPOP" });
        let reply: Vec<Value> = session.ask_long(&command, Duration::ZERO)?;
        let mut reply = reply.into_iter();
        if reply.next() != Some(Value::Int(1)) {
            return Err(session.overtaken());
        }
        Ok(reply.filter_map(bytes).collect())
    }

    /// Waits for an element, and moves it. It has its place then, whoever takes it.
    fn wait(&self, session: &mut Session<'_>, wait: Duration) -> Result<(), Trouble> {
        let mut command = redis::cmd("BLMOVE");
        let side = if self.takes_from_right { "RIGHT" } else { "LEFT" };
        command.arg(&*self.key).arg(&self.moved).arg(side).arg("RIGHT");
        command.arg(format!("{:.3}", wait.as_secs_f64().max(0.001)));
        session.ask_long::<Value>(&command, wait).map(drop)
    }

    /// The message of an element; `None` for what somebody else has put into the pending list.
    fn message(&mut self, element: Vec<u8>) -> Option<Message> {
        let colon = element.iter().position(|byte| *byte == b':')?;
        let id: Id = str::from_utf8(&element[..colon]).ok()?.into();
        let body = element[colon + 1..].to_vec();
        self.elements.insert(id.clone(), element);
        Some(Message { id, body, ..Message::default() })
    }

    pub(super) fn acknowledge(
        &mut self,
        session: &mut Session<'_>,
        ids: &[Id],
    ) -> Result<(), Trouble> {
        let mut commands = redis::pipe();
        let elements = ids.iter().filter_map(|id| self.elements.get(id));
        elements.for_each(|it| _ = commands.cmd("LREM").arg(&self.pending).arg(1).arg(it));
        session.link.send(&commands.get_packed_pipeline())?;
        for _ in 0..commands.len() {
            let reply = session.link.receive(1024)?;
            let removed = session.link.convert::<u64>(reply)?;
            removed.map_err(|error| {
                crate::trouble::of_error(&error, &session.link.name, session.config)
            })?;
        }
        for id in ids {
            self.elements.remove(id);
        }
        Ok(())
    }

    pub(super) fn pending(&self, session: &mut Session<'_>) -> Result<Option<u64>, Trouble> {
        let mut all = 0;
        for key in [&*self.key, &self.moved, &self.pending] {
            all += session.ask::<u64>(redis::cmd("LLEN").arg(key))?;
        }
        Ok(Some(all))
    }
}

#[cfg(test)]
mod tests {
    use super::List;

    #[test]
    fn an_element_has_its_number_before_a_colon() {
        let mut list = List::new("jobs", false);
        let message = list.message(b"17:a:b".to_vec()).expect("an element of ours");
        assert_eq!((&*message.id, &*message.body), ("17", &b"a:b"[..]));
        assert_eq!(list.message(b"strange".to_vec()), None);
    }
}
