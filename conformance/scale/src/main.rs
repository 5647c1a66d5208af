//! Thousands of connections against a real server, in one thread.
//!
//! Counts decide about success; times are only printed. See the README.

mod abuse;
mod canary;
mod checks;
mod choose;
mod delays;
mod drain;
mod fairness;
mod frames;
mod lane;
mod line;
mod probe;
mod publisher;
mod pulse;
mod road;
mod server;
mod slow;
mod soak;
mod start;
mod subscriber;
mod trunks;
mod turns;
mod wire;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use checks::Checks;
use road::Carrier;

/// An error that kept a run from finishing. It says nothing about the server.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Thousands of connections against a real server.
#[derive(Parser)]
struct Options {
    /// The program `sockeye`; beside this one if it is not said.
    #[arg(long, global = true)]
    server: Option<PathBuf>,
    #[command(subcommand)]
    command: What,
}

#[derive(Clone, Subcommand)]
enum What {
    /// A restart under traffic: everybody gets everything once, and is told evenly.
    Drain(Size),
    /// A fifth of the readers stops reading: the others do not notice, and memory stays bounded.
    Slow(Size),
    /// Storms, silence, floods, and no descriptors left.
    Abuse(Size),
    /// The floods of HTTP/2, of the run before.
    Floods,
    /// One address takes what it can, and the others are served.
    Fairness(Size),
    /// A start with many messages on disk costs what one with few does.
    Start,
    /// What CI runs: all above, what another carrier may change over each of them, the loads of `turns`, and a part of
    /// `trunks`.
    Gate(Size),
    /// Loads that want more of a turn than its budget, one after the other.
    Turns(Rows),
    /// The loads of `turns`, and others, all at once.
    Soak(Endurance),
    /// Measures the transports and prints a table.
    Choose(Measure),
    /// Many WebSockets on few connections of HTTP/2: memory, and what a delivery takes.
    Trunks(Trunks),
}

/// How large a run is.
#[derive(Args, Clone, Copy)]
pub(crate) struct Size {
    /// Percent of the sizes that CI takes.
    #[arg(long, default_value_t = 100)]
    pub(crate) percent: usize,
    /// Seconds over which streams are told to go.
    #[arg(long, default_value_t = 10)]
    pub(crate) window: u64,
    /// What `drain`, `slow` and `fairness` speak, and `gate` first.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) over: Carrier,
    /// What the server under test is configured with instead, to see a check fail.
    #[arg(long)]
    pub(crate) fault: Option<Fault>,
}

#[derive(Args, Clone)]
pub(crate) struct Rows {
    /// Seconds of each load.
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u64,
    /// One of the loads, instead of all.
    #[arg(long)]
    pub(crate) only: Option<String>,
    /// What attackers and the canary speak.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) over: Carrier,
}

#[derive(Args, Clone, Copy)]
pub(crate) struct Endurance {
    /// Minutes of the attack.
    #[arg(long, default_value_t = 10)]
    pub(crate) minutes: u64,
    /// Messages live in memory only.
    #[arg(long)]
    pub(crate) memory: bool,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A drain without a window.
    NoWindow,
    /// The second server has no directory, so it does not have what the first one kept.
    NoData,
    /// Queues of 16 MiB a stream.
    LongQueues,
    /// A history too short for a restart.
    NoHistory,
    /// A bound of 200 connections.
    FewConnections,
    /// One address may take all that strangers may.
    NoShares,
}

#[derive(Args, Clone)]
pub(crate) struct Trunks {
    /// Connections.
    #[arg(long, default_value_t = 100)]
    pub(crate) connections: usize,
    /// WebSockets on each.
    #[arg(long, default_value_t = 100)]
    pub(crate) streams: usize,
    /// Messages to all, one after the other.
    #[arg(long, default_value_t = 10)]
    pub(crate) publications: usize,
    /// Bytes of a message.
    #[arg(long, default_value_t = 128)]
    pub(crate) bytes: usize,
    /// Each connection is one WebSocket, over HTTP/1.1; `--streams` is 1 then.
    #[arg(long)]
    pub(crate) direct: bool,
    /// The connections are encrypted: TLS 1.3.
    #[arg(long)]
    pub(crate) tls: bool,
    /// MiB that the server may hold.
    #[arg(long)]
    pub(crate) memory_mib: Option<u64>,
    /// Seconds in which all are to be open.
    #[arg(long)]
    pub(crate) open_seconds: Option<f64>,
}

#[derive(Args, Clone, Copy)]
pub(crate) struct Measure {
    /// A smoke test instead of a measurement.
    #[arg(long)]
    pub(crate) short: bool,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u64,
}

impl Size {
    /// Scales a number to the percentage, to at least one.
    pub(crate) const fn of(self, count: usize) -> usize {
        let scaled = count * self.percent / 100;
        if scaled == 0 { 1 } else { scaled }
    }

    pub(crate) fn has(self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(checks) => {
            println!("scale: {} passed, {} failed", checks.passed, checks.failed);
            if checks.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(Failure(why)) => {
            eprintln!("sockeye-scale: {why}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<Checks, Failure> {
    raise_descriptor_limit()?;
    let program = match &options.server {
        Some(program) => program.clone(),
        None => std::env::current_exe()?.with_file_name("sockeye"),
    };
    let mut checks = Checks::default();
    match options.command.clone() {
        What::Drain(size) => drain::run(&program, size, &mut checks)?,
        What::Slow(size) => slow::run(&program, size, &mut checks)?,
        What::Abuse(size) => abuse::run(&program, size, &mut checks)?,
        What::Floods => abuse::floods(&program, &mut checks)?,
        What::Fairness(size) => fairness::run(&program, size, &mut checks)?,
        What::Start => start::run(&program, &mut checks)?,
        What::Gate(size) => gate(&program, size, &mut checks)?,
        What::Turns(rows) => turns::run(&program, &rows, &mut checks)?,
        What::Soak(endurance) => soak::run(&program, endurance, &mut checks)?,
        What::Trunks(size) => trunks::run(&program, &size, &mut checks)?,
        What::Choose(measure) => choose::run(&program, measure, &mut checks)?,
    }
    Ok(checks)
}

/// All that CI runs: the whole over HTTP/1.1, and a fifth of what another carrier may change over each of them.
fn gate(program: &Path, size: Size, checks: &mut Checks) -> Result<(), Failure> {
    drain::run(program, size, checks)?;
    slow::run(program, size, checks)?;
    for over in [Carrier::Https, Carrier::H2c, Carrier::H2] {
        let percent = size.percent / 5;
        let smaller = Size { over, percent, window: size.window.min(2), ..size };
        drain::run(program, smaller, checks)?;
        slow::run(program, smaller, checks)?;
        fairness::run(program, smaller, checks)?;
    }
    abuse::run(program, size, checks)?;
    fairness::run(program, size, checks)?;
    start::run(program, checks)?;
    turns::gate(program, checks)?;
    trunks::gate(program, size, checks)
}

/// Raises the limit on descriptors as far as it may go: one end of 10,000 connections takes as many.
fn raise_descriptor_limit() -> Result<(), Failure> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(())
}
