//! `--workers`: several event loops that share one port and one log.
//!
//! Each worker thread has its own listening socket, streams, hub and history. The main thread runs
//! the sequencer, and the log on disk if there is one; or the node of a log that several machines share, also for
//! one loop.

mod pool;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use sockeye_server::{MioNet, Time};
use sockeye_service::Log;
use sockeye_service::sequencing::{LoopBackbone, LoopBackboneLimits, Sequencer};
use sockeye_terminal::Failure;

use self::pool::WorkerPool;
use crate::backbone;
use crate::backbone::SharedNode;
use crate::cli::ServeOptions;
use crate::config::Config;
use crate::disk;
use crate::disk::{Kept, Opened};
use crate::listen::Bound;
use crate::progress::Progress;
use crate::reload::{Reload, ReloadThread, Reloader};
use crate::serve::{self, Asked};
use crate::sources::{self, Sources};
use crate::tls::TlsReloader;
use crate::watch;

/// How many publications of the largest size may be on their way between the loops at once.
const LARGEST_MIN: usize = 4;

/// How often an idle main thread has the log drop old records.
const IDLE_STEP: Duration = Duration::from_secs(10);

/// Who gives publications their positions.
enum Decides {
    /// This process alone.
    Sequencer(Box<Sequencer>),
    /// All nodes of a shared log.
    Node(Box<SharedNode>),
}

pub(crate) fn run(options: &ServeOptions, config: Config, descriptors: u64) -> Result<(), Failure> {
    let certificates = config.tls.as_ref().map(TlsReloader::start).transpose()?;
    // The port comes first: a process that cannot have it must not touch the log.
    let bound = Bound::new(&config, config.workers)?;
    let addresses = bound.addresses();
    let me = std::thread::current();
    let asked = serve::watch_signals(move || me.unpark())?;
    let (fresh_epoch, hub) = (serve::new_epoch()?, config.hub());
    let progress = Progress::start();
    let opened = config.data.as_ref().map(|dir| Opened::new(dir, fresh_epoch, &config, &progress));
    let opened = opened.transpose()?;
    let epoch = opened.as_ref().map_or(fresh_epoch, Opened::epoch);

    let start = Instant::now();
    let mut decides = match &config.backbone {
        None => Decides::Sequencer(Box::new(Sequencer::new(epoch, hub))),
        Some(shared) => {
            let engine = backbone::open(shared)?;
            Decides::Node(Box::new(SharedNode::new(shared, &hub, engine, unix_ms())?))
        }
    };
    let backbone = LoopBackbone::new(config.workers, backbone_limits(&config));
    let me = std::thread::current();
    backbone.wake_sequencer(Box::new(move || me.unpark()));

    let log = opened.as_ref().map(Opened::control);
    let archives = opened.as_ref().map(Opened::archives).transpose()?;
    let log_parts = (epoch, archives, log.as_ref().map(disk::storage));
    let tls = certificates.as_ref().map(TlsReloader::tls);
    let (sources, plans) = (Sources::new(), sources::plan(&config.sources)?);
    let parts = (log_parts, tls, sources.inlet());
    let mut pool = WorkerPool::start(&config, descriptors, parts, &backbone, &asked)?;
    decides =
        decides.begin(opened, &progress, (&pool, &backbone), || look(&backbone, start), &asked)?;
    pool.wait_until_ready()?;
    drop(progress);
    let (nets, _files) = bound.listen(|| MioNet::new().map(|net| net.counting_from(start)))?;
    sources.apply(plans);
    pool.serve(nets, &backbone);
    // What a shared log has told before found no waker.
    pool.wake();
    serve::announce(&addresses, &config);
    serve::tell(&addresses, &config, &serve::limits(descriptors, &config));
    let parts = (log, certificates, Arc::clone(&sources));
    let reloader = Reloader::new(options, descriptors, config, parts);
    let me = std::thread::current();
    let reload = ReloadThread::start(reloader, backbone.workers(), move || me.unpark())?;
    run_sequencer(&backbone, &mut decides, &mut pool, (&reload, &asked, &sources, start))?;
    log::info!("bye");
    Ok(())
}

/// Gives publications their positions until all workers have ended.
fn run_sequencer(
    backbone: &LoopBackbone,
    decides: &mut Decides,
    pool: &mut WorkerPool,
    (reload, asked, sources, start): (&ReloadThread, &Asked, &Sources, Instant),
) -> Result<(), Failure> {
    let mut ends_seen = 0;
    loop {
        let now_ms = look(backbone, start);
        watch::tell_of_clock(backbone.clock());
        let patience = decides.step(backbone, now_ms)?;
        if asked.is_reload() {
            reload.ask();
        }
        let settings = reload.take();
        if let Some(one) = settings.first() {
            decides.reconfigure(one.hub.clone(), now_ms);
            pool.reload(Reload::all(settings));
        }
        let ends = asked.ends.load(Ordering::Relaxed);
        if core::mem::replace(&mut ends_seen, ends) < ends {
            sources.stop();
            pool.wake();
        }
        if pool.has_ended()? {
            decides.leave(now_ms);
            return Ok(());
        }
        std::thread::park_timeout(patience);
    }
}

impl Decides {
    /// Gives the loops what the log on disk knows, or hears whether the engine of a shared log is there.
    fn begin(
        self,
        opened: Option<Opened>,
        progress: &Progress,
        (pool, backbone): (&WorkerPool, &LoopBackbone),
        now_ms: impl FnMut() -> u64,
        asked: &Asked,
    ) -> Result<Self, Failure> {
        match self {
            Self::Sequencer(mut sequencer) => {
                if let Some(opened) = opened {
                    let disk = restore(opened, progress, &mut sequencer, pool, backbone)?;
                    sequencer = Box::new(sequencer.with_log(disk));
                }
                backbone.begin(&*sequencer);
                Ok(Self::Sequencer(sequencer))
            }
            Self::Node(mut node) => {
                node.hear(backbone, now_ms, || asked.ends.load(Ordering::Relaxed) > 0)?;
                Ok(Self::Node(node))
            }
        }
    }

    /// Decides what has come; gives how long the thread may sleep.
    fn step(&mut self, backbone: &LoopBackbone, now_ms: u64) -> Result<Duration, Failure> {
        match self {
            Self::Sequencer(sequencer) => {
                backbone.step(&mut **sequencer, now_ms);
                Ok(IDLE_STEP)
            }
            Self::Node(node) => node.step(backbone, now_ms),
        }
    }

    /// Decides by other settings. Those by which nodes decide need a restart.
    fn reconfigure(&mut self, hub: sockeye_hub::Config, now_ms: u64) {
        match self {
            Self::Sequencer(sequencer) => sequencer.reconfigure(hub, now_ms),
            Self::Node(_) => {}
        }
    }

    fn leave(&mut self, now_ms: u64) {
        match self {
            Self::Sequencer(_) => {}
            Self::Node(node) => node.leave(now_ms),
        }
    }
}

/// Log time.
fn look(backbone: &LoopBackbone, start: Instant) -> u64 {
    let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    backbone.clock().look(Time::from_millis(ms), unix_ms()).ms
}

/// Gives what the log knows to all workers and to the sequencer.
fn restore(
    opened: Opened,
    progress: &Progress,
    sequencer: &mut Sequencer,
    pool: &WorkerPool,
    backbone: &LoopBackbone,
) -> Result<Box<dyn Log>, Failure> {
    opened.restore(progress, |kept| {
        let restored = match &kept {
            Kept::Runs(runs) => {
                sequencer.restore_runs(runs);
                Ok(())
            }
            Kept::Floor(floor) => sequencer.restore_floor(*floor),
            Kept::Channel { name, last, ended } => {
                sequencer.restore_channel(disk::channel_name(name, *last)?, *last, *ended);
                Ok(())
            }
            Kept::Key { channel, key, seq, until_ms } => {
                let channel = disk::channel_name(channel, *seq)?;
                sequencer.restore_key(channel, key, *seq, *until_ms);
                // The sequencer alone decides.
                return Ok(());
            }
            Kept::Head(head) => sequencer.restore_head(*head),
        };
        restored.map_err(|error| error.to_string())?;
        pool.restore(&kept);
        Ok(())
    })?;
    let (log_ms, date_ms) = opened.clock()?;
    backbone.clock().restore(log_ms, date_ms);
    let me = std::thread::current();
    opened.into_log(Box::new(move || me.unpark()))
}

fn backbone_limits(config: &Config) -> LoopBackboneLimits {
    let mut limits = LoopBackboneLimits::default();
    let largest = disk::message_bytes_max(&config.hub()).max(config.limits.publish_bytes);
    limits.bytes_max = limits.bytes_max.max(largest.saturating_mul(LARGEST_MIN));
    limits
}

/// Milliseconds since 1970, by the calendar.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX))
}
