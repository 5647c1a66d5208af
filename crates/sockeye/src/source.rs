//! `sockeye source`: prepares what a source reads.

use clap::Subcommand;
use sockeye_postgres::{OutboxConfig, outbox_sql};
use sockeye_terminal::{Failure, print};

#[derive(Debug, Subcommand)]
pub(crate) enum SourceAction {
    /// Print the script that makes an outbox in PostgreSQL: a table, its trigger, and the rights that are needed.
    Sql {
        /// The name of the table, of small letters, digits and _.
        #[arg(long, value_name = "NAME", default_value = sockeye_postgres::DEFAULT_OUTBOX)]
        table: String,
    },
}

pub(crate) fn run(action: &SourceAction) -> Result<(), Failure> {
    match action {
        SourceAction::Sql { table } => {
            // The same rule as in a configuration.
            OutboxConfig::from_url(&format!("postgres://user@host?table={table}"))
                .map_err(|why| Failure(format!("--table: {why}")))?;
            print::text(&outbox_sql(table))
        }
    }
}
