//! The thread that appends: one pipeline at a time, whole or not at all.

use std::sync::Arc;

use sockeye_backbone::{Event, Position, Rejection, Trouble};

use crate::check;
use crate::link::Link;
use crate::resp::{self, Element, Reply, RespError};
use crate::shared::{Shared, Work};
use crate::stream::{self, Id};
use crate::trouble;

/// How long Redis waits for the copies of a pipeline.
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
        let mut appender = Appender { shared, session, link, out: Vec::new(), uncopied: None };
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
    out: Vec<u8>,
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
        self.out.clear();
        let is_single = entries.len() == 1;
        if !is_single {
            resp::command(&mut self.out, &[b"MULTI"]);
        }
        for entry in entries {
            stream::add(&mut self.out, key, &fence, entry);
        }
        if !is_single {
            resp::command(&mut self.out, &[b"EXEC"]);
        }
        self.push_wait();
        self.link.send(&self.out)?;
        let newest =
            if is_single { self.receive_added() } else { self.receive_executed(entries.len()) };
        // The connection goes on after a rejection: the reply of `WAIT` has to be taken, too.
        if let Err(trouble @ Failure::Trouble(_)) = newest {
            return Err(trouble);
        }
        let copies = self.receive_wait()?;
        self.note_copies(newest?, copies);
        Ok(())
    }

    fn receive_added(&mut self) -> Result<Id, Failure> {
        let (shared, name) = (self.shared, self.link.name.clone());
        let added = added(&mut self.link.receive(REPLY_BYTES_MAX)?, &name, shared);
        added.unwrap_or_else(|error| Err(self.link.broken(error).into()))
    }

    /// Receives the replies of `MULTI`, of each command, and of `EXEC`.
    fn receive_executed(&mut self, entries: usize) -> Result<Id, Failure> {
        let (shared, name) = (self.shared, self.link.name.clone());
        let mut refusal: Option<Failure> = None;
        for _ in 0..=entries {
            match self.link.receive(REPLY_BYTES_MAX)?.element() {
                Ok(Element::Status(_)) => {}
                Ok(Element::Error(error)) => {
                    refusal.get_or_insert_with(|| failure(error, &name, shared));
                }
                Ok(_) => return Err(self.link.broken(RespError::Shape).into()),
                Err(error) => return Err(self.link.broken(error).into()),
            }
        }
        let mut reply = self.link.receive(REPLY_BYTES_MAX + 64 * entries)?;
        let executed = executed(&mut reply, entries, &name, shared);
        match (refusal, executed) {
            (_, Err(error)) => Err(self.link.broken(error).into()),
            // `EXECABORT`, whose reason came before.
            (Some(refusal), Ok(Err(_))) => Err(refusal),
            (Some(_), Ok(Ok(_))) => Err(self.link.broken(RespError::Shape).into()),
            (None, Ok(executed)) => executed,
        }
    }

    /// Creates the log, unless it has an entry.
    fn begin(&mut self, entry: &Arc<[u8]>) -> Result<(), Failure> {
        let (shared, key) = (self.shared, &self.shared.config.key);
        self.link.ask_ok(&["WATCH", key], &shared.config)?;
        let newest = match describe(&mut self.link, shared)? {
            Some(description) if description.ends.last.is_some() => {
                self.link.ask_ok(&["UNWATCH"], &shared.config)?;
                return Ok(());
            }
            Some(description) => description.newest,
            None => Id::ZERO,
        };
        self.out.clear();
        resp::command(&mut self.out, &[b"MULTI"]);
        stream::create(&mut self.out, key, stream::next_fence(newest), entry);
        resp::command(&mut self.out, &[b"EXEC"]);
        self.push_wait();
        self.link.send(&self.out)?;
        let begun = self.receive_executed(1);
        if let Err(trouble @ Failure::Trouble(_)) = begun {
            return Err(trouble);
        }
        let copies = self.receive_wait()?;
        match begun {
            Ok(newest) => self.note_copies(newest, copies),
            // Another node was first.
            Err(Failure::Rejected(Rejection::Gone)) => {}
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    /// Appends the first entry of a new fence.
    fn raise(&mut self, entry: &Arc<[u8]>) -> Result<(), Failure> {
        let shared = self.shared;
        let Some(description) = describe(&mut self.link, shared)? else {
            return Err(Failure::Rejected(Rejection::Gone));
        };
        self.out.clear();
        let fence = stream::next_fence(description.newest);
        stream::add_first(&mut self.out, &shared.config.key, fence, entry);
        self.push_wait();
        self.link.send(&self.out)?;
        let newest = self.receive_added();
        if let Err(trouble @ Failure::Trouble(_)) = newest {
            return Err(trouble);
        }
        let copies = self.receive_wait()?;
        self.note_copies(newest?, copies);
        Ok(())
    }

    fn trim(&mut self, before: Position) -> Result<(), Failure> {
        let (shared, name) = (self.shared, self.link.name.clone());
        self.out.clear();
        stream::trim(&mut self.out, &shared.config.key, before);
        self.link.send(&self.out)?;
        match self.link.receive(REPLY_BYTES_MAX)?.element() {
            Ok(Element::Number(_)) => Ok(()),
            Ok(Element::Error(error)) => {
                Err(trouble::of_error(error, &name, &shared.config).into())
            }
            Ok(_) => Err(self.link.broken(RespError::Shape).into()),
            Err(error) => Err(self.link.broken(error).into()),
        }
    }

    /// Appends the command that waits for copies to the pipeline, if copies are asked for.
    fn push_wait(&mut self) {
        let replicas = self.shared.config.replicas;
        if replicas > 0 {
            let (replicas, wait) = (replicas.to_string(), COPIES_WAIT_MS.to_string());
            resp::command(&mut self.out, &[b"WAIT", replicas.as_bytes(), wait.as_bytes()]);
        }
    }

    /// Receives the reply of `WAIT`: whether there are enough copies of all that this connection wrote.
    fn receive_wait(&mut self) -> Result<bool, Failure> {
        let (shared, name) = (self.shared, self.link.name.clone());
        let replicas = shared.config.replicas;
        if replicas == 0 {
            return Ok(false);
        }
        let wait = core::time::Duration::from_millis(COPIES_WAIT_MS.into());
        match self.link.receive_after(wait, REPLY_BYTES_MAX)?.element() {
            Ok(Element::Number(copies)) => Ok(copies >= i64::from(replicas)),
            Ok(Element::Error(error)) => {
                Err(trouble::of_error(error, &name, &shared.config).into())
            }
            Ok(_) => Err(self.link.broken(RespError::Shape).into()),
            Err(error) => Err(self.link.broken(error).into()),
        }
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
        if self.uncopied.is_some() {
            self.out.clear();
            self.push_wait();
            self.link.send(&self.out)?;
            let has_copies = self.receive_wait()?;
            self.tell_copies(has_copies);
        }
        Ok(())
    }
}

/// The stream's description; `None` if it does not exist.
pub(crate) fn describe(
    link: &mut Link,
    shared: &Shared,
) -> Result<Option<stream::Description>, Trouble> {
    let mut out = Vec::new();
    stream::ends(&mut out, &shared.config.key);
    link.send(&out)?;
    receive_description(link, shared)
}

/// Receives the reply of `XINFO STREAM`.
pub(crate) fn receive_description(
    link: &mut Link,
    shared: &Shared,
) -> Result<Option<stream::Description>, Trouble> {
    let name = link.name.clone();
    let bytes_max = 2 * shared.config.limits.entry_bytes_max + REPLY_BYTES_MAX;
    match stream::read_ends(&mut link.receive(bytes_max)?) {
        Ok(Ok(description)) => Ok(description),
        Ok(Err(error)) => Err(trouble::of_error(error, &name, &shared.config)),
        Err(error) => Err(link.broken(error)),
    }
}

/// Why an append that was answered with this error is not in the log.
fn failure(error: &str, server: &str, shared: &Shared) -> Failure {
    trouble::rejection(error, server, &shared.config).map_or_else(
        || Failure::Trouble(trouble::of_error(error, server, &shared.config)),
        Failure::Rejected,
    )
}

/// The reply of `XADD`.
fn added(
    reply: &mut Reply<'_>,
    server: &str,
    shared: &Shared,
) -> Result<Result<Id, Failure>, RespError> {
    match reply.element()? {
        Element::Bulk(id) => Ok(Ok(Id::read(id)?)),
        // `NOMKSTREAM`.
        Element::Nil => Ok(Err(Failure::Rejected(Rejection::Gone))),
        Element::Error(error) => Ok(Err(failure(error, server, shared))),
        Element::Status(_) | Element::Number(_) | Element::Array(_) => Err(RespError::Shape),
    }
}

/// The reply of `EXEC`: the newest identifier. A transaction that a watched key ended counts as [`Rejection::Gone`].
fn executed(
    reply: &mut Reply<'_>,
    entries: usize,
    server: &str,
    shared: &Shared,
) -> Result<Result<Id, Failure>, RespError> {
    match reply.element()? {
        Element::Array(count) if count == entries => {}
        Element::Nil => return Ok(Err(Failure::Rejected(Rejection::Gone))),
        Element::Error(error) => return Ok(Err(failure(error, server, shared))),
        _ => return Err(RespError::Shape),
    }
    let mut newest = Ok(Id::ZERO);
    for _ in 0..entries {
        let added = added(reply, server, shared)?;
        if newest.is_ok() {
            newest = added;
        }
    }
    Ok(newest)
}
