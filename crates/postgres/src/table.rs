//! The log in its two tables: the rows, and the head that says where the next one stands.

use sockeye_backbone::{LogEnds, Position, Trouble, TroubleKind};
use tokio_postgres::Row;

use crate::check::{self, Server, Table};
use crate::link::Link;
use crate::sql::{self, Sql};
use crate::trouble;

/// Asks for a server and its log: which server it is, and the ends; `None` if there is no log.
pub(crate) async fn describe(
    link: &Link<'_>,
    sql: &Sql,
) -> Result<(Server, Option<LogEnds>), Trouble> {
    let server = check::server(link).await?;
    let Some(tables) = check::tables(link).await? else {
        if !server.may_create {
            let text = trouble::lacks_rights(&link.place.config.user, link.place.config.table());
            return Err(link.place.trouble(TroubleKind::Login, &text));
        }
        return Ok((server, None));
    };
    let row = match link.answer(link.client.query_typed(&sql.ends, &[])).await? {
        Ok(rows) => rows.into_iter().next().ok_or_else(|| check::strange(link))?,
        Err(error) if trouble::is_missing(&error) => return Ok((server, None)),
        Err(error) => return Err(link.place.of_error(&error)),
    };
    let head = read_head(&row).map_err(|error| link.place.of_error(&error))?;
    let ends = ends(link, &head, identity(&server, &tables, &head.life))?;
    Ok((server, Some(ends)))
}

/// The head, and the ends of the table.
struct Head {
    format: Option<i32>,
    life: String,
    first: Option<Position>,
    last: Option<Position>,
}

fn read_head(row: &Row) -> Result<Head, tokio_postgres::Error> {
    let at = |column| {
        let (fence, number) = (row.try_get(column)?, row.try_get(column + 1)?);
        Ok(Option::zip(fence, number).map(|(fence, number)| position(fence, number)))
    };
    let life: Option<String> = row.try_get(1)?;
    Ok(Head {
        format: row.try_get(0)?,
        life: life.unwrap_or_default(),
        first: at(2)?,
        last: at(4)?,
    })
}

fn ends(link: &Link<'_>, head: &Head, identity: u64) -> Result<LogEnds, Trouble> {
    let objection = match head.format {
        Some(sql::FORMAT) => None,
        Some(format) => {
            Some((TroubleKind::Version, format!("of the format {format}: update this node")))
        }
        None if head.last.is_none() => None,
        None => {
            Some((TroubleKind::Settings, "without its head: drop or truncate both tables".into()))
        }
    };
    if let Some((kind, what)) = objection {
        let text = format!("has a log {:?} {what}", link.place.config.table);
        return Err(link.place.trouble(kind, &text));
    }
    Ok(LogEnds { identity, first: head.first, last: head.last })
}

/// A number that changes if the log may be another one: another cluster or timeline, another table, another beginning.
fn identity(server: &Server, tables: &[Table; 2], life: &str) -> u64 {
    let oids = tables.each_ref().map(|table| table.oid);
    let text = format!("{} {} {oids:?} {life}", server.system, server.timeline);
    // FNV-1a.
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, mix).max(1)
}

/// A position of a row. Rows of strangers may have numbers that are none.
pub(crate) fn position(fence: i64, number: i64) -> Position {
    let number_of = |value: i64| u64::try_from(value).unwrap_or_default();
    Position::new(number_of(fence), number_of(number))
}

/// A number as a column has it.
pub(crate) fn column(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
