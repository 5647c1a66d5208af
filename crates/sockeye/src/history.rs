//! `sockeye log`: the log on disk, looked at, copied and kept small.

mod export;
mod import;
mod line;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use sockeye_hub::{Cursor, Epoch, Seq};
use sockeye_log::{Error, Inspector, Options, Stat, Store};
use sockeye_terminal::plain::counted;
use sockeye_terminal::{Failure, notice, print};

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
            print::say(format_args!("{copied} copied to {}", copy.display()))
        }
        LogAction::Restore { data, copy } => {
            let copied = restore(copy, &data.data)?;
            print::say(format_args!("{copied} restored to {}", data.data.display()))
        }
        LogAction::Export(data) => export::export(&data.data),
        LogAction::Import { data, file } => import::import(&data.data, file.as_deref()),
        LogAction::Compact(data) => compact(&data.data),
    }
}

/// The error of a command on the log in a directory, with the way out if the error has none.
fn failure(doing: &str, dir: &Path, error: Error) -> Failure {
    let way_out = match error {
        Error::Absent => {
            ": name the directory that a server has as --data, or the copy that `sockeye log backup` made"
        }
        Error::Io(ErrorKind::PermissionDenied) | Error::ReadOnly => {
            "; run this as the user whose server has the log"
        }
        Error::Unsound(_) | Error::Damaged { .. } => {
            "; the way out is a backup, put into another directory by `sockeye log restore`. A server that \
             starts here sets a log aside that it cannot use, and begins a new one"
        }
        _ => "",
    };
    Failure(format!("cannot {doing} the log in {}: {error}{way_out}", dir.display()))
}

fn open(dir: &Path) -> Result<Inspector, Failure> {
    Inspector::open(dir).map_err(|error| failure("read", dir, error))
}

fn stat(dir: &Path) -> Result<(), Failure> {
    let stat = open(dir)?.stat().map_err(|error| failure("read", dir, error))?;
    let Stat { epoch, tail, totals, ended, file_bytes, .. } = &stat;
    let head = Cursor::new(Epoch(*epoch), Seq(*tail));
    print::say(format_args!(
        "newest position {tail}, as a cursor {head}; {}\n\
         {} of {} in {}, of which {ended} {} ended; {}; files {}",
        counted(stat.runs.len() as u64, "run"),
        counted(totals.records, "message"),
        counted(totals.bytes, "byte"),
        counted(totals.channels, "channel"),
        if *ended == 1 { "has" } else { "have" },
        counted(totals.keys, "key"),
        counted(*file_bytes, "byte"),
    ))?;
    for (namespace, (channels, records, bytes)) in &stat.namespaces {
        print::say(format_args!(
            "{namespace}: {}, {}, {}",
            counted(*records, "message"),
            counted(*bytes, "byte"),
            counted(*channels, "channel")
        ))?;
    }
    Ok(())
}

fn verify(dir: &Path) -> Result<(), Failure> {
    let verdict = open(dir)?
        .verify(|read| notice(format_args!("{}", counted(read, "message"))))
        .map_err(|error| failure("read", dir, error))?;
    for damage in &verdict.damages {
        print::say(format_args!("{damage}"))?;
    }
    match verdict.damaged {
        0 => print::say(format_args!(
            "good: {}, {}, {}",
            counted(verdict.records, "message"),
            counted(verdict.channels, "channel"),
            counted(verdict.keys, "key")
        )),
        1 => Err(Failure(format!("1 place in the log in {} is damaged", dir.display()))),
        damaged => {
            Err(Failure(format!("{damaged} places in the log in {} are damaged", dir.display())))
        }
    }
}

/// Copies a log; says how many messages it has.
fn backup(from: &Path, to: &Path) -> Result<String, Failure> {
    copy(from, to, "a copy goes into a directory that is empty or not there: name another one")
}

fn restore(from: &Path, to: &Path) -> Result<String, Failure> {
    copy(
        from,
        to,
        "a copy is put back into a directory that is empty or not there: name another one, and start the \
         server with it; or move away what is there",
    )
}

/// `way_out`: what to do if the directory has files in it.
fn copy(from: &Path, to: &Path, way_out: &str) -> Result<String, Failure> {
    let log = open(from)?;
    let copied = log.copy_to(to, |_| ()).map_err(|error| match error {
        Error::NotEmpty => Failure(format!("{}: {error}; {way_out}", to.display())),
        Error::Unsound(_) | Error::Damaged { .. } => failure("copy", from, error),
        _ => Failure(format!("cannot copy {} to {}: {error}", from.display(), to.display())),
    })?;
    Ok(counted(copied.records, "message"))
}

fn compact(dir: &Path) -> Result<(), Failure> {
    let failed = |error| failure("compact", dir, error);
    let (mut store, found) = Store::open_existing(dir, &Options::new(0, 0)).map_err(failed)?;
    store.compact().map_err(failed)?;
    print::say(format_args!("{}: {}", dir.display(), counted(found.records, "message")))
}
