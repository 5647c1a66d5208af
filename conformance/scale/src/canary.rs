//! A canary: one publisher, and a subscriber on each transport, on a thread of their own beside an attack.
//!
//! Its messages leave at an even rate, whatever the server does, so a server that stands still delays all of the
//! messages of that time and not one. Each message carries the run delay of the server's threads and of the
//! canary's at its sending. The growth of that delay until its arrival is not the server's work: the *net* latency
//! leaves it out.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sockeye_load::engine::{Histogram, SocketOptions};

use crate::Failure;
use crate::checks::Checks;
use crate::delays::RunDelay;
use crate::pulse::Pulse;
use crate::road::Road;
use crate::subscriber::{Heard, Subscriber, Transport};
use crate::world::{Client, Ground, PATIENCE_MS, World};

/// The address of its publisher. No attack uses it, nor those that follow it, which are its subscribers': they
/// are clients by themselves.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 47, 2);

/// How a canary sings.
#[derive(Clone, Copy)]
pub(crate) struct Song {
    /// For so long before the attack, in milliseconds.
    pub(crate) idle_ms: u64,
    /// Milliseconds between two messages: below the rate that a stranger may publish at.
    pub(crate) interval_ms: u64,
}

/// By how much the canary's p99 may exceed its p99 before the attack, in microseconds.
pub(crate) const LATER_US_MAX: u64 = 20_000;

/// Longer than any attack, in milliseconds.
const LONGEST_MS: u64 = 24 * 3_600_000;

/// The number of the phase at which it ends.
const OVER: usize = usize::MAX;

const TRANSPORTS: [Transport; 4] = [
    Transport::Commands,
    Transport::Events,
    Transport::LongPoll,
    Transport::ShortPoll(SHORT_POLL_MS),
];

/// A short poll is asked each so many milliseconds: an arrival takes up to as long, before an attack and in one.
const SHORT_POLL_MS: u64 = 100;

/// The times that are taken: of receipts, and of arrivals by transport.
const TIMED: [&str; 5] = ["receipts", "WebSocket", "event stream", "long poll", "short poll"];

/// The latencies of one phase, by what is timed.
#[derive(Clone, Default)]
pub(crate) struct Latencies {
    wall: [Histogram; 5],
    net: [Histogram; 5],
}

/// Measures latencies while a world runs.
pub(crate) struct Stopwatch {
    delay: RunDelay,
    latencies: Latencies,
}

impl Stopwatch {
    pub(crate) fn delay_us(&self) -> u64 {
        self.delay.us()
    }

    /// Counts what was sent at a time and a run delay, and has arrived now.
    fn note(&mut self, timed: usize, wall_us: u64, sent_delay_us: u64) {
        let delay_us = self.delay.us().saturating_sub(sent_delay_us);
        self.latencies.wall[timed].record(wall_us * 1000);
        self.latencies.net[timed].record(wall_us.saturating_sub(delay_us) * 1000);
    }

    pub(crate) fn receipt(&mut self, wall_us: u64, sent_delay_us: u64) {
        self.note(0, wall_us, sent_delay_us);
    }

    pub(crate) fn arrival(&mut self, transport: Transport, wall_us: u64, sent_delay_us: u64) {
        if let Some(at) = TRANSPORTS.iter().position(|it| *it == transport) {
            self.note(at + 1, wall_us, sent_delay_us);
        }
    }
}

/// A canary that sings on its thread.
pub(crate) struct Canary {
    phase: Arc<AtomicUsize>,
    thread: JoinHandle<Result<Report, Failure>>,
}

/// The account of a canary.
pub(crate) struct Report {
    /// By phase: the first is that before the attack.
    phases: Vec<Latencies>,
    heard: Heard,
    behind: usize,
    published: u64,
    faults: Vec<String>,
    faults_total: u64,
}

impl Canary {
    /// Starts one with this API key, and lets it sing for a while before the attack. Each of its WebSockets and
    /// event streams has a connection of its own.
    pub(crate) fn start(road: Road, process: u32, key: &str, song: Song) -> Result<Self, Failure> {
        let phase = Arc::new(AtomicUsize::new(0));
        let (asked, key) = (Arc::clone(&phase), key.to_owned());
        let thread = thread::spawn(move || sing(road, process, (&key, song), &asked));
        thread::sleep(Duration::from_millis(song.idle_ms));
        Ok(Self { phase, thread })
    }

    /// Begins the next phase.
    pub(crate) fn next_phase(&self) {
        self.phase.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends it, once everything has arrived.
    pub(crate) fn end(self) -> Result<Report, Failure> {
        self.phase.store(OVER, Ordering::Relaxed);
        self.thread.join().map_err(|_| Failure("the canary panicked".into()))?
    }
}

fn sing(
    road: Road,
    process: u32,
    (key, song): (&str, Song),
    asked: &AtomicUsize,
) -> Result<Report, Failure> {
    let mut world = World::on(road.alone(TRANSPORTS.len() + 1), 1)?;
    let options = SocketOptions { source: Some(ADDRESS), ..SocketOptions::default() };
    let mut source = ADDRESS;
    let subscribers = TRANSPORTS.map(|transport| {
        source = Ipv4Addr::from_bits(source.to_bits() + 1);
        let options = SocketOptions { source: Some(source), ..SocketOptions::default() };
        Client::Subscriber(Subscriber::new(transport, &[0], "earliest", options))
    });
    world.add(subscribers.into_iter())?;
    world.add_at_once(Client::Pulse(Pulse::new(key, song.interval_ms, options)));
    let begun = world.run(PATIENCE_MS, |world| world.subscribers().all(|it| it.heard.messages > 0));
    if !begun? {
        return Err(Failure("the canary does not begin to sing".into()));
    }
    world.ground.stopwatch =
        Some(Stopwatch { delay: RunDelay::between(process), latencies: Latencies::default() });
    let mut phases: Vec<Latencies> = Vec::new();
    while asked.load(Ordering::Relaxed) != OVER {
        world.run(LONGEST_MS, |_| asked.load(Ordering::Relaxed) != phases.len())?;
        let stopwatch = world.ground.stopwatch.as_mut();
        phases.extend(stopwatch.map(|it| core::mem::take(&mut it.latencies)));
    }
    world.ground.stopped = true;
    world.run(PATIENCE_MS, |world| world.pulses().all(Pulse::is_at_rest))?;
    world.run(PATIENCE_MS, |world| {
        world.subscribers().all(|it| it.has_all(&world.ground.acknowledged))
    })?;
    let (heard, behind) = world.sum(world.subscribers());
    let Ground { acknowledged, faults, faults_total, .. } = world.ground;
    Ok(Report { phases, heard, behind, published: acknowledged[0], faults, faults_total })
}

impl Report {
    /// Checks that nothing was lost without a word, nothing was cut, and the p99 is no more than
    /// `later_us_max` above the idle one.
    pub(crate) fn judge(&self, name: &str, later_us_max: u64, checks: &mut Checks) {
        println!("        the canary published {}: {}", self.published, self.heard);
        let whose = format!("{name}: the canary");
        checks.everything_once(&whose, &self.heard, self.behind);
        let ended = self.heard.goodbyes.len();
        checks.same(&format!("{whose}: streams that ended"), ended, 0);
        let (total, faults) = (self.faults_total, &self.faults);
        checks.that(total == 0, format_args!("{whose}: faults of the server: {total} {faults:?}"));
        for (phase, latencies) in self.phases.iter().enumerate() {
            println!("        phase {phase}: {latencies}");
        }
        let Some((idle, attacked)) = self.phases.split_first() else { return };
        for (timed, what) in TIMED.iter().enumerate() {
            let worst = attacked.iter().map(|it| p99_us(&it.net[timed])).max().unwrap_or(0);
            let most = p99_us(&idle.net[timed]) + later_us_max;
            checks.that(
                worst <= most,
                format_args!(
                    "{whose}, {what}: {} ms at 99 %, without run delay, at most {}",
                    ms(worst),
                    ms(most)
                ),
            );
        }
    }
}

fn p99_us(histogram: &Histogram) -> u64 {
    histogram.quantile(990) / 1000
}

fn ms(us: u64) -> String {
    format!("{:.1}", us as f64 / 1000.0)
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p50/p99/max in ms")?;
        for (timed, what) in TIMED.iter().enumerate() {
            let at = |histogram: &Histogram, per_mille| ms(histogram.quantile(per_mille) / 1000);
            let (wall, net) = (&self.wall[timed], &self.net[timed]);
            write!(
                f,
                "; {what} {}/{}/{} (net {}/{}/{})",
                at(wall, 500),
                at(wall, 990),
                at(wall, 1000),
                at(net, 500),
                at(net, 990),
                at(net, 1000)
            )?;
        }
        Ok(())
    }
}
