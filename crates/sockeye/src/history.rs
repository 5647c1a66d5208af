//! `sockeye log`: the log on disk, looked at, copied and kept small.

mod export;
mod import;
mod line;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use sockeye_hub::{Cursor, Epoch, Seq};
use sockeye_log::{Inspector, Options, Stat, Store};
use sockeye_terminal::{Failure, OrFail, notice, print};

const EXAMPLES: &str = "\
Examples:
  sockeye log stat --data data
  sockeye log verify --data data
  sockeye log backup --data data /backup/2026-11-23    # while a server runs
  sockeye log restore --data new /backup/2026-11-23
  sockeye log export --data data | sockeye log import --data new";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LogCommand {
    #[command(subcommand)]
    action: LogAction,
}

#[derive(Debug, Args)]
struct Data {
    /// Directory of the durable log.
    #[arg(long, env = "SOCKEYE_DATA", value_name = "DIR")]
    data: PathBuf,
}

#[derive(Debug, Subcommand)]
enum LogAction {
    /// Print how much is kept, by namespace; a server may run.
    Stat(Data),
    /// Read and check everything; a server may run. Exit status 1 if anything is damaged.
    Verify(Data),
    /// Copy the log as it is now to an empty directory; a server may run.
    Backup {
        #[command(flatten)]
        data: Data,
        /// The directory of the copy: empty, or not there.
        #[arg(value_name = "COPY")]
        copy: PathBuf,
    },
    /// Put a copy into an empty directory, from which a server may start.
    ///
    /// Clients that have seen more than the copy has are told of a gap.
    Restore {
        #[command(flatten)]
        data: Data,
        /// The directory of the copy.
        #[arg(value_name = "COPY")]
        copy: PathBuf,
    },
    /// Print the log, a JSON object a line: messages, channels, keys; a server may run.
    Export(Data),
    /// Write the lines of an export, or messages of your own, into a directory; no server may run.
    ///
    /// In a new directory a whole export becomes the same log: positions, times, keys and ends. Messages
    /// without `seq` are appended. An import that was cut short goes on when it is run again.
    Import {
        #[command(flatten)]
        data: Data,
        /// The file with the lines; standard input, if there is none.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Give the room of dropped messages back to the file system; no server may run.
    Compact(Data),
}

pub(crate) fn run(command: &LogCommand) -> Result<(), Failure> {
    match &command.action {
        LogAction::Stat(data) => stat(&data.data),
        LogAction::Verify(data) => verify(&data.data),
        LogAction::Backup { data, copy } => {
            let copied = backup(&data.data, copy)?;
            print::say(format_args!("{copied} messages copied to {}", copy.display()))
        }
        LogAction::Restore { data, copy } => {
            let copied = backup(copy, &data.data)?;
            print::say(format_args!("{copied} messages restored to {}", data.data.display()))
        }
        LogAction::Export(data) => export::export(&data.data),
        LogAction::Import { data, file } => import::import(&data.data, file.as_deref()),
        LogAction::Compact(data) => compact(&data.data),
    }
}

fn open(dir: &Path) -> Result<Inspector, Failure> {
    Inspector::open(dir).or_fail(|| format!("cannot read the log in {}", dir.display()))
}

fn stat(dir: &Path) -> Result<(), Failure> {
    let stat = open(dir)?.stat().or_fail(|| format!("cannot read the log in {}", dir.display()))?;
    let Stat { epoch, tail, totals, ended, file_bytes, .. } = &stat;
    let head = Cursor::new(Epoch(*epoch), Seq(*tail));
    print::say(format_args!(
        "newest position {tail}, as a cursor {head}; {} runs\n\
         {} messages of {} bytes in {} channels, of which {ended} have ended; {} keys; files {file_bytes} bytes",
        stat.runs.len(),
        totals.records,
        totals.bytes,
        totals.channels,
        totals.keys,
    ))?;
    for (namespace, (channels, records, bytes)) in &stat.namespaces {
        print::say(format_args!(
            "{namespace}: {records} messages, {bytes} bytes, {channels} channels"
        ))?;
    }
    Ok(())
}

fn verify(dir: &Path) -> Result<(), Failure> {
    let reading = || format!("cannot read the log in {}", dir.display());
    let verdict =
        open(dir)?.verify(|read| notice(format_args!("{read} messages"))).or_fail(reading)?;
    for damage in &verdict.damages {
        print::say(format_args!("{damage}"))?;
    }
    match verdict.damaged {
        0 => print::say(format_args!(
            "good: {} messages, {} channels, {} keys",
            verdict.records, verdict.channels, verdict.keys
        )),
        damaged => Err(Failure(format!("{damaged} places in the log are damaged"))),
    }
}

fn backup(from: &Path, to: &Path) -> Result<u64, Failure> {
    let copying = || format!("cannot copy {} to {}", from.display(), to.display());
    let copied = open(from)?.copy_to(to, |_| ()).or_fail(copying)?;
    Ok(copied.records)
}

fn compact(dir: &Path) -> Result<(), Failure> {
    let opening = || format!("cannot open the log in {}", dir.display());
    let (mut store, found) = Store::open_existing(dir, &Options::new(0, 0)).or_fail(opening)?;
    store.compact().or_fail(opening)?;
    print::say(format_args!("{}: {} messages", dir.display(), found.records))
}
