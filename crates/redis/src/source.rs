//! A stream or a list of Redis as the bus of a source.
//!
//! One process at a time takes the messages: the one that has the lease, a key with a time to live. Scripts take messages
//! only while the lease is theirs, so a process that was away for longer takes none.

mod list;
mod stream;
mod url;

use core::time::Duration;
use std::hash::{BuildHasher as _, RandomState};

use redis::{Cmd, FromRedisValue, Value};
use sockeye_backbone::{Trouble, TroubleKind};
use sockeye_source::{Bus, Id, Message, Opened, Room};

use self::list::List;
use self::stream::Stream;
pub use self::url::{RedisSourceConfig, SourceUrlError};
use crate::check;
use crate::config::RedisConfig;
use crate::link::{Link, SHORT_REPLY_BYTES_MAX};
use crate::sentinel::Servers;

/// How long a lease holds without a word of its owner, in milliseconds.
const LEASE_MS: u64 = 5_000;

/// A reply with messages: more than one of the largest.
const REPLY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The messages of the first reply. The sizes of those that came tell how many the next one may have.
const COUNT_FIRST: usize = 16;

/// Takes or renews a lease: 1 if it is ours.
const LEASE: &str = "local owner = redis.call('GET', KEYS[1]) \
    if owner and owner ~= ARGV[1] then return 0 end \
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return 1";

/// Gives a lease back.
const RELEASE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1";

/// A stream, read as a consumer group, or a list.
pub struct RedisSource {
    config: RedisSourceConfig,
    servers: Servers,
    link: Option<Link>,
    lease: Lease,
    queue: Queue,
    /// The bytes of a message, by the last reply that had some.
    bytes_each: usize,
}

enum Queue {
    Stream(Stream),
    List(List),
}

/// The lease of this process.
struct Lease {
    key: String,
    token: String,
}

impl RedisSource {
    /// A source that connects when it is opened.
    pub fn new(config: RedisSourceConfig) -> Self {
        let random = RandomState::new();
        let token = format!("{:016x}{:016x}", random.hash_one(0), random.hash_one(1));
        let key = config.redis.key();
        let (lease, queue) = match &config.group {
            Some(group) => {
                (format!("{key}:sockeye:{group}"), Queue::Stream(Stream::new(key, group)))
            }
            None => {
                (format!("{key}:sockeye"), Queue::List(List::new(key, config.takes_from_right)))
            }
        };
        Self {
            servers: Servers::new(&config.redis),
            link: None,
            lease: Lease { key: lease, token },
            queue,
            bytes_each: REPLY_BYTES_MAX / COUNT_FIRST,
            config,
        }
    }

    fn connect(&mut self) -> Result<(), Trouble> {
        let config = &self.config.redis;
        let server = self.servers.primary(config)?;
        let mut link = Link::open(&server, &config.login, config)?;
        if config.database != 0 {
            link.ask::<String>(redis::cmd("SELECT").arg(config.database), config)?;
        }
        check::role(&mut link, config)?;
        self.link = Some(link);
        Ok(())
    }

    /// Runs a step on the link. After a trouble there is none.
    fn on_link<T>(
        &mut self,
        step: impl FnOnce(&mut Queue, &mut Session<'_>) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let Some(mut link) = self.link.take() else {
            return Err(Trouble::new(TroubleKind::Unreachable, "there is no connection"));
        };
        let mut session =
            Session { link: &mut link, config: &self.config.redis, lease: &self.lease };
        let done = step(&mut self.queue, &mut session)?;
        self.link = Some(link);
        Ok(done)
    }

    /// The messages of the next reply.
    fn count(&self, room: Room) -> usize {
        room.entries.min(room.bytes / self.bytes_each.max(1)).max(1)
    }
}

/// A connection, while it is used.
struct Session<'s> {
    link: &'s mut Link,
    config: &'s RedisConfig,
    lease: &'s Lease,
}

impl Session<'_> {
    fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, Trouble> {
        self.link.ask(command, self.config)
    }

    /// Asks for a key that is to be of this type.
    fn ask_key<T: FromRedisValue>(
        &mut self,
        command: &Cmd,
        key: (&str, &str),
        reply_bytes_max: usize,
    ) -> Result<T, Trouble> {
        self.link.send(&command.get_packed_command())?;
        let reply = self.link.receive(reply_bytes_max)?;
        let converted = self.link.convert(reply)?;
        converted.map_err(|error| crate::trouble::of_key(&error, &self.link.name, key, self.config))
    }

    /// Asks for what may be long, or takes so long.
    fn ask_long<T: FromRedisValue>(&mut self, command: &Cmd, wait: Duration) -> Result<T, Trouble> {
        self.link.send(&command.get_packed_command())?;
        let reply = self.link.receive_after(wait, REPLY_BYTES_MAX)?;
        let converted = self.link.convert(reply)?;
        converted.map_err(|error| crate::trouble::of_error(&error, &self.link.name, self.config))
    }

    /// The beginning of a script that needs the lease: its keys and arguments begin with those of the lease.
    fn script(&self, text: &str, keys: &[&str]) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(text).arg(keys.len() + 1).arg(&self.lease.key).arg(keys);
        command.arg(&self.lease.token).arg(LEASE_MS);
        command
    }

    /// The trouble of a script whose lease is another process's now.
    fn overtaken(&self) -> Trouble {
        let text = format!("{}: another process takes the messages now", self.link.name);
        Trouble::new(TroubleKind::NoLeader, text)
    }
}

impl Bus for RedisSource {
    fn open(&mut self) -> Result<Opened, Trouble> {
        if self.link.is_none() {
            self.connect()?;
        }
        self.on_link(|queue, session| {
            let lease = (&*session.lease.key, "a lease");
            let is_ours: u8 =
                session.ask_key(&session.script(LEASE, &[]), lease, SHORT_REPLY_BYTES_MAX)?;
            if is_ours == 0 {
                return Ok(Opened::Standby);
            }
            match queue {
                Queue::Stream(stream) => stream.open(session)?,
                Queue::List(list) => list.open(session)?,
            }
            Ok(Opened::Active)
        })
    }

    fn take(
        &mut self,
        room: Room,
        wait: Duration,
        _known: &mut dyn Iterator<Item = &str>,
        into: &mut Vec<Message>,
    ) -> Result<(), Trouble> {
        let count = if room.is_none() { 0 } else { self.count(room) };
        let before = into.len();
        // A reply that is too long is asked for again in smaller ones.
        let bytes_each = core::mem::replace(&mut self.bytes_each, REPLY_BYTES_MAX);
        self.on_link(|queue, session| match queue {
            Queue::Stream(stream) => stream.take(session, (count, wait), into),
            Queue::List(list) => list.take(session, (count, wait), into),
        })?;
        let bytes = into[before..].iter().map(Message::cost).max();
        self.bytes_each = bytes.unwrap_or(bytes_each);
        Ok(())
    }

    fn acknowledge(&mut self, ids: &[Id]) -> Result<(), Trouble> {
        self.on_link(|queue, session| match queue {
            Queue::Stream(stream) => stream.acknowledge(session, ids),
            Queue::List(list) => list.acknowledge(session, ids),
        })
    }

    fn pending(&mut self) -> Result<Option<u64>, Trouble> {
        self.on_link(|queue, session| match queue {
            Queue::Stream(stream) => stream.pending(session),
            Queue::List(list) => list.pending(session),
        })
    }
}

/// Gives the lease back, so that another process need not wait for its end.
impl Drop for RedisSource {
    fn drop(&mut self) {
        let _ = self.on_link(|_, session| session.ask::<u8>(&session.script(RELEASE, &[])));
    }
}

impl core::fmt::Debug for RedisSource {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RedisSource").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The bytes of a reply that is a text of any bytes.
fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}
