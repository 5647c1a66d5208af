//! Reading: entries when they are announced, and the ends of the log.

use core::convert::Infallible;
use core::future::poll_fn;
use core::pin::pin;
use core::time::Duration;

use futures_core::Stream as _;
use sockeye_backbone::driver::{KnownEnds, Turn};
use sockeye_backbone::engine::ENDS_EVERY_MS;
use sockeye_backbone::{Event, LogEnds, Position, State, Trouble};
use tokio::select;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement};

use crate::link::Link;
use crate::shared::{Entry, Shared};
use crate::sql::Sql;
use crate::table::{self, column};
use crate::trouble;

/// How often the ends are asked for. It is also how late an entry is whose announcement got lost.
const ASK_EVERY: Duration = Duration::from_millis(ENDS_EVERY_MS / 2);

/// The rows of one statement. Their number follows from the bytes of those before.
const COUNT_MAX: usize = 1024;
const COUNT_FIRST: usize = 64;

/// More bytes halve that number, and end the statement; less than a quarter doubles it.
const BYTES_AIM: usize = 4 * 1024 * 1024;

/// The place where reading goes on, also in the next session.
#[derive(Default)]
pub(crate) struct Place {
    /// The next position to give to the owner. `None` while nobody reads.
    next: Option<Position>,
    generation: u64,
}

/// The reading of one session.
pub(crate) struct Reader<'s> {
    shared: &'s Shared,
    link: &'s Link<'s>,
    sql: &'s Sql,
    /// There are new entries.
    news: &'s Notify,
    place: &'s mut Place,
    statement: Option<Statement>,
    entries: Vec<Entry>,
    count: usize,
    /// There may be entries that were not read.
    has_more: bool,
    ends: KnownEnds,
    asks_at: Instant,
}

impl<'s> Reader<'s> {
    pub(crate) fn new(
        shared: &'s Shared,
        link: &'s Link<'s>,
        (sql, news): (&'s Sql, &'s Notify),
        ends: LogEnds,
        place: &'s mut Place,
    ) -> Self {
        Self {
            shared,
            link,
            sql,
            news,
            place,
            statement: None,
            entries: Vec::new(),
            count: COUNT_FIRST,
            has_more: true,
            ends: KnownEnds::new(ends),
            asks_at: Instant::now(),
        }
    }

    /// Reads until the session is over.
    pub(crate) async fn run(&mut self) -> Result<Infallible, Trouble> {
        loop {
            let turn = self.shared.tasks.queues.turn(self.place.generation);
            if let Turn::Anew(from, generation) = turn {
                *self.place = Place { next: Some(from), generation };
                self.ends.drop_waiting();
                (self.asks_at, self.has_more) = (Instant::now(), true);
                continue;
            }
            if Instant::now() >= self.asks_at {
                self.ask().await?;
            }
            if turn == Turn::On && self.has_more && self.ends.known().identity != 0 {
                self.read().await?;
                continue;
            }
            let (shared, news, asks_at) = (self.shared, self.news, self.asks_at);
            select! {
                biased;
                () = news.notified() => self.note_news(),
                () = shared.tasks.has_turn.notified() => {}
                () = sleep_until(asks_at) => {}
            }
        }
    }

    /// Notes an announcement. That of a log which was not there asks for the ends, or nothing would be read.
    fn note_news(&mut self) {
        self.has_more = true;
        if self.ends.known().identity == 0 {
            self.asks_at = Instant::now();
        }
    }

    // --- The ends --------------------------------------------------------------------------------

    async fn ask(&mut self) -> Result<(), Trouble> {
        let (_, ends) = table::describe(self.link, self.sql).await?;
        self.asks_at = Instant::now() + ASK_EVERY;
        let ends = ends.unwrap_or_default();
        if self.ends.note(ends, self.place.next) {
            self.shared.tasks.queues.tell(Event::State(State::Up(ends)));
        }
        // An announcement may be lost.
        self.has_more |= ends.last.is_some() && ends.last >= self.place.next;
        self.give();
        Ok(())
    }

    /// Gives the owner what was read, and the ends if they are reached.
    fn give(&mut self) {
        let reached = self.ends.take_reached(self.place.next);
        if reached.is_some() || !self.entries.is_empty() {
            self.shared.give(self.place.generation, &mut self.entries, reached);
        }
    }

    // --- Entries ---------------------------------------------------------------------------------

    /// Reads on.
    async fn read(&mut self) -> Result<(), Trouble> {
        let Some(next) = self.place.next else { return Ok(()) };
        match self.link.answer(self.rows(next)).await? {
            Ok((statement, entries, is_full)) => {
                self.statement = Some(statement);
                self.follow(&entries, is_full);
                self.take(entries, is_full);
            }
            // The ends will tell.
            Err(error) if trouble::is_missing(&error) => {
                self.ends.note_missing();
                (self.has_more, self.asks_at) = (false, Instant::now());
            }
            Err(error) => return Err(self.link.place.of_error(&error)),
        }
        Ok(())
    }

    /// The entries from a position on, and whether there may be more.
    async fn rows(&self, next: Position) -> Result<(Statement, Vec<Entry>, bool), Error> {
        let client = &self.link.client;
        let statement = match &self.statement {
            Some(statement) => statement.clone(),
            None => client.prepare(&self.sql.read).await?,
        };
        let bytes_max =
            i32::try_from(self.shared.config.limits.entry_bytes_max).unwrap_or(i32::MAX);
        let (fence, number) = (column(next.fence), column(next.number));
        let count = column(self.count as u64);
        let parameters: [&(dyn ToSql + Sync); 4] = [&fence, &number, &count, &bytes_max];
        let mut rows = pin!(client.query_raw(&statement, parameters).await?);
        let (mut entries, mut bytes) = (Vec::new(), 0);
        while let Some(row) = poll_fn(|context| rows.as_mut().poll_next(context)).await {
            let entry = entry(&row?)?;
            bytes += entry.1.len();
            entries.push(entry);
            // The rest is not kept.
            if bytes > BYTES_AIM {
                return Ok((statement, entries, true));
            }
        }
        let is_full = entries.len() >= self.count;
        Ok((statement, entries, is_full))
    }

    /// The next statement's number of rows.
    fn follow(&mut self, entries: &[Entry], is_full: bool) {
        let bytes: usize = entries.iter().map(|(_, entry)| entry.len()).sum();
        self.count = next_count(self.count, bytes, is_full);
    }

    fn take(&mut self, entries: Vec<Entry>, is_full: bool) {
        self.has_more = is_full;
        match entries.last() {
            Some((newest, _)) => {
                self.place.next = Some(Position::new(newest.fence, newest.number + 1));
            }
            // The log was changed between the two statements.
            None if self.ends.waits() => {
                self.ends.drop_waiting();
                self.asks_at = Instant::now();
            }
            None => {}
        }
        self.entries.extend(entries);
        self.give();
    }
}

fn entry(row: &Row) -> Result<Entry, Error> {
    let entry: &[u8] = row.try_get(2)?;
    Ok((table::position(row.try_get(0)?, row.try_get(1)?), entry.into()))
}

/// How many rows the next statement may have.
fn next_count(count: usize, bytes: usize, is_full: bool) -> usize {
    if bytes > BYTES_AIM {
        (count / 2).max(1)
    } else if bytes < BYTES_AIM / 4 && is_full {
        (count * 2).min(COUNT_MAX)
    } else {
        count
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES_AIM, COUNT_MAX, next_count};

    #[test]
    fn statements_stay_near_their_aim() {
        assert_eq!(next_count(64, 64 * 200, true), 128, "small and full");
        assert_eq!(next_count(64, 63 * 200, false), 64, "there were no more");
        assert_eq!(next_count(COUNT_MAX, 200_000, true), COUNT_MAX);
        assert_eq!(next_count(64, BYTES_AIM + 1, true), 32, "large");
        assert_eq!(next_count(1, BYTES_AIM + 1, true), 1);
        assert_eq!(next_count(64, BYTES_AIM / 2, true), 64, "near enough");
    }
}
