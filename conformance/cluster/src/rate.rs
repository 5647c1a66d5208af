//! Rates and latencies of a log through its engine, and through a plain client of its server: in turns, on one server.

mod kafka;
mod nats;
mod postgres;
mod rabbit;
mod redis;

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use sockeye_backbone::{Engine, Event, Position};

/// The bytes of an entry.
const ENTRY_BYTES: usize = 200;

/// The entries that are handed to the engine at once.
const BATCH: usize = 64;

/// The entries of a measurement of latency.
const SAMPLES: usize = 5_000;

/// The subject of a measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) entries: usize,
}

/// A server, and the two ways of using it.
pub(crate) trait Ways {
    /// The plain way.
    const PLAIN: &'static str;

    /// The number of its process.
    fn process_id(&self) -> String;

    /// The processor time of the server.
    fn server_time(&self) -> Duration {
        processor_time(&self.process_id(), 2)
    }

    /// Deletes a log.
    fn delete(&self, log: &str);

    /// An engine of a log.
    fn engine(&self, log: &str) -> Box<dyn Engine>;

    /// Appends entries to a log the plain way, and reads them at the same time.
    fn plain(&self, log: &str, entries: usize);

    /// The times of [`SAMPLES`] entries from append until they are read, with this number on their way.
    fn plain_latency(&self, log: &str, in_flight: usize) -> Vec<Duration>;
}

/// What a round gave.
struct Round {
    elapsed: Duration,
    /// Processor time of this process, and of the server.
    own: Duration,
    server: Duration,
}

/// Measures and prints; the ratio of the rates' medians.
pub(crate) fn run<W: Ways>(server: &W, plan: Plan) -> f64 {
    let mut rounds: [Vec<Round>; 2] = [Vec::new(), Vec::new()];
    for number in 0..plan.rounds {
        for (way, run) in [W::plain as fn(&W, &str, usize), by_engine].into_iter().enumerate() {
            let log = format!("rate-{way}-{number}");
            rounds[way].push(measure(server, || run(server, &log, plan.entries)));
            server.delete(&log);
        }
    }
    println!(
        "{} rounds of {} entries of {ENTRY_BYTES} bytes each, appended and read back at once",
        plan.rounds, plan.entries
    );
    println!(
        "| | entries/s, median | least to most | µs of this process an entry | µs of the server |"
    );
    println!("|---|---:|---:|---:|---:|");
    let medians = [W::PLAIN, "the engine"].into_iter().zip(&mut rounds).map(|(name, rounds)| {
        rounds.sort_by_key(|round| round.elapsed);
        let rate = |round: &Round| plan.entries as f64 / round.elapsed.as_secs_f64();
        let each = |time: Duration| time.as_secs_f64() * 1e6 / plan.entries as f64;
        let middle = &rounds[rounds.len() / 2];
        let (least, most) = (rate(&rounds[rounds.len() - 1]), rate(&rounds[0]));
        println!(
            "| {name} | {:.0} | {least:.0} to {most:.0} | {:.2} | {:.2} |",
            rate(middle),
            each(middle.own),
            each(middle.server)
        );
        rate(middle)
    });
    let medians: Vec<f64> = medians.collect();
    print_latencies(server);
    medians[1] / medians[0]
}

fn print_latencies<W: Ways>(server: &W) {
    println!("\n| append to read-back | p50 | p99 |\n|---|---:|---:|");
    for in_flight in [1, 32] {
        for (name, run) in [
            ("plain", W::plain_latency as fn(&W, &str, usize) -> Vec<Duration>),
            ("engine", engine_latency),
        ] {
            let mut times = run(server, &format!("latency-{name}-{in_flight}"), in_flight);
            times.sort();
            #[allow(clippy::cast_possible_truncation, reason = "a part of a number of samples")]
            let at = |part: f64| times[(times.len() as f64 * part) as usize].as_secs_f64() * 1e3;
            println!("| {name}, {in_flight} in flight | {:.2} ms | {:.2} ms |", at(0.5), at(0.99));
        }
    }
}

fn measure<W: Ways>(server: &W, run: impl FnOnce()) -> Round {
    let (own, other) = (processor_time("self", 2), server.server_time());
    let begun = Instant::now();
    run();
    Round {
        elapsed: begun.elapsed(),
        own: processor_time("self", 2) - own,
        server: server.server_time() - other,
    }
}

/// The processor time of a process, from `/proc`: its own with two counts, and of those that it has started and that
/// have ended with four.
fn processor_time(process: &str, counts: usize) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("Linux");
    let behind = text.rsplit_once(')').expect("a command in brackets").1;
    let ticks: u64 = behind
        .split(' ')
        .skip(12)
        .take(counts)
        .map(|it| it.parse::<u64>().expect("a number"))
        .sum();
    Duration::from_millis(ticks * 10)
}

/// An engine that has begun its log, and its fence.
fn begin<W: Ways>(server: &W, log: &str) -> (Box<dyn Engine>, u64) {
    let mut engine = server.engine(log);
    let owner = thread::current();
    engine.set_wake(Arc::new(move || owner.unpark()));
    engine.read_from(Position::ZERO);
    engine.begin_log(&entry()).expect("little waits");
    loop {
        match engine.next() {
            Some(Event::Entry(position, _)) => return (engine, position.fence),
            Some(_) => {}
            None => thread::park_timeout(Duration::from_millis(100)),
        }
    }
}

fn entry() -> Arc<[u8]> {
    Arc::from([b'x'; ENTRY_BYTES])
}

fn by_engine<W: Ways>(server: &W, log: &str, entries: usize) {
    let (mut engine, fence) = begin(server, log);
    let (mut offered, mut read) = (0, 0);
    while read < entries {
        if offered < entries {
            let batch: Vec<_> = (0..BATCH.min(entries - offered)).map(|_| entry()).collect();
            if engine.append(fence, &batch).is_ok() {
                offered += batch.len();
                if offered % (16 * BATCH) != 0 {
                    continue;
                }
            }
        }
        let before = read;
        while let Some(event) = engine.next() {
            read += usize::from(matches!(event, Event::Entry(..)));
            assert!(!matches!(event, Event::Dropped(_)), "{event:?}");
        }
        if read == before {
            thread::park_timeout(Duration::from_millis(1));
        }
    }
}

/// The time of each entry from its append until it is read, with this number on their way.
fn engine_latency<W: Ways>(server: &W, log: &str, in_flight: usize) -> Vec<Duration> {
    let (mut engine, fence) = begin(server, log);
    let mut times = Vec::with_capacity(SAMPLES);
    let mut sent = VecDeque::new();
    while times.len() < SAMPLES {
        while sent.len() < in_flight {
            engine.append(fence, &[entry()]).expect("little waits");
            sent.push_back(Instant::now());
        }
        match engine.next() {
            Some(Event::Entry(..)) => times.push(sent.pop_front().expect("it was sent").elapsed()),
            Some(_) => {}
            None => thread::park(),
        }
    }
    times
}
