//! `--workers`: several event loops that share one port and one log.
//!
//! Each worker thread has its own listening socket, streams, hub and history. The main thread runs
//! the sequencer, and the log on disk if there is one.

mod pool;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use sockeye_server::{MioNet, Time};
use sockeye_service::Log;
use sockeye_service::sequencing::{LoopBackbone, LoopBackboneLimits, Sequencer};
use sockeye_terminal::Failure;

use self::pool::WorkerPool;
use crate::cli::ServeOptions;
use crate::config::Config;
use crate::disk;
use crate::disk::{Kept, Opened};
use crate::listen::Bound;
use crate::progress::Progress;
use crate::reload::{Reload, ReloadThread, Reloader};
use crate::serve::{self, Asked};
use crate::tls::TlsReloader;
use crate::watch;

/// How many publications of the largest size may be on their way between the loops at once.
const LARGEST_MIN: usize = 4;

/// How often an idle main thread has the log drop old records.
const IDLE_STEP: Duration = Duration::from_secs(10);

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
    let mut sequencer = Sequencer::new(epoch, hub);
    let backbone = LoopBackbone::new(config.workers, backbone_limits(&config));
    let me = std::thread::current();
    backbone.wake_sequencer(Box::new(move || me.unpark()));

    let log = opened.as_ref().map(Opened::control);
    let archives = opened.as_ref().map(Opened::archives).transpose()?;
    let log_parts = (epoch, archives, log.as_ref().map(disk::storage));
    let tls = certificates.as_ref().map(TlsReloader::tls);
    let mut pool = WorkerPool::start(&config, descriptors, (log_parts, tls), &backbone, &asked)?;
    if let Some(opened) = opened {
        let disk = restore(opened, &progress, &mut sequencer, &pool, &backbone)?;
        sequencer = sequencer.with_log(disk);
    }
    backbone.begin(&sequencer);
    pool.wait_until_ready()?;
    drop(progress);
    let (nets, _files) = bound.listen(|| MioNet::new().map(|net| net.counting_from(start)))?;
    pool.serve(nets, &backbone);
    serve::announce(&addresses, &config);
    serve::tell(&addresses, &config, &serve::limits(descriptors, &config));
    let reloader = Reloader::new(options, descriptors, config, (log, certificates));
    let me = std::thread::current();
    let reload = ReloadThread::start(reloader, backbone.workers(), move || me.unpark())?;
    run_sequencer(&backbone, &mut sequencer, &mut pool, (&reload, &asked, start))?;
    log::info!("bye");
    Ok(())
}

/// Gives publications their positions until all workers have ended.
fn run_sequencer(
    backbone: &LoopBackbone,
    sequencer: &mut Sequencer,
    pool: &mut WorkerPool,
    (reload, asked, start): (&ReloadThread, &Asked, Instant),
) -> Result<(), Failure> {
    let mut ends_seen = 0;
    loop {
        let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let now_ms = backbone.clock().look(Time::from_millis(ms), unix_ms()).ms;
        watch::tell_of_clock(backbone.clock());
        backbone.step(sequencer, now_ms);
        if asked.is_reload() {
            reload.ask();
        }
        let settings = reload.take();
        if let Some(one) = settings.first() {
            sequencer.reconfigure(one.hub.clone(), now_ms);
            pool.reload(Reload::all(settings));
        }
        let ends = asked.ends.load(Ordering::Relaxed);
        if core::mem::replace(&mut ends_seen, ends) < ends {
            pool.wake();
        }
        if pool.has_ended()? {
            return Ok(());
        }
        std::thread::park_timeout(IDLE_STEP);
    }
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

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX))
}
