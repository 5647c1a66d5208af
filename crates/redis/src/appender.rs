//! The thread that appends: one transaction at a time, whole or not at all.

use core::time::Duration;
use std::sync::Arc;

use redis::{Cmd, Pipeline, RedisError, RedisResult};
use sockeye_backbone::{Event, Position, Rejection, Trouble};

use crate::check;
use crate::link::Link;
use crate::shared::{Shared, Work};
use crate::stream::{self, Id};
use crate::trouble;

/// How long Redis waits for the copies of what was appended.
const COPIES_WAIT_MS: u32 = 500;

/// An acknowledgement is short; the description of a stream has two entries.
const REPLY_BYTES_MAX: usize = 64 * 1024;

/// Why appends are not in the log.
enum Failure {
    /// The server is well, and does not take them.
    Rejected(Rejection),
    /// The session is over.
    Trouble(Trouble),
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// Appends until the engine is stopped.
pub(crate) fn run(shared: &Shared) {
    while let Some((session, link)) = shared.next_link() {
        let mut appender = Appender { shared, session, link, uncopied: None };
        if let Err(trouble) = appender.run() {
            shared.fail_session(session, trouble);
        }
    }
}

/// The appends of one session.
struct Appender<'s> {
    shared: &'s Shared,
    session: u64,
    link: Link,
    /// The newest entry here that has too few copies.
    uncopied: Option<Position>,
}

impl Appender<'_> {
    fn run(&mut self) -> Result<(), Trouble> {
        loop {
            let done = match self.shared.next_work(self.session, self.uncopied.is_some()) {
                Work::End => return Ok(()),
                Work::Trim(before) => self.trim(before),
                Work::AskCopies => self.ask_copies(),
                Work::Batch(fence, entries) => self.append(fence, &entries),
                Work::Begin(entry) => self.begin(&entry),
                Work::Raise(entry) => self.raise(&entry),
            };
            match done {
                Ok(()) => self.shared.settle(self.session),
                Err(Failure::Rejected(rejection)) => {
                    // A server that was demoted may say other things first.
                    check::role(&mut self.link, &self.shared.config)?;
                    self.shared.reject(self.session, rejection);
                }
                Err(Failure::Trouble(trouble)) => return Err(trouble),
            }
        }
    }

    /// Appends entries as one transaction, so that none of them is in the log without those before it.
    fn append(&mut self, fence: u64, entries: &[Arc<[u8]>]) -> Result<(), Failure> {
        let key = &self.shared.config.key;
        let fence = format!("{fence}-*");
        let mut commands = Pipeline::with_capacity(entries.len());
        for entry in entries {
            commands.add_command(stream::add(key, &fence, entry));
        }
        if entries.len() > 1 {
            commands.atomic();
        }
        let newest = self.execute(&commands)?;
        self.end_append(newest)
    }

    /// Creates the log, unless it has an entry.
    fn begin(&mut self, entry: &Arc<[u8]>) -> Result<(), Failure> {
        let (shared, key) = (self.shared, &*self.shared.config.key);
        self.link.ask::<String>(redis::cmd("WATCH").arg(key), &shared.config)?;
        let newest = match describe(&mut self.link, shared)? {
            Some(description) if description.ends.last.is_some() => {
                self.link.ask::<String>(&redis::cmd("UNWATCH"), &shared.config)?;
                return Ok(());
            }
            Some(description) => description.newest,
            None => Id::ZERO,
        };
        let mut commands = redis::pipe();
        commands.add_command(stream::create(key, stream::next_fence(newest), entry)).atomic();
        match self.execute(&commands)? {
            // Another node was first.
            Err(Failure::Rejected(Rejection::Gone)) => self.receive_wait().map(drop),
            begun => self.end_append(begun),
        }
    }

    /// Appends the first entry of a new fence.
    fn raise(&mut self, entry: &Arc<[u8]>) -> Result<(), Failure> {
        let shared = self.shared;
        let Some(description) = describe(&mut self.link, shared)? else {
            return Err(Failure::Rejected(Rejection::Gone));
        };
        let mut commands = redis::pipe();
        let fence = stream::next_fence(description.newest);
        commands.add_command(stream::add_first(&shared.config.key, fence, entry));
        let newest = self.execute(&commands)?;
        self.end_append(newest)
    }

    fn trim(&mut self, before: Position) -> Result<(), Failure> {
        let config = &self.shared.config;
        let _trimmed: u64 = self.link.ask(&stream::trim(&config.key, before), config)?;
        Ok(())
    }

    /// Sends appends, and receives what became of them: the newest identifier, or why none of them is in the log.
    ///
    /// [`Pipeline::query`] is not used: with a server that has stopped, it would wait for each reply anew.
    fn execute(&mut self, commands: &Pipeline) -> Result<Result<Id, Failure>, Trouble> {
        let mut out = commands.get_packed_pipeline();
        if let Some(wait) = self.wait() {
            wait.write_packed_command(&mut out);
        }
        self.link.send(&out)?;
        let executed = if commands.is_transaction() {
            self.receive_executed(commands.len())?
        } else {
            self.receive_added()?
        };
        match executed {
            Err(Failure::Trouble(trouble)) => Err(trouble),
            executed => Ok(executed),
        }
    }

    fn receive_added(&mut self) -> Result<Result<Id, Failure>, Trouble> {
        let reply = self.link.receive(REPLY_BYTES_MAX)?;
        let added = self.link.convert(reply)?;
        Ok(self.added(added))
    }

    /// Receives the replies of `MULTI`, of each command, and of `EXEC`.
    fn receive_executed(&mut self, entries: usize) -> Result<Result<Id, Failure>, Trouble> {
        let mut refusal: Option<Failure> = None;
        for _ in 0..=entries {
            let reply = self.link.receive(REPLY_BYTES_MAX)?;
            if let Err(error) = self.link.convert::<String>(reply)? {
                refusal.get_or_insert_with(|| self.failure(&error));
            }
        }
        let reply = self.link.receive(REPLY_BYTES_MAX + 64 * entries)?;
        let executed: RedisResult<Option<Vec<Added>>> = self.link.convert(reply)?;
        match (refusal, executed) {
            // `EXECABORT`, whose reason came before.
            (Some(refusal), Err(_)) => Ok(Err(refusal)),
            (None, Err(error)) => Ok(Err(self.failure(&error))),
            // A key that was watched has changed.
            (None, Ok(None)) => Ok(Err(Failure::Rejected(Rejection::Gone))),
            (None, Ok(Some(added))) if added.len() == entries => {
                let ids = added.into_iter().map(|added| self.added(added));
                Ok(ids.reduce(|newest, id| newest.and(id)).unwrap_or(Ok(Id::ZERO)))
            }
            (_, Ok(_)) => Err(self.link.strange()),
        }
    }

    fn added(&self, added: Added) -> Result<Id, Failure> {
        match added {
            Ok(Some(id)) => Ok(id),
            // `NOMKSTREAM`.
            Ok(None) => Err(Failure::Rejected(Rejection::Gone)),
            Err(error) => Err(self.failure(&error)),
        }
    }

    /// Why an append that was answered with this error is not in the log.
    fn failure(&self, error: &RedisError) -> Failure {
        let (server, config) = (&self.link.name, &self.shared.config);
        trouble::rejection(error, server, config).map_or_else(
            || Failure::Trouble(trouble::of_error(error, server, config)),
            Failure::Rejected,
        )
    }

    /// The command that waits for copies, if copies are asked for.
    fn wait(&self) -> Option<Cmd> {
        let replicas = self.shared.config.replicas;
        let mut command = redis::cmd("WAIT");
        command.arg(replicas).arg(COPIES_WAIT_MS);
        (replicas > 0).then_some(command)
    }

    /// Receives the reply of `WAIT`: whether there are enough copies of all that this connection wrote.
    fn receive_wait(&mut self) -> Result<bool, Failure> {
        let config = &self.shared.config;
        if config.replicas == 0 {
            return Ok(false);
        }
        let wait = Duration::from_millis(COPIES_WAIT_MS.into());
        let reply = self.link.receive_after(wait, REPLY_BYTES_MAX)?;
        let copies: u32 = self
            .link
            .convert(reply)?
            .map_err(|error| trouble::of_error(&error, &self.link.name, config))?;
        Ok(copies >= config.replicas)
    }

    /// Receives the reply of `WAIT`, also behind a rejection: the connection goes on.
    fn end_append(&mut self, newest: Result<Id, Failure>) -> Result<(), Failure> {
        let copies = self.receive_wait()?;
        let newest = newest?;
        self.shared.note_added(self.session, newest);
        self.note_copies(newest, copies);
        Ok(())
    }

    fn note_copies(&mut self, newest: Id, has_copies: bool) {
        if self.shared.config.replicas > 0 {
            self.uncopied = Some(newest.position());
        }
        self.tell_copies(has_copies);
    }

    fn tell_copies(&mut self, has_copies: bool) {
        if has_copies && let Some(position) = self.uncopied.take() {
            self.shared.tell(Event::Replicated(position));
        }
    }

    /// Asks again for the copies of what this connection has written.
    fn ask_copies(&mut self) -> Result<(), Failure> {
        if let (Some(wait), true) = (self.wait(), self.uncopied.is_some()) {
            self.link.send(&wait.get_packed_command())?;
            let has_copies = self.receive_wait()?;
            self.tell_copies(has_copies);
        }
        Ok(())
    }
}

/// The reply of `XADD`: the identifier of the entry; `None` if there is no stream.
type Added = RedisResult<Option<Id>>;

/// The stream's description; `None` if it does not exist.
pub(crate) fn describe(
    link: &mut Link,
    shared: &Shared,
) -> Result<Option<stream::Description>, Trouble> {
    link.send(&stream::ends(&shared.config.key).get_packed_command())?;
    receive_description(link, shared)
}

/// Receives the reply of `XINFO STREAM`.
pub(crate) fn receive_description(
    link: &mut Link,
    shared: &Shared,
) -> Result<Option<stream::Description>, Trouble> {
    let config = &shared.config;
    let reply = link.receive(2 * config.limits.entry_bytes_max + REPLY_BYTES_MAX)?;
    match link.convert(reply)? {
        Ok(description) => Ok(Some(description)),
        Err(error) if trouble::says(&error, "no such key") => Ok(None),
        Err(error) => Err(trouble::of_error(&error, &link.name, config)),
    }
}
