//! What `sockeye connect` and `sockeye events` share: anybody's server, named by a URL.

pub(crate) mod args;
pub(crate) mod output;
pub(crate) mod tls;
pub(crate) mod words;

use core::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

use sockeye_terminal::{notice, signals};

/// Bytes of output that are gathered before they are written.
pub(crate) const GATHERED_BYTES_MAX: usize = 64 * 1024;

/// How long nothing may be seen before a word is said of it.
pub(crate) const WORD: Duration = Duration::from_secs(2);

/// Why a client of anybody's server ends without success.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It was asked for what it cannot do: status 2.
    Usage(String),
    /// It did not work out: status 1.
    Failed(String),
    /// The same, and it has been told already.
    Told,
}

impl Problem {
    pub(crate) fn usage(what: impl Display) -> Self {
        Self::Usage(what.to_string())
    }

    pub(crate) fn failed(doing: &str, why: impl Display) -> Self {
        Self::Failed(format!("{doing}: {why}"))
    }
}

/// Tells what went wrong, if anything did, and gives the program's status; ends it by the signal that has asked for
/// the end.
pub(crate) fn status(done: Result<(), Problem>) -> ExitCode {
    let (why, status) = match done {
        Ok(()) => (None, 0),
        Err(Problem::Usage(why)) => (Some(why), 2),
        Err(Problem::Failed(why)) => (Some(why), 1),
        Err(Problem::Told) => (None, 1),
    };
    if let Some(why) = why {
        notice(format_args!("{why}"));
    }
    signals::end();
    ExitCode::from(status)
}
