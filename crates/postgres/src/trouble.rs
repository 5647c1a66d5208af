//! Errors of PostgreSQL, and what they mean for an operator.

use core::error::Error as _;
use std::io;

use sockeye_backbone::driver::{Server, quoted};
use sockeye_backbone::{Rejection, Trouble, TroubleKind};
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::config::PostgresConfig;

/// Why a statement failed: the server, and the configuration that it has.
#[derive(Clone, Copy)]
pub(crate) struct Place<'c> {
    pub(crate) server: &'c Server,
    pub(crate) config: &'c PostgresConfig,
}

impl Place<'_> {
    /// The trouble of this server.
    pub(crate) fn trouble(&self, kind: TroubleKind, what: &str) -> Trouble {
        Trouble::new(kind, format!("{} {what}", self.server))
    }

    /// A statement or a connection took longer than the patience.
    pub(crate) fn late(&self) -> Trouble {
        self.trouble(TroubleKind::Unreachable, "does not answer in time")
    }

    /// The trouble that an error is.
    pub(crate) fn of_error(&self, error: &Error) -> Trouble {
        let Some(said) = error.as_db_error() else { return self.of_connection(error) };
        let (kind, what) = self.of_state(said.code());
        let text = quoted(said.message());
        self.trouble(kind, &format!("{what} ({}: {text})", said.code().code()))
    }

    fn of_state(&self, state: &SqlState) -> (TroubleKind, String) {
        let PostgresConfig { user, database, table, .. } = self.config;
        let code = state.code();
        let (kind, what) = match code {
            "28P01" | "28000" => (
                TroubleKind::Login,
                format!("refuses the user {user:?} or its password: see pg_hba.conf"),
            ),
            "3D000" => (TroubleKind::Settings, format!("has no database {database:?}")),
            "42501" => (TroubleKind::Login, lacks_rights(user, table)),
            "3F000" => (TroubleKind::Settings, "has no schema for the table".into()),
            "25006" => (TroubleKind::NoLeader, "takes no writes: connect to the primary".into()),
            "53300" => (TroubleKind::Unreachable, "has no connection left".into()),
            "42703" | "42804" | "42809" | "42883" | "0A000" => (
                TroubleKind::Settings,
                format!(
                    "has a table {table:?} of another format: name another table (?table=NAME)"
                ),
            ),
            _ if is_full(code) => {
                (TroubleKind::Full, "takes no more entries: its disk or memory is full".into())
            }
            // It ends or begins, or a statement was in the way for too long.
            _ if ["57", "55", "40", "08", "25"].iter().any(|class| code.starts_with(class)) => {
                (TroubleKind::Unreachable, "does not serve now".into())
            }
            _ => (TroubleKind::Protocol, "answered with an error".into()),
        };
        (kind, what)
    }

    /// The trouble of an error that the server has not sent.
    fn of_connection(&self, error: &Error) -> Trouble {
        let kind = |found: &io::Error| match found.kind() {
            // Errors of rustls come as this kind.
            io::ErrorKind::InvalidData => TroubleKind::Login,
            io::ErrorKind::InvalidInput => TroubleKind::Protocol,
            _ => TroubleKind::Unreachable,
        };
        let cause = error.source().and_then(|it| it.downcast_ref::<io::Error>());
        let text = quoted(&innermost(error));
        match (error.to_string().as_str(), cause) {
            (_, _) if error.is_closed() => {
                self.trouble(TroubleKind::Unreachable, "closed the connection")
            }
            ("error performing TLS handshake", _) => {
                self.trouble(TroubleKind::Login, &format!("begins no TLS: {text}"))
            }
            ("authentication error" | "invalid configuration", _) => {
                self.trouble(TroubleKind::Login, &format!("asks for another login: {text}"))
            }
            ("error communicating with the server", Some(cause)) => {
                self.trouble(kind(cause), &format!("is not reached: {text}"))
            }
            _ => self.trouble(
                TroubleKind::Protocol,
                &format!("does not answer as PostgreSQL does: {text}"),
            ),
        }
    }

    /// Why appends that were answered with this error were dropped; `None` if it is a reason to connect anew.
    pub(crate) fn rejection(&self, error: &Error) -> Option<Rejection> {
        match error.code()?.code() {
            "42P01" => Some(Rejection::Gone),
            "54000" => Some(Rejection::TooLarge),
            code if is_full(code) => Some(Rejection::Full(self.of_error(error))),
            _ => None,
        }
    }
}

/// Whether a table is not there.
pub(crate) fn is_missing(error: &Error) -> bool {
    error.code() == Some(&SqlState::UNDEFINED_TABLE)
}

/// Whether a place in the log is taken by an entry that is not behind the head.
pub(crate) fn is_taken(error: &Error) -> bool {
    error.code() == Some(&SqlState::UNIQUE_VIOLATION)
}

/// The text for a user without the rights that are needed.
pub(crate) fn lacks_rights(user: &str, table: &str) -> String {
    format!(
        "lets the user {user:?} not do all that is needed: GRANT SELECT, INSERT, UPDATE, DELETE ON {table}, {table}_head TO \
         {user:?}, or GRANT CREATE on the schema if the tables are not there"
    )
}

/// Disk, memory, or a limit of either; an error of the disk; a cluster that stops before its numbers wrap.
fn is_full(code: &str) -> bool {
    matches!(code, "53000" | "53100" | "53200" | "53400" | "58030" | "54P01")
}

/// The text of the last cause.
fn innermost(error: &(dyn core::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}
