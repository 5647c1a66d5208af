//! The beginning of a log: the tables and the first entry, which one of many nodes creates.

use std::sync::Arc;

use sockeye_backbone::{Position, Trouble};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row};

use crate::check;
use crate::link::Link;
use crate::sql::Sql;
use crate::table;

/// Creates the tables if there are none, and appends the first entry unless there is one. Where it stands, if it is
/// there now; the outer error is that of a connection, the inner one that of a statement.
pub(crate) async fn begin(
    link: &Link<'_>,
    sql: &Sql,
    entry: &Arc<[u8]>,
) -> Result<Result<Option<Position>, Error>, Trouble> {
    link.ask(link.client.batch_execute("BEGIN")).await?;
    let begun = in_transaction(link, sql, entry).await?;
    let end = if begun.is_ok() { "COMMIT" } else { "ROLLBACK" };
    match link.answer(link.client.batch_execute(end)).await? {
        Ok(()) => Ok(begun),
        Err(error) => Ok(begun.and(Err(error))),
    }
}

/// The steps, up to the first that fails.
async fn in_transaction(
    link: &Link<'_>,
    sql: &Sql,
    entry: &Arc<[u8]>,
) -> Result<Result<Option<Position>, Error>, Trouble> {
    let client = &link.client;
    if let Err(error) = link.answer(client.query_typed(&sql.lock, &[])).await? {
        return Ok(Err(error));
    }
    // `IF NOT EXISTS` asks for the right to create also where the tables exist.
    if check::tables(link).await?.is_none()
        && let Err(error) = link.answer(client.batch_execute(&sql.create)).await?
    {
        return Ok(Err(error));
    }
    if let Err(error) = link.answer(client.batch_execute(&sql.first_head)).await? {
        return Ok(Err(error));
    }
    match link.answer(client.query_typed(&sql.is_empty, &[])).await? {
        Err(error) => return Ok(Err(error)),
        Ok(rows) => match rows.first().map(|row| row.try_get(0)) {
            Some(Ok(true)) => {}
            Some(Err(error)) => return Ok(Err(error)),
            // Another node was first.
            Some(Ok(false)) | None => return Ok(Ok(None)),
        },
    }
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&&**entry, Type::BYTEA)];
    let begun = client.query_typed(&sql.begin, &parameters);
    Ok(link.answer(begun).await?.and_then(|rows| newest(&rows)))
}

/// The newest entry that a statement has added: `max(fence)`, `max(number)`.
pub(crate) fn newest(rows: &[Row]) -> Result<Option<Position>, Error> {
    let Some(row) = rows.first() else { return Ok(None) };
    let newest = Option::zip(row.try_get(0)?, row.try_get(1)?);
    Ok(newest.map(|(fence, number)| table::position(fence, number)))
}
