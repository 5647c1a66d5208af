//! The part that suites by address share: a case with its section and level, the runner, the report, and
//! the address itself. It knows no protocol.

use std::io::{self, ErrorKind};

mod case;
pub mod report;
pub mod runner;
mod select;
mod url;

pub use case::{Case, Level, Miss, Outcome, Pace, Seen, failed, skipped};
pub use select::matches;
pub use url::Url;

/// Does this until it is not interrupted. A read or write that has a timeout may be, by a signal or where the
/// machine pauses.
///
/// # Errors
///
/// Those of `act`, but for interruptions.
pub fn uninterrupted<T>(mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match act() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
