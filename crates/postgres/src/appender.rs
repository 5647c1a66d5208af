//! Appends: one statement at a time, whole or not at all.

use core::convert::Infallible;
use std::sync::Arc;

use sockeye_backbone::driver::FencedWork;
use sockeye_backbone::{Position, Rejection, Trouble, TroubleKind};
use tokio::select;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row, Statement};

use crate::begin;
use crate::link::Link;
use crate::shared::Shared;
use crate::sql::Sql;
use crate::table::column;
use crate::trouble;

/// The rows of one trim. Appends wait for it.
const TRIM_ROWS_MAX: i64 = 2_000;

/// The appends of one session.
pub(crate) struct Appender<'s> {
    shared: &'s Shared,
    link: &'s Link<'s>,
    sql: &'s Sql,
    append: Option<Statement>,
    /// The trim that is still to be done.
    trim: Option<Position>,
}

impl<'s> Appender<'s> {
    pub(crate) fn new(shared: &'s Shared, link: &'s Link<'s>, sql: &'s Sql) -> Self {
        Self { shared, link, sql, append: None, trim: None }
    }

    /// Appends and trims until the session is over. Between two appends it trims a part.
    pub(crate) async fn run(&mut self) -> Result<Infallible, Trouble> {
        loop {
            let work = self.shared.take_work();
            let is_idle = work.is_none();
            if let Some(work) = work {
                self.work(&work).await?;
            }
            self.trim = self.trim.max(self.shared.take_trim());
            match self.trim {
                Some(before) => self.trim_some(before).await?,
                None if is_idle => select! {
                    () = self.shared.tasks.has_appends.notified() => {}
                    () = self.shared.tasks.has_trim.notified() => {}
                },
                None => {}
            }
        }
    }

    async fn work(&mut self, work: &FencedWork) -> Result<(), Trouble> {
        let (fence, done) = match work {
            FencedWork::Batch(fence, entries) => {
                (Some(*fence), self.append(*fence, entries).await?)
            }
            FencedWork::Begin(entry) => (None, begin::begin(self.link, self.sql, entry).await?),
            FencedWork::Raise(entry) => (None, self.raise(entry).await?),
        };
        match (fence, done) {
            (_, Ok(Some(newest))) => self.shared.settle(work, Some(newest)),
            // There is no head of this fence.
            (Some(_), Ok(None)) => self.shared.reject(Rejection::Fenced),
            (None, Ok(None)) => match work {
                FencedWork::Raise(_) => self.shared.reject(Rejection::Gone),
                FencedWork::Begin(_) | FencedWork::Batch(..) => self.shared.settle(work, None),
            },
            (_, Err(error)) => self.fail(&error).await?,
        }
        Ok(())
    }

    /// A statement was refused: nothing of it is in the log.
    async fn fail(&mut self, error: &Error) -> Result<(), Trouble> {
        let place = self.link.place;
        if trouble::is_taken(error) {
            // A stranger has written where the next entry would stand.
            self.link.ask(self.link.client.batch_execute(&self.sql.repair)).await?;
            self.shared.reject(Rejection::Fenced);
            return Ok(());
        }
        let rejection = place.rejection(error).ok_or_else(|| place.of_error(error))?;
        self.shared.reject(rejection);
        Ok(())
    }

    /// Appends entries under a fence; `None` if the log has another one.
    async fn append(&mut self, fence: u64, entries: &[Arc<[u8]>]) -> Answer {
        if self.append.is_none() {
            match self.link.answer(self.link.client.prepare(&self.sql.append)).await? {
                Ok(statement) => self.append = Some(statement),
                Err(error) => return Ok(Err(error)),
            }
        }
        let Some(statement) = &self.append else { return Ok(Ok(None)) };
        let count = column(entries.len() as u64);
        let entries: Vec<&[u8]> = entries.iter().map(|entry| &**entry).collect();
        let parameters: [&(dyn ToSql + Sync); 3] = [&column(fence), &count, &entries];
        let rows = self.link.answer(self.link.client.query(statement, &parameters)).await?;
        self.newest(rows)
    }

    /// Appends the first entry of a new fence; `None` if there is no head.
    async fn raise(&self, entry: &Arc<[u8]>) -> Answer {
        let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&&**entry, Type::BYTEA)];
        let rows = self.link.client.query_typed(&self.sql.raise, &parameters);
        self.newest(self.link.answer(rows).await?)
    }

    fn newest(&self, rows: Result<Vec<Row>, Error>) -> Answer {
        match rows {
            Ok(rows) => {
                begin::newest(&rows).map(Ok).map_err(|error| self.link.place.of_error(&error))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// Deletes some of the entries before a position.
    async fn trim_some(&mut self, before: Position) -> Result<(), Trouble> {
        let (fence, number) = (column(before.fence), column(before.number));
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&fence, Type::INT8), (&number, Type::INT8), (&TRIM_ROWS_MAX, Type::INT8)];
        let trimmed = self.link.client.execute_typed(&self.sql.trim, &parameters);
        match self.link.answer(trimmed).await? {
            Ok(rows) if column(rows) >= TRIM_ROWS_MAX => {}
            Ok(_) => self.trim = None,
            Err(error) if trouble::is_missing(&error) => self.trim = None,
            Err(error) => {
                let trouble = self.link.place.of_error(&error);
                if trouble.kind != TroubleKind::Full {
                    return Err(trouble);
                }
                // It is asked for again.
                self.trim = None;
            }
        }
        Ok(())
    }
}

/// The newest entry that was added; or why the server has added none; or why the connection is over.
type Answer = Result<Result<Option<Position>, Error>, Trouble>;
