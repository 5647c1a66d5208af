//! `sockeye log`: the log on disk, looked at, copied and kept small.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::value::RawValue;
use sockeye_log::{Error, Inspector, Options, Start, Stat, Store};
use sockeye_terminal::{Failure, OrFail, notice, print};

use crate::disk;

const EXAMPLES: &str = "\
Examples:
  sockeye log stat --data data
  sockeye log verify --data data
  sockeye log backup --data data /backup/2026-11-23    # while a server runs
  sockeye log restore --data new /backup/2026-11-23";

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
    /// Print every message, a JSON object a line; a server may run.
    Export(Data),
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
        LogAction::Export(data) => export(&data.data),
        LogAction::Compact(data) => compact(&data.data),
    }
}

fn open(dir: &Path) -> Result<Inspector, Failure> {
    Inspector::open(dir).or_fail(|| format!("cannot read the log in {}", dir.display()))
}

fn stat(dir: &Path) -> Result<(), Failure> {
    let stat = open(dir)?.stat().or_fail(|| format!("cannot read the log in {}", dir.display()))?;
    let Stat { epoch, tail, totals, ended, file_bytes, .. } = &stat;
    print::say(format_args!(
        "epoch {epoch}, head {tail}, {} runs\n\
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

fn export(dir: &Path) -> Result<(), Failure> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let done = open(dir)?.export(|record| {
        let data = std::str::from_utf8(&record.body).ok();
        let data = data.and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
        let line = serde_json::json!({
            "seq": record.seq,
            "channel": record.channel,
            "time": disk::date_ms(&record),
            "log_ms": record.time_ms,
            "kind": record.kind,
            "message": data,
        });
        writeln!(out, "{line}").map_err(Stopped::Output)
    });
    match done.and_then(|()| out.flush().map_err(Stopped::Output)) {
        Ok(()) => Ok(()),
        // Whoever read has enough.
        Err(Stopped::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(Stopped::Output(error)) => Err(Failure(format!("cannot write: {error}"))),
        Err(Stopped::Log(error)) => Err(Failure(format!("cannot read the log: {error}"))),
    }
}

enum Stopped {
    Log(Error),
    Output(std::io::Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Log(error)
    }
}

fn compact(dir: &Path) -> Result<(), Failure> {
    let opening = || format!("cannot open the log in {}", dir.display());
    // A log that is not there, or damaged, must not be begun here.
    drop(Inspector::open(dir).or_fail(opening)?);
    let (mut store, found) = Store::open(dir, &Options::new(0, 0)).or_fail(opening)?;
    if found.start != Start::Resumed {
        return Err(Failure(format!("{}: the log was damaged and is set aside", dir.display())));
    }
    store.compact().or_fail(opening)?;
    print::say(format_args!("{}: {} messages", dir.display(), found.records))
}
