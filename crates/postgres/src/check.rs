//! Whether a server may keep the log: asked on each new connection, and with the ends.

use sockeye_backbone::{Trouble, TroubleKind};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row};

use crate::link::Link;
use crate::sql;
use crate::trouble;

/// The oldest version that has what is used (`gen_random_uuid`), as `server_version_num`.
const VERSION_MIN: i32 = 130_000;

/// The description of a server by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    version: i32,
    is_standby: bool,
    fsync: String,
    synchronous_commit: String,
    read_only: String,
    /// The cluster, and its timeline, which changes when a standby is promoted or a backup is restored.
    pub(crate) system: i64,
    pub(crate) timeline: String,
    /// When this process of the server began.
    pub(crate) began: String,
    /// Whether the user may create tables.
    pub(crate) may_create: bool,
}

/// The entry of a table in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) oid: u32,
    pub(crate) name: String,
    kind: String,
    persistence: String,
    hides_rows: bool,
    columns: String,
    has_rights: bool,
}

/// Asks a server, and checks what it says.
pub(crate) async fn server(link: &Link<'_>) -> Result<Server, Trouble> {
    let row = link.ask(link.client.query_typed(sql::SERVER, &[])).await?;
    let row = row.first().ok_or_else(|| strange(link))?;
    let read = || {
        Ok(Server {
            version: row.try_get(0)?,
            is_standby: row.try_get(1)?,
            fsync: row.try_get(2)?,
            synchronous_commit: row.try_get(3)?,
            read_only: row.try_get(4)?,
            system: row.try_get(5)?,
            timeline: row.try_get(6)?,
            began: row.try_get(7)?,
            may_create: row.try_get(8)?,
        })
    };
    let server: Server = read().map_err(|error| link.place.of_error(&error))?;
    match objection(&server) {
        Some((kind, what)) => Err(link.place.trouble(kind, &what)),
        None => Ok(server),
    }
}

/// Why a server cannot keep the log, and what to change.
fn objection(server: &Server) -> Option<(TroubleKind, String)> {
    let settings = |what: &str| Some((TroubleKind::Settings, what.into()));
    if server.version < VERSION_MIN {
        let (major, least) = (server.version / 10_000, VERSION_MIN / 10_000);
        let what = format!("is PostgreSQL {major}: PostgreSQL {least} is needed");
        return Some((TroubleKind::Version, what));
    }
    if server.is_standby {
        return Some((TroubleKind::NoLeader, "is a standby: connect to the primary".into()));
    }
    if server.fsync != "on" {
        return settings(
            "may lose the log with its power (fsync is off): ALTER SYSTEM SET fsync = on",
        );
    }
    if server.synchronous_commit == "off" {
        return settings(
            "loses what it has acknowledged when it is killed (synchronous_commit is off): \
             ALTER SYSTEM SET synchronous_commit = on, or of the role or the database that has it off",
        );
    }
    if server.read_only != "off" {
        return settings(
            "takes no writes (default_transaction_read_only is on): \
             ALTER SYSTEM SET default_transaction_read_only = off",
        );
    }
    None
}

/// Asks for the log's table and its head, and checks what is there; `None` if one of them is missing.
pub(crate) async fn tables(link: &Link<'_>) -> Result<Option<[Table; 2]>, Trouble> {
    let log = link.place.config.table();
    let head = format!("{log}_head");
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&log, Type::TEXT), (&head, Type::TEXT)];
    let rows = link.ask(link.client.query_typed(sql::TABLES, &parameters)).await?;
    let rows = rows.iter().map(table).collect::<Result<Vec<Table>, _>>();
    let tables = rows.map_err(|error| link.place.of_error(&error))?;
    for table in &tables {
        let columns = if *table.name == *log { sql::LOG_COLUMNS } else { sql::HEAD_COLUMNS };
        if let Some(what) = objection_to_table(table, columns) {
            let text = format!("has a table {:?} that {what}", table.name);
            return Err(link.place.trouble(TroubleKind::Settings, &text));
        }
        if !table.has_rights {
            let text = trouble::lacks_rights(&link.place.config.user, log);
            return Err(link.place.trouble(TroubleKind::Login, &text));
        }
    }
    Ok(tables.try_into().ok())
}

fn table(row: &Row) -> Result<Table, Error> {
    let columns: Option<String> = row.try_get(5)?;
    Ok(Table {
        oid: row.try_get(0)?,
        name: row.try_get(1)?,
        kind: row.try_get(2)?,
        persistence: row.try_get(3)?,
        hides_rows: row.try_get(4)?,
        columns: columns.unwrap_or_default(),
        has_rights: row.try_get(6)?,
    })
}

/// Why a table cannot be one of the log's, and what to change.
fn objection_to_table(table: &Table, columns: &str) -> Option<String> {
    if table.kind != "r" {
        return Some("is no plain table: name another one (?table=NAME)".into());
    }
    if table.columns != columns {
        return Some(format!(
            "has other columns ({}) than those of a log ({columns}): name another one (?table=NAME)",
            table.columns.escape_debug()
        ));
    }
    if table.persistence != "p" {
        return Some(format!(
            "is empty after a crash (it is unlogged or temporary): ALTER TABLE {} SET LOGGED",
            table.name
        ));
    }
    table.hides_rows.then(|| {
        format!(
            "may hide rows (row security is on): ALTER TABLE {} DISABLE ROW LEVEL SECURITY",
            table.name
        )
    })
}

/// The trouble of an answer without rows.
pub(crate) fn strange(link: &Link<'_>) -> Trouble {
    link.place.trouble(TroubleKind::Protocol, "does not answer as PostgreSQL does")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Server {
        Server {
            version: 150_013,
            is_standby: false,
            fsync: "on".into(),
            synchronous_commit: "on".into(),
            read_only: "off".into(),
            system: 1,
            timeline: "00000001".into(),
            began: "today".into(),
            may_create: true,
        }
    }

    #[test]
    fn settings_that_keep_the_promise_pass() {
        assert_eq!(objection(&good()), None);
        for level in ["local", "remote_write", "remote_apply"] {
            let server = Server { synchronous_commit: level.into(), ..good() };
            assert_eq!(objection(&server), None, "{level}");
        }
        assert_eq!(objection(&Server { version: 130_000, ..good() }), None);
    }

    #[test]
    fn servers_that_cannot_are_refused_in_one_line_that_says_what_to_change() {
        let settings = TroubleKind::Settings;
        for (server, kind, advice) in [
            (
                Server { version: 120_022, ..good() },
                TroubleKind::Version,
                "PostgreSQL 13 is needed",
            ),
            (
                Server { is_standby: true, ..good() },
                TroubleKind::NoLeader,
                "connect to the primary",
            ),
            (Server { fsync: "off".into(), ..good() }, settings, "SET fsync = on"),
            (
                Server { synchronous_commit: "off".into(), ..good() },
                settings,
                "SET synchronous_commit = on",
            ),
            (
                Server { read_only: "on".into(), ..good() },
                settings,
                "SET default_transaction_read_only = off",
            ),
        ] {
            let (found, text) = objection(&server).unwrap_or_else(|| panic!("{server:?} passes"));
            assert_eq!(found, kind, "{server:?}");
            assert!(text.contains(advice) && !text.contains('\n'), "{server:?}: {text}");
        }
    }

    #[test]
    fn tables_that_forget_or_are_others_are_refused() {
        let good = Table {
            oid: 1,
            name: "sockeye".into(),
            kind: "r".into(),
            persistence: "p".into(),
            hides_rows: false,
            columns: sql::LOG_COLUMNS.into(),
            has_rights: true,
        };
        assert_eq!(objection_to_table(&good, sql::LOG_COLUMNS), None);
        for (table, advice) in [
            (Table { kind: "v".into(), ..good.clone() }, "name another one"),
            (
                Table { columns: "id integer".into(), ..good.clone() },
                "has other columns (id integer)",
            ),
            (Table { persistence: "u".into(), ..good.clone() }, "ALTER TABLE sockeye SET LOGGED"),
            (Table { hides_rows: true, ..good }, "DISABLE ROW LEVEL SECURITY"),
        ] {
            let what = objection_to_table(&table, sql::LOG_COLUMNS);
            assert!(what.is_some_and(|what| what.contains(advice)), "{table:?}");
        }
    }
}
