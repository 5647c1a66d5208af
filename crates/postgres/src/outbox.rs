//! A transactional outbox as the bus of a source: rows that are published once their transaction has committed, and deleted
//! after their receipts.
//!
//! One session at a time takes the rows: the one that has an advisory lock of the table. The server gives it back when the
//! session ends.

mod sql;
mod url;

use core::future::poll_fn;
use core::pin::pin;
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use futures_core::Stream as _;
use sockeye_backbone::{Trouble, TroubleKind};
use sockeye_source::{Bus, Id, Message, Opened, Room};
use tokio::runtime::{self, Runtime};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Error, Row, Statement};

use self::sql::Sql;
pub use self::sql::outbox_sql;
pub use self::url::{DEFAULT_OUTBOX, OutboxConfig};
use crate::link::{Link, Wire};
use crate::trouble::Place;

/// How often rows are looked for that no announcement has told.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// The shortest wait: the connection is carried meanwhile.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// The outbox in a table of PostgreSQL.
pub struct Outbox {
    config: OutboxConfig,
    sql: Sql,
    /// The session, and the runtime that carries its connection.
    session: Option<(Runtime, Session)>,
    /// The server that is tried next.
    at: usize,
    /// There may be rows that were not read.
    has_more: bool,
    poll_at: Instant,
}

/// A session with one server.
struct Session {
    client: Client,
    /// Which server it is.
    server: usize,
    /// There are new rows.
    news: Arc<Notify>,
    take: Statement,
    delete: Statement,
    is_active: bool,
}

impl Outbox {
    /// An outbox that connects when it is opened.
    pub fn new(config: OutboxConfig) -> Self {
        let sql = Sql::new(config.table());
        Self { config, sql, session: None, at: 0, has_more: true, poll_at: Instant::now() }
    }

    /// Tries one server after the other. Why the first one is none, if none is.
    fn connect(&mut self) -> Result<(Runtime, Session), Trouble> {
        let mut first = None;
        for _ in 0..self.config.postgres.servers.len() {
            match self.connect_to(self.at) {
                Ok(session) => return Ok(session),
                Err(trouble) => _ = first.get_or_insert(trouble),
            }
            self.at = (self.at + 1) % self.config.postgres.servers.len();
        }
        Err(first.expect("a URL has a server"))
    }

    fn connect_to(&self, server: usize) -> Result<(Runtime, Session), Trouble> {
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(|error| {
            let text = format!("there can be no connection: {error}");
            Trouble::new(TroubleKind::Unreachable, text)
        })?;
        let session = runtime.block_on(self.begin(server))?;
        Ok((runtime, session))
    }

    async fn begin(&self, server: usize) -> Result<Session, Trouble> {
        let place = self.place(server);
        let (link, wire) = Link::open(place.server, place.config).await?;
        let news = Arc::new(Notify::new());
        let carried = tokio::spawn(carry(wire, Arc::clone(&news)));
        let opened = self.prepare(&link).await;
        let (take, delete) = opened.inspect_err(|_| carried.abort())?;
        Ok(Session { client: link.client, server, news, take, delete, is_active: false })
    }

    /// Checks that the server is a primary and has the table.
    async fn prepare(&self, link: &Link<'_>) -> Result<(Statement, Statement), Trouble> {
        let late_ms = link.place.config.limits.patience_ms.saturating_mul(2).min(i32::MAX as u64);
        link.ask(link.client.batch_execute(&sql::settings(late_ms))).await?;
        let row = link.ask(link.client.query_typed(sql::SERVER, &[])).await?;
        let is_standby = row.first().is_none_or(|row| row.try_get(0).unwrap_or(true));
        if is_standby {
            let what = "is a standby, or takes no writes: connect to the primary";
            return Err(link.place.trouble(TroubleKind::NoLeader, what));
        }
        let prepared = async {
            let take = link.client.prepare(&self.sql.take).await?;
            let delete = link.client.prepare(&self.sql.delete).await?;
            link.client.batch_execute(&self.sql.listen).await?;
            Ok((take, delete))
        };
        link.answer(prepared).await?.map_err(|error| self.of_error(&error, link.place))
    }

    /// The trouble that an error of the table means.
    fn of_error(&self, error: &Error, place: Place<'_>) -> Trouble {
        let table = self.config.table();
        let what = match error.code().map_or("", |it| it.code()) {
            "42P01" => format!(
                "has no table {table:?}: sockeye source sql --table {table} | psql, or name another one (?table=NAME)"
            ),
            "42703" | "42883" | "42804" => format!(
                "has a table {table:?} with other columns than those of an outbox: see sockeye source sql --table {table}"
            ),
            "42501" => {
                let user = &place.config.user;
                return place.trouble(
                    TroubleKind::Login,
                    &format!(
                        "lets the user {user:?} not do all that is needed: GRANT SELECT, DELETE ON {table} TO {user:?}"
                    ),
                );
            }
            _ => return place.of_error(error),
        };
        place.trouble(TroubleKind::Settings, &what)
    }

    fn place(&self, server: usize) -> Place<'_> {
        let config = &self.config.postgres;
        Place { server: &config.servers[server], config }
    }

    /// Runs a step of the session. After a trouble there is none.
    fn on_session<T>(
        &mut self,
        step: impl AsyncFnOnce(&mut Session, &Sql) -> Result<T, Error>,
    ) -> Result<T, Trouble> {
        let Some((runtime, mut session)) = self.session.take() else {
            return Err(Trouble::new(TroubleKind::Unreachable, "there is no connection"));
        };
        let (place, sql) = (self.place(session.server), &self.sql);
        let done = runtime
            .block_on(async { timeout(place.config.patience(), step(&mut session, sql)).await });
        let done = done.map_err(|_| place.late())?;
        let done = done.map_err(|error| self.of_error(&error, self.place(session.server)))?;
        self.session = Some((runtime, session));
        Ok(done)
    }

    /// Waits for an announcement of rows. Returns whether rows are to be looked for.
    fn is_due(&mut self, wait: Duration) -> bool {
        if self.has_more || Instant::now() >= self.poll_at {
            return true;
        }
        let until_poll = self.poll_at.saturating_duration_since(Instant::now());
        let wait = wait.min(until_poll).max(WAIT_MIN);
        let Some((runtime, session)) = &self.session else { return true };
        let news = runtime.block_on(async { timeout(wait, session.news.notified()).await });
        news.is_ok() || Instant::now() >= self.poll_at
    }
}

impl Bus for Outbox {
    fn open(&mut self) -> Result<Opened, Trouble> {
        if self.session.is_none() {
            self.session = Some(self.connect()?);
        }
        self.has_more = true;
        self.on_session(async |session, sql| {
            if session.is_active {
                return Ok(Opened::Active);
            }
            let row = session.client.query_one(&sql.lock, &[]).await?;
            session.is_active = row.try_get(0)?;
            Ok(if session.is_active { Opened::Active } else { Opened::Standby })
        })
    }

    fn take(
        &mut self,
        room: Room,
        wait: Duration,
        known: &mut dyn Iterator<Item = &str>,
        into: &mut Vec<Message>,
    ) -> Result<(), Trouble> {
        if room.is_none() {
            return self.on_session(async |session, _| session.client.batch_execute("").await);
        }
        if !self.is_due(wait) {
            return Ok(());
        }
        let known: Vec<i64> = known.filter_map(|id| id.parse().ok()).collect();
        let (rows, is_full) =
            self.on_session(async |session, _| rows(session, &known, room).await)?;
        into.extend(rows);
        (self.has_more, self.poll_at) = (is_full, Instant::now() + POLL_EVERY);
        Ok(())
    }

    fn acknowledge(&mut self, ids: &[Id]) -> Result<(), Trouble> {
        let ids: Vec<i64> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        self.on_session(async |session, _| {
            session.client.execute(&session.delete, &[&ids]).await.map(drop)
        })
    }

    fn pending(&mut self) -> Result<Option<u64>, Trouble> {
        let count: i64 = self.on_session(async |session, sql| {
            session.client.query_one(&sql.count, &[]).await?.try_get(0)
        })?;
        Ok(u64::try_from(count).ok())
    }
}

/// The next rows, but those that are known; and whether there may be more.
async fn rows(session: &Session, known: &[i64], room: Room) -> Result<(Vec<Message>, bool), Error> {
    let count = i64::try_from(room.entries).unwrap_or(i64::MAX);
    let parameters: [&(dyn ToSql + Sync); 2] = [&known, &count];
    let mut rows = pin!(session.client.query_raw(&session.take, parameters).await?);
    let (mut messages, mut bytes) = (Vec::new(), 0);
    while let Some(row) = poll_fn(|context| rows.as_mut().poll_next(context)).await {
        let message = message(&row?)?;
        bytes += message.cost();
        messages.push(message);
        // The rest is not kept.
        if bytes >= room.bytes {
            return Ok((messages, true));
        }
    }
    let is_full = messages.len() >= room.entries;
    Ok((messages, is_full))
}

fn message(row: &Row) -> Result<Message, Error> {
    let (id, channel, data): (i64, String, String) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let (event, ttl_ms, key): (Option<String>, Option<i64>, String) =
        (row.try_get(3)?, row.try_get(4)?, row.try_get(5)?);
    let mut fields: Vec<(Box<str>, Box<str>)> = vec![("channel".into(), channel.into())];
    fields.extend(event.map(|event| ("event".into(), event.into())));
    Ok(Message {
        id: id.to_string().into(),
        key: Some(key.into()),
        body: data.into_bytes(),
        fields,
        ttl_ms: ttl_ms.and_then(|it| u64::try_from(it).ok()),
        flaw: None,
        is_gone: false,
    })
}

/// Carries a connection until it is over.
async fn carry(mut wire: Wire, news: Arc<Notify>) {
    while let Some(Ok(message)) = poll_fn(|context| wire.poll_message(context)).await {
        if let AsyncMessage::Notification(_) = message {
            news.notify_one();
        }
    }
}

impl core::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Outbox").field("config", &self.config).finish_non_exhaustive()
    }
}
