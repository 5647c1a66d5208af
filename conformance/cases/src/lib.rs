//! The part that suites by address share: a case with its section and level, the runner, the report, and
//! the address itself. It knows no protocol.

mod case;
pub mod report;
pub mod runner;
mod select;
mod url;

pub use case::{Case, Level, Miss, Outcome, Pace, Seen, failed, skipped};
pub use select::matches;
pub use url::Url;
