//! A durable consumer of JetStream as the bus of a source.
//!
//! One process at a time takes the messages: the one that answers at a subject of the consumer. JetStream numbers all
//! deliveries of a consumer, so an owner sees at once when somebody else was sent a message, and begins anew.

mod consumer;
mod deliveries;
mod reading;
mod session;
mod url;

use core::time::Duration;
use std::time::Instant;

use sockeye_backbone::{Trouble, TroubleKind};
use sockeye_source::{Bus, Id, Message, Opened, Room};
use tokio::runtime::{self, Runtime};
use tokio::select;

use self::session::{Owner, Session};
pub use self::url::{NatsSourceConfig, SourceUrlError};
use crate::link::Link;

/// How long an owner may be silent before another process takes the messages.
const LEASE: Duration = Duration::from_secs(5);

/// Messages of a stream of JetStream, by a durable pull consumer.
pub struct NatsSource {
    config: NatsSourceConfig,
    /// The session, and the runtime that carries its connection.
    session: Option<(Runtime, Session)>,
    /// The server that is tried next.
    at: usize,
    /// Since when the owner has not answered.
    silent_since: Option<Instant>,
    /// When messages were taken last.
    took_at: Instant,
}

impl NatsSource {
    /// A source that connects when it is opened.
    pub fn new(config: NatsSourceConfig) -> Self {
        Self { config, session: None, at: 0, silent_since: None, took_at: Instant::now() }
    }

    /// Tries one server after the other. Why the first one is none, if none is.
    fn connect(&mut self) -> Result<(Runtime, Session), Trouble> {
        let mut first = None;
        for _ in 0..self.config.nats.servers.len() {
            match self.connect_to(self.at) {
                Ok(session) => return Ok(session),
                Err(trouble) => _ = first.get_or_insert(trouble),
            }
            self.at = (self.at + 1) % self.config.nats.servers.len();
        }
        Err(first.expect("a URL has a server"))
    }

    fn connect_to(&self, at: usize) -> Result<(Runtime, Session), Trouble> {
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(|error| {
            let text = format!("there can be no connection: {error}");
            Trouble::new(TroubleKind::Unreachable, text)
        })?;
        let session = runtime.block_on(async {
            let link = Link::open(&self.config.nats.servers[at], &self.config.nats).await?;
            select! {
                biased;
                trouble = link.failed() => Err(trouble),
                session = Session::new(&link, &self.config, at) => session,
            }
        })?;
        Ok((runtime, session))
    }

    /// Runs a step of the session. After a trouble there is none.
    fn on_session<T>(
        &mut self,
        step: impl AsyncFnOnce(&mut Session, &Link<'_>, &NatsSourceConfig) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let Some((runtime, mut session)) = self.session.take() else {
            return Err(Trouble::new(TroubleKind::Unreachable, "there is no connection"));
        };
        let server = &self.config.nats.servers[session.server];
        let link = Link::of(server, &self.config.nats, &session.wire);
        let done = runtime.block_on(async {
            select! {
                biased;
                trouble = link.failed() => Err(trouble),
                done = step(&mut session, &link, &self.config) => done,
            }
        })?;
        self.session = Some((runtime, session));
        Ok(done)
    }
}

impl Bus for NatsSource {
    fn open(&mut self) -> Result<Opened, Trouble> {
        // What the former session was sent comes again on a new connection.
        self.session = self.session.take().filter(|(_, session)| !session.is_active());
        if self.session.is_none() {
            self.session = Some(self.connect()?);
        }
        let owner =
            self.on_session(async |session, link, config| session.ask_owner(link, config).await)?;
        let is_free = match owner {
            Owner::None => true,
            Owner::There => {
                self.silent_since = None;
                false
            }
            Owner::Silent => self.silent_since.get_or_insert_with(Instant::now).elapsed() >= LEASE,
        };
        if !is_free {
            return Ok(Opened::Standby);
        }
        self.silent_since = None;
        self.on_session(async |session, link, config| session.begin(link, config).await)?;
        self.took_at = Instant::now();
        Ok(Opened::Active)
    }

    fn take(
        &mut self,
        room: Room,
        wait: Duration,
        _known: &mut dyn Iterator<Item = &str>,
        into: &mut Vec<Message>,
    ) -> Result<(), Trouble> {
        if self.took_at.elapsed() >= LEASE {
            self.session = None;
            let text = "this process was away, and another one may take the messages now";
            return Err(Trouble::new(TroubleKind::NoLeader, text));
        }
        self.on_session(async |session, link, _| session.take(link, (room, wait), into).await)?;
        self.took_at = Instant::now();
        Ok(())
    }

    fn acknowledge(&mut self, ids: &[Id]) -> Result<(), Trouble> {
        self.on_session(async |session, link, _| session.acknowledge(link, ids).await)
    }

    fn pending(&mut self) -> Result<Option<u64>, Trouble> {
        self.on_session(async |session, link, config| session.pending(link, config).await)
    }
}

impl core::fmt::Debug for NatsSource {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("NatsSource").field("config", &self.config).finish_non_exhaustive()
    }
}
