//! `sockeye backbone import`: what one machine has kept on its disk becomes the beginning of a shared log.

mod source;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use sockeye_backbone::engine::{Engine, Event, State};
use sockeye_backbone::entry::{Import, ImportedRun};
use sockeye_backbone::node::import::{ImportError, Importer, Offered, Progress};
use sockeye_log::{Error, Inspector, Options, Store};
use sockeye_terminal::plain::counted;
use sockeye_terminal::{Failure, notice, print};

use self::source::{Bounds, Fed, Survey};
use super::{engine, random};
use crate::config::{BackboneConfig, Config};
use crate::disk;
use crate::file::Kind;
use crate::workers::unix_ms;

const EXAMPLES: &str = "\
Examples:
  sockeye backbone import --data data --backbone redis://127.0.0.1
  sockeye serve --backbone redis://127.0.0.1              # on each machine, then";

/// How long the engine may be away before the command ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// How soon the importer looks again, if nobody wakes it.
const STEP: Duration = Duration::from_millis(250);

/// The time between two lines about the progress.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Runs that are brought: a hub remembers no more.
const RUNS_MAX: usize = 4_096;

#[derive(Debug, Subcommand)]
pub(crate) enum BackboneAction {
    /// Write the log of one machine into an empty shared log, which goes on from it; no server may run.
    ///
    /// The epoch, the messages that the nodes have room for, channels that have ended, idempotency keys and the tags of
    /// cursors: a client of the one machine resumes at any node with the cursor that it has. What is not brought is a gap
    /// that its readers are told of. Until the end, no node serves the log; an import that was cut short goes on when it
    /// is run again. Then the directory is history: do not start a server with it.
    #[command(after_help = EXAMPLES)]
    Import(ImportOptions),
}

#[derive(Debug, Args)]
pub(crate) struct ImportOptions {
    /// Directory of the durable log.
    #[arg(long, env = "SOCKEYE_DATA", value_name = "DIR")]
    data: PathBuf,

    /// The log that several machines will share, as `sockeye serve --backbone` has it.
    #[arg(long, env = "SOCKEYE_BACKBONE", value_name = "URL")]
    backbone: Option<String>,

    /// Configuration file of the nodes: `[backbone]`, and how many messages of a channel they keep in memory.
    #[arg(long, env = "SOCKEYE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn run(action: &BackboneAction) -> Result<(), Failure> {
    match action {
        BackboneAction::Import(options) => import(options),
    }
}

fn import(options: &ImportOptions) -> Result<(), Failure> {
    let config = configure(options)?;
    let shared = config.backbone.as_ref().ok_or_else(|| {
        Failure("--backbone, or [backbone] in the configuration, names the shared log".into())
    })?;
    let dir = &options.data;
    let failed = |error| failure(dir, error);
    // It holds the directory, so that no server changes it meanwhile.
    let (_lock, _) = Store::open_existing(dir, &Options::new(0, 0)).map_err(failed)?;
    let log = Inspector::open(dir).map_err(failed)?;
    let mut engine = engine::open(shared)?;
    let me = std::thread::current();
    engine.set_wake(Arc::new(move || me.unpark()));
    let engine = hear(engine)?;
    let bounds =
        Bounds { messages: shared.entries, entry_bytes: engine.capabilities().entry_bytes_max };
    let survey = Survey::of(&log, bounds, &config.hub()).map_err(failed)?;
    let mut work = Work {
        importer: Importer::new(beginning(&survey)?, Box::new(engine)),
        survey: Arc::new(survey),
        url: &shared.url,
        away: None,
        told: Instant::now(),
    };
    let fed = work.run(&log, dir)?;
    conclude(&work.survey, &fed, shared)
}

/// The configuration of the nodes. What it says of a disk does not concern them.
fn configure(options: &ImportOptions) -> Result<Config, Failure> {
    let mut config = match &options.config {
        Some(file) => Config::read(file, Kind::Given)?,
        None => Config::default(),
    };
    config.data = None;
    if let Some(url) = &options.backbone {
        config.backbone.get_or_insert_default().url.clone_from(url);
    }
    config.check()?;
    Ok(config)
}

/// An engine that has said that it is there. What it can do is known then.
fn hear(mut engine: Box<dyn Engine>) -> Result<Heard, Failure> {
    let begun = Instant::now();
    let mut why = String::from("it has not answered");
    while begun.elapsed() < PATIENCE {
        match engine.next() {
            Some(Event::State(State::Up(ends))) => {
                return Ok(Heard { engine, first: Some(Event::State(State::Up(ends))) });
            }
            Some(Event::State(State::Refused(trouble))) => {
                return Err(Failure(format!("the backbone: {trouble}")));
            }
            Some(Event::State(State::Away(trouble))) => {
                notice(format_args!("the backbone is away: {trouble}"));
                why = trouble.to_string();
            }
            Some(_) => {}
            None => std::thread::park_timeout(STEP),
        }
    }
    Err(Failure(format!("the backbone is away: {why}")))
}

/// An engine whose first word was heard, and is said again.
struct Heard {
    engine: Box<dyn Engine>,
    first: Option<Event>,
}

impl Engine for Heard {
    fn set_wake(&mut self, wake: sockeye_backbone::Wake) {
        self.engine.set_wake(wake);
    }

    fn capabilities(&self) -> sockeye_backbone::Capabilities {
        self.engine.capabilities()
    }

    fn read_from(&mut self, position: sockeye_backbone::Position) {
        self.engine.read_from(position);
    }

    fn append(&mut self, fence: u64, entries: &[Arc<[u8]>]) -> Result<(), sockeye_backbone::Full> {
        self.engine.append(fence, entries)
    }

    fn begin_log(&mut self, entry: &Arc<[u8]>) -> Result<(), sockeye_backbone::Full> {
        self.engine.begin_log(entry)
    }

    fn raise_fence(&mut self, entry: &Arc<[u8]>) -> Result<(), sockeye_backbone::Full> {
        self.engine.raise_fence(entry)
    }

    fn trim(&mut self, before: sockeye_backbone::Position) {
        self.engine.trim(before);
    }

    fn next(&mut self) -> Option<Event> {
        self.first.take().or_else(|| self.engine.next())
    }
}

/// The first entry of the shared log.
fn beginning(survey: &Survey) -> Result<Import, Failure> {
    let end = survey.end();
    let runs = &end.runs[end.runs.len().saturating_sub(RUNS_MAX)..];
    let runs = runs.iter().map(|run| ImportedRun { first: run.first, tag: run.tag });
    Ok(Import {
        epoch: survey.epoch(),
        nonce: random()?,
        // A log whose calendar is behind its own time has to go on from that.
        time_ms: unix_ms().max(end.time_ms),
        identity: 0,
        head: end.head,
        horizon: end.horizon,
        check: disk::run_tag()?,
        runs: runs.collect(),
        plan: survey.plan(),
    })
}

/// An import at work.
struct Work<'w> {
    importer: Importer,
    survey: Arc<Survey>,
    url: &'w str,
    /// Since when the engine is away.
    away: Option<Instant>,
    told: Instant,
}

/// Why the parts were not offered to the end.
enum Stopped {
    Log(Error),
    Failed(Failure),
    /// They have to be offered again.
    Again,
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Log(error)
    }
}

impl Work<'_> {
    fn run(&mut self, log: &Inspector, dir: &Path) -> Result<Fed, Failure> {
        let mut fed = Fed::default();
        loop {
            match self.step()? {
                Progress::Done => return Ok(fed),
                Progress::Waits(_) => std::thread::park_timeout(STEP),
                // The end was offered, and is on its way.
                Progress::Feeds(next) if next == fed.parts && next > 0 => {
                    std::thread::park_timeout(STEP);
                }
                Progress::Feeds(next) => {
                    if next > 0 {
                        notice(format_args!("the import goes on behind {}", counted(next, "part")));
                    }
                    fed = match self.feed(log) {
                        Ok(fed) => fed,
                        Err(Stopped::Again) => Fed::default(),
                        Err(Stopped::Log(error)) => return Err(failure(dir, error)),
                        Err(Stopped::Failed(failure)) => return Err(failure),
                    };
                }
            }
        }
    }

    /// Offers all parts. Those that are in the log already are passed over.
    fn feed(&mut self, log: &Inspector) -> Result<Fed, Stopped> {
        let shift_ms = self.importer.import().time_ms - self.survey.end().time_ms;
        let survey = Arc::clone(&self.survey);
        survey.feed(log, shift_ms, |number, part| {
            loop {
                match self.importer.offer(number, part) {
                    Offered::Taken => return Ok(()),
                    Offered::Again => return Err(Stopped::Again),
                    Offered::Full => {
                        std::thread::park_timeout(STEP);
                        self.step().map_err(Stopped::Failed)?;
                    }
                }
            }
        })
    }

    fn step(&mut self) -> Result<Progress, Failure> {
        let progress = self.importer.step().map_err(|error| refusal(&error, self.url))?;
        match &progress {
            Progress::Waits(Some(trouble)) => {
                let since = *self.away.get_or_insert_with(Instant::now);
                if since.elapsed() > PATIENCE {
                    return Err(Failure(format!(
                        "the backbone is away: {trouble}. Run this again when it is back: the import goes on"
                    )));
                }
            }
            Progress::Waits(None) => {}
            Progress::Feeds(_) | Progress::Done => self.away = None,
        }
        if self.told.elapsed() >= TOLD_EVERY {
            self.told = Instant::now();
            let (done, all) = (self.importer.parts(), self.survey.messages());
            match &progress {
                Progress::Waits(Some(trouble)) => {
                    notice(format_args!("the backbone is away: {trouble}"));
                }
                _ => notice(format_args!("{} of {}", done.min(all), counted(all, "message"))),
            }
        }
        Ok(progress)
    }
}

/// The failure of an import, with the way out.
fn refusal(error: &ImportError, url: &str) -> Failure {
    let way_out = match error {
        ImportError::NotEmpty | ImportError::Other | ImportError::Disturbed => way_to_empty(url),
        ImportError::TooLarge => "raise its bound, and run this again",
        ImportError::Engine(_) => "mend that, and run this again: the import goes on",
    };
    Failure(format!("the backbone: {error}; {way_out}"))
}

/// How a log is removed, or another one named.
fn way_to_empty(url: &str) -> &'static str {
    let (scheme, _) = url.split_once(':').unwrap_or_default();
    match scheme.to_ascii_lowercase().as_str() {
        "nats" | "tls" => {
            "remove that stream (`nats stream rm sockeye`), or name another one in the URL (?stream=NAME), and run this \
             before any node is started"
        }
        "kafka" | "kafkas" => {
            "remove that topic (`kafka-topics.sh --delete --topic sockeye`), or name another one in the URL \
             (kafka://HOST/TOPIC), and run this before any node is started"
        }
        "amqp" | "amqps" => {
            "delete that stream (`rabbitmqctl delete_queue sockeye`), or name another one in the URL, and run this before any \
             node is started"
        }
        "postgres" | "postgresql" => {
            "drop both tables (`DROP TABLE sockeye, sockeye_head`), or name others in the URL (?table=NAME), and run this \
             before any node is started"
        }
        _ => {
            "remove that key (`DEL sockeye`), or name another one in the URL (?key=NAME), and run this before any node is \
             started"
        }
    }
}

fn failure(dir: &Path, error: Error) -> Failure {
    let way_out = match error {
        Error::Locked => ": stop that server first",
        Error::Absent => ": name the directory that a server has had as --data",
        Error::Unsound(_) | Error::Damaged { .. } => {
            ": `sockeye log verify` tells more. Import a backup, put into another directory by `sockeye log restore`"
        }
        _ => "",
    };
    Failure(format!("cannot import the log in {}: {error}{way_out}", dir.display()))
}

fn conclude(survey: &Survey, fed: &Fed, shared: &BackboneConfig) -> Result<(), Failure> {
    if fed.parts == 0 {
        return print::say(format_args!("the shared log has all of it already: start the nodes"));
    }
    let left_out = survey.records() - survey.messages();
    let left_out = match left_out {
        0 => String::new(),
        _ => format!(
            "; {} left out, because the nodes have no room for them: who wants them is told of a gap",
            counted(left_out, "older message")
        ),
    };
    print::say(format_args!(
        "imported: {}, {}, {}{left_out}\n\
         The shared log goes on from it. Start the nodes with --backbone {}, and no server with the directory any more",
        counted(survey.messages(), "message"),
        counted(survey.channels(), "channel"),
        counted(fed.keys, "key"),
        shared.url,
    ))
}
