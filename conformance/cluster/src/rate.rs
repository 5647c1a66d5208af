//! Rates and latencies of a log through the engine, and of plain XADD and XREAD by the crate `redis`: in turns, on one
//! server.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use redis::io::tcp::TcpSettings;
use redis::{Client, Connection, IntoConnectionInfo as _, Pipeline, Value};
use sockeye_backbone::{Engine as _, Event, Position};
use sockeye_redis::{RedisConfig, RedisEngine};

use crate::server::{LogServer as _, Server};

/// The bytes of an entry.
const ENTRY_BYTES: usize = 200;

/// The entries of one pipeline of the plain way, and of one reply.
const PIPELINE: usize = 512;
const COUNT: &str = "1024";

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

/// What a round gave.
struct Round {
    elapsed: Duration,
    /// Processor time of this process, and of the server.
    own: Duration,
    server: Duration,
}

/// Measures and prints; the ratio of the rates' medians.
pub(crate) fn run(plan: Plan, settings: &[&str]) -> f64 {
    let server = Server::start(settings);
    let mut rounds: [Vec<Round>; 2] = [Vec::new(), Vec::new()];
    for number in 0..plan.rounds {
        for (way, run) in [floor as fn(&Server, &str, usize), engine].into_iter().enumerate() {
            let key = format!("rate-{way}-{number}");
            rounds[way].push(measure(&server, || run(&server, &key, plan.entries)));
            server.ask(&["DEL", &key]);
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
    let medians = ["XADD and XREAD by the crate `redis`", "the engine"]
        .into_iter()
        .zip(&mut rounds)
        .map(|(name, rounds)| {
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
    println!("\n| append to read-back | p50 | p99 |\n|---|---:|---:|");
    for in_flight in [1, 32] {
        for (name, run) in [
            ("plain", floor_latency as fn(&Server, usize) -> Vec<Duration>),
            ("engine", engine_latency),
        ] {
            let mut times = run(&server, in_flight);
            times.sort();
            #[allow(clippy::cast_possible_truncation, reason = "a part of a number of samples")]
            let at = |part: f64| times[(times.len() as f64 * part) as usize].as_secs_f64() * 1e3;
            println!("| {name}, {in_flight} in flight | {:.2} ms | {:.2} ms |", at(0.5), at(0.99));
        }
    }
    medians[1] / medians[0]
}

fn measure(server: &Server, run: impl FnOnce()) -> Round {
    let (own, other) = (processor_time("self"), processor_time(&server.process_id()));
    let begun = Instant::now();
    run();
    Round {
        elapsed: begun.elapsed(),
        own: processor_time("self") - own,
        server: processor_time(&server.process_id()) - other,
    }
}

/// The processor time of a process, from `/proc`.
fn processor_time(process: &str) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("Linux");
    let behind = text.rsplit_once(')').expect("a command in brackets").1;
    let ticks: u64 =
        behind.split(' ').skip(12).take(2).map(|it| it.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}

/// A plain connection of the crate `redis`.
struct Plain(Connection);

impl Plain {
    fn open(server: &Server) -> Self {
        let info = server.url().into_connection_info().expect("a URL");
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = Client::open(info).expect("a URL");
        Self(client.get_connection().expect("the server listens"))
    }

    fn send(&mut self, commands: &Pipeline) {
        let sent = self.0.send_packed_command(&commands.get_packed_pipeline());
        sent.expect("the server reads");
    }

    fn receive_id(&mut self) {
        let id = self.0.recv_response().expect("the server answers");
        assert!(matches!(id, Value::BulkString(_)), "an identifier, not {id:?}");
    }

    /// Reads what is behind an identifier; the number of entries, and the newest identifier.
    fn read_on(&mut self, key: &str, after: &mut String) -> usize {
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(COUNT).arg("BLOCK").arg(1000);
        let read: Option<Vec<(String, Vec<PlainEntry>)>> =
            command.arg("STREAMS").arg(key).arg(&*after).query(&mut self.0).expect("entries");
        let Some((_, mut entries)) = read.and_then(|mut streams| streams.pop()) else { return 0 };
        assert!(entries.iter().all(|(_, (_, bytes))| bytes.len() == ENTRY_BYTES));
        let count = entries.len();
        if let Some((id, _)) = entries.pop() {
            *after = id;
        }
        count
    }
}

/// An identifier, and the name and the bytes of a field.
type PlainEntry = (String, (String, Vec<u8>));

fn push_entry(commands: &mut Pipeline, key: &str) {
    commands.cmd("XADD").arg(key).arg("1-*").arg("e").arg(&[b'x'; ENTRY_BYTES]);
}

/// Pipelines of XADD on one connection, XREAD on another.
fn floor(server: &Server, key: &str, entries: usize) {
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = Plain::open(server);
            for begin in (0..entries).step_by(PIPELINE) {
                let count = PIPELINE.min(entries - begin);
                let mut out = redis::pipe();
                (0..count).for_each(|_| push_entry(&mut out, key));
                writer.send(&out);
                for _ in 0..count {
                    writer.receive_id();
                }
            }
        });
        let (mut reader, mut after, mut read) = (Plain::open(server), "0-0".to_owned(), 0);
        while read < entries {
            read += reader.read_on(key, &mut after);
        }
    });
}

/// An engine that has begun its log, and the thread that waits for it.
fn open(server: &Server, key: &str) -> (RedisEngine, u64) {
    let config = RedisConfig::from_url(&format!("{}/0?key={key}", server.url())).expect("a URL");
    let mut engine = RedisEngine::open(config).expect("threads");
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

fn engine(server: &Server, key: &str, entries: usize) {
    let (mut engine, fence) = open(server, key);
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
        }
        if read == before {
            thread::park_timeout(Duration::from_millis(1));
        }
    }
}

/// The time of each entry from its append until it is read, with this number on their way.
fn engine_latency(server: &Server, in_flight: usize) -> Vec<Duration> {
    let (mut engine, fence) = open(server, &format!("latency-{in_flight}"));
    let mut times = Vec::with_capacity(SAMPLES);
    let mut sent = std::collections::VecDeque::new();
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

fn floor_latency(server: &Server, in_flight: usize) -> Vec<Duration> {
    let key = format!("floor-{in_flight}");
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let key = &key;
        scope.spawn(move || {
            let (mut reader, mut after, mut read) = (Plain::open(server), "0-0".to_owned(), 0);
            // As many as are sent.
            while read < SAMPLES + in_flight {
                let entries = reader.read_on(key, &mut after);
                (0..entries).for_each(|_| tell.send(Instant::now()).unwrap_or_default());
                read += entries;
            }
        });
        let mut writer = Plain::open(server);
        let mut times = Vec::with_capacity(SAMPLES);
        let mut sent = std::collections::VecDeque::new();
        let mut answered = 0;
        while times.len() < SAMPLES {
            let mut out = redis::pipe();
            let missing = in_flight - sent.len();
            (0..missing).for_each(|_| push_entry(&mut out, key));
            writer.send(&out);
            sent.extend((0..missing).map(|_| Instant::now()));
            for _ in 0..missing {
                writer.receive_id();
                answered += 1;
            }
            let read = told.recv().expect("the reader goes on");
            times.push(read.saturating_duration_since(sent.pop_front().expect("it was sent")));
            while let Ok(read) = told.try_recv() {
                times.push(read.saturating_duration_since(sent.pop_front().expect("it was sent")));
            }
        }
        // The reader waits for a number of entries.
        let mut out = redis::pipe();
        (answered..SAMPLES + in_flight).for_each(|_| push_entry(&mut out, key));
        writer.send(&out);
        times
    })
}
