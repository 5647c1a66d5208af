//! The log that several machines share: opens its engine, and drives this process's node on it.

mod engine;
mod import;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sockeye_backbone::engine::{Engine, Kept, TroubleKind};
use sockeye_backbone::entry::{Evidence, Rules, VERSION};
use sockeye_backbone::node::{Node, NodeSettings, Notice, OnOtherRules, Status, Stop};
use sockeye_service::sequencing::LoopBackbone;
use sockeye_service::wire::Level;
use sockeye_terminal::{Failure, OrFail as _};

pub(crate) use self::engine::{check, open};
pub(crate) use self::import::{BackboneAction, run};
use crate::config::{BackboneConfig, OtherRules};

/// How often a node says that it is there, and how long it counts as there after that, in milliseconds.
const LEASE_EVERY_MS: u64 = 5_000;
const LEASE_MS: u64 = 20_000;

/// How many times the entries that are remembered may be there before offers are refused: so long nobody has
/// set a horizon.
const REMEMBERED: u64 = 4;

/// How often a node looks whether something is due.
const STEP: Duration = Duration::from_millis(250);

/// How soon it looks again at loops that have not read what it gave them.
const BEHIND_STEP: Duration = Duration::from_millis(5);

/// Events that loops have not read, above which nothing more is read of the log.
const UNREAD_MAX: usize = 16_384;

/// How long a start waits for the first word of the engine before it listens all the same.
const FIRST_WORD_MAX: Duration = Duration::from_secs(10);

/// The time between two lines about a start, and between two about entries that cannot be read.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// This process's node of a shared log.
pub(crate) struct SharedNode {
    node: Node,
    /// The engine has said whether it is there.
    has_heard: bool,
    started: Instant,
    progress_told: Instant,
    unreadable: UnreadableLines,
}

/// The rules by which all nodes decide.
pub(crate) fn rules(config: &BackboneConfig, hub: &sockeye_hub::Config) -> Rules {
    Rules::of(hub, config.entries.saturating_mul(REMEMBERED))
}

impl SharedNode {
    /// A node on an engine, which wakes the calling thread.
    pub(crate) fn new(
        config: &BackboneConfig,
        hub: &sockeye_hub::Config,
        mut engine: Box<dyn Engine>,
        begin_ms: u64,
    ) -> Result<Self, Failure> {
        let me = std::thread::current();
        engine.set_wake(Arc::new(move || me.unpark()));
        let level = match engine.capabilities().kept {
            Kept::Memory => Level::Accepted,
            Kept::Disk | Kept::Replicas => Level::Logged,
        };
        let settings = NodeSettings {
            node: random()?,
            seed: random()?,
            name: name(),
            rules: rules(config, hub),
            on_other_rules: match config.other_rules {
                OtherRules::Refuse => OnOtherRules::Refuse,
                OtherRules::Replace => OnOtherRules::Replace,
            },
            level,
            begin_ms,
            lease_every_ms: LEASE_EVERY_MS,
            lease_ms: LEASE_MS,
            keep: config.entries,
            version: config.entry_version,
            program: env!("CARGO_PKG_VERSION"),
        };
        let now = Instant::now();
        Ok(Self {
            node: Node::new(settings, engine),
            has_heard: false,
            started: now,
            progress_told: now,
            unreadable: UnreadableLines::default(),
        })
    }

    /// Waits for the first word of the engine, so that one that refuses ends the start before anybody is let in.
    /// `now_ms` tells log time; `is_over` ends the wait.
    pub(crate) fn hear(
        &mut self,
        loops: &LoopBackbone,
        mut now_ms: impl FnMut() -> u64,
        is_over: impl Fn() -> bool,
    ) -> Result<(), Failure> {
        while !self.has_heard && !is_over() && self.started.elapsed() < FIRST_WORD_MAX {
            let patience = self.step(loops, now_ms())?;
            if !self.has_heard {
                std::thread::park_timeout(patience.min(STEP));
            }
        }
        Ok(())
    }

    /// Decides what has come from the loops and from the log; gives how long nothing is due, if nobody wakes the
    /// thread.
    ///
    /// # Errors
    /// The process has never taken part, and will not as it is configured.
    pub(crate) fn step(&mut self, loops: &LoopBackbone, now_ms: u64) -> Result<Duration, Failure> {
        if loops.unread() > UNREAD_MAX {
            return Ok(BEHIND_STEP);
        }
        loops.step(&mut self.node, now_ms);
        loops.begin(&self.node);
        let status = self.node.status();
        loops.clock().catch_up(now_ms, status.time_ms);
        for notice in self.node.take_notices() {
            self.take(notice, &status)?;
        }
        self.tell_progress(&status);
        Ok(STEP)
    }

    /// Ends the node's lease.
    pub(crate) fn leave(&mut self, now_ms: u64) {
        self.node.leave(now_ms);
    }

    fn take(&mut self, notice: Notice, status: &Status) -> Result<(), Failure> {
        let fails = !status.has_begun;
        match notice {
            Notice::Up => {
                self.has_heard = true;
                log::info!("the backbone is there");
            }
            Notice::Away(trouble) => {
                self.has_heard = true;
                let is_refusal = matches!(
                    trouble.kind,
                    TroubleKind::Login | TroubleKind::Settings | TroubleKind::Version
                );
                if fails && is_refusal {
                    return Err(Failure(format!("the backbone: {trouble}")));
                }
                log::warn!(trouble:%; "the backbone is away: nothing is published meanwhile");
            }
            Notice::Joined(entries) => log::info!(entries; "the backbone was read"),
            Notice::Importing => log::warn!(
                "the backbone has the beginning of an import: this node waits for its end; if it was cut short, run \
                 `sockeye backbone import` again with the same directory"
            ),
            Notice::Rejoins => {
                log::warn!(
                    "the backbone may have lost or changed what was read: it is read again. Clients have a gap only if a \
                     line about a new epoch or missed entries follows"
                );
            }
            Notice::Epoch(epoch, entry) => {
                log::warn!(epoch = epoch.0, entry; "a new epoch of the backbone: all clients have a gap");
            }
            Notice::Missed(entry) => {
                log::warn!(entry; "entries up to this one were trimmed before this node read them: its clients have a gap");
            }
            Notice::EndsEpoch(why) => {
                log::warn!("this node ends the epoch of the backbone: {}", words(why));
            }
            Notice::Unreadable(position) => self.unreadable.tell(position),
            Notice::OtherRules(what) => {
                let what = format!(
                    "the backbone has other rules than this configuration: {what}; make them alike, or set \
                     other_rules = \"replace\" in [backbone]"
                );
                if fails {
                    return Err(Failure(what));
                }
                log::error!("{what}");
            }
            Notice::Stopped(stop) => {
                let why = why_stopped(stop);
                if fails {
                    return Err(Failure(why));
                }
                log::error!("{why}");
            }
        }
        Ok(())
    }

    /// Says each second how far a start is.
    fn tell_progress(&mut self, status: &Status) {
        if status.has_begun || !status.is_up || self.progress_told.elapsed() < LINE_EVERY {
            return;
        }
        self.progress_told = Instant::now();
        let (seconds, done) = (self.started.elapsed().as_secs(), status.restored);
        log::info!(seconds, done, all = status.retained(); "starting: reading the backbone");
    }
}

/// Why an epoch ends, for a person.
const fn words(why: Evidence) -> &'static str {
    match why {
        Evidence::LostTail => "the log ends before what this node has read",
        Evidence::OtherEntries => "the log has other entries than this node has read",
        Evidence::OtherWitness => "another node has read other entries than this one",
        Evidence::OtherIdentity => "it is another log, or another server has it",
    }
}

/// Why a node has stopped, for a person.
fn why_stopped(stop: Stop) -> String {
    match stop {
        Stop::Newer(version @ ..=VERSION) => format!(
            "the backbone has entries of version {version}: set entry_version of [backbone] to {VERSION}, or take it away"
        ),
        Stop::Newer(version) => {
            format!("the backbone has entries of version {version}: this program is too old for them")
        }
        Stop::Diverged => "this node has decided otherwise than another one: restart it, and report this as a mistake of \
                           the program"
            .to_owned(),
    }
}

/// The lines about entries that cannot be read: a stranger may write many.
#[derive(Default)]
struct UnreadableLines {
    told: Option<Instant>,
    others: u64,
}

impl UnreadableLines {
    fn tell(&mut self, position: sockeye_backbone::Position) {
        if self.told.is_some_and(|told| told.elapsed() < LINE_EVERY) {
            self.others += 1;
            return;
        }
        self.told = Some(Instant::now());
        let others = core::mem::take(&mut self.others);
        log::error!(position:%, others; "an entry of the backbone cannot be read: does somebody else write there?");
    }
}

fn random() -> Result<u64, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).or_fail(|| "the system gives no random numbers".into())?;
    Ok(u64::from_ne_bytes(bytes))
}

/// The machine's name, and the process's number.
fn name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}/{}", std::process::id())
}
