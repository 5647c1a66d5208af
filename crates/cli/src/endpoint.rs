//! The parts that clients share: options, output and errors, those of clients of any server most of all.

pub(crate) mod args;
pub(crate) mod output;
pub(crate) mod tls;
pub(crate) mod words;

use core::fmt::Display;
use std::io::ErrorKind;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mio::{Events, Poll};
use sockeye_terminal::{notice, signals};

/// Bytes of output that are gathered before they are written.
pub(crate) const GATHERED_BYTES_MAX: usize = 64 * 1024;

/// How long a client waits for the server's answer before it prints a notice.
pub(crate) const WORD: Duration = Duration::from_secs(2);

/// The error with which a client of any server ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// A mistake of the user: status 2.
    Usage(String),
    /// Any other error: status 1.
    Failed(String),
    /// An error that was printed already: status 1.
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

/// Waits for events, but no longer than until `until`.
pub(crate) fn wait(
    poll: &mut Poll,
    events: &mut Events,
    until: Option<Instant>,
) -> Result<(), Problem> {
    let timeout = until.map(|at| at.saturating_duration_since(Instant::now()));
    match poll.poll(events, timeout) {
        Err(error) if error.kind() != ErrorKind::Interrupted => {
            Err(Problem::failed("cannot wait", error))
        }
        _ => Ok(()),
    }
}

/// Prints the error, if there is one, and returns the program's status. If a signal has asked for the end, it ends
/// the program by that signal.
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
