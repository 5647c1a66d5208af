//! The same work for four stores: see README.md beside this crate's manifest.

mod file;
mod fjall_store;
mod flips;
mod redb_store;
mod sqlite;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A record as small publications are: a channel, a key, a body of about 200 bytes.
pub(crate) const RECORD_BYTES: usize = 240;

/// What the durable log asks of a store. A batch is durable when `append` returns.
pub(crate) trait Log {
    fn open(dir: &Path) -> Self;
    fn append(&mut self, first_seq: u64, records: &[Vec<u8>]);
    /// Everything up to `seq` may go.
    fn trim(&mut self, seq: u64);
    /// All records in order; answers how many there are and the bytes in them.
    fn read_all(&self) -> (u64, u64);
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--check", "sqlite", dir] => flips::check::<sqlite::Store>(Path::new(dir)),
        ["--check", "redb", dir] => flips::check::<redb_store::Store>(Path::new(dir)),
        ["--check", "fjall", dir] => flips::check::<fjall_store::Store>(Path::new(dir)),
        ["--flips", root] => flips(Path::new(root)),
        [root] => costs(Path::new(root)),
        _ => {
            eprintln!("usage: sockeye-log-stores [--flips] DIRECTORY");
            std::process::exit(2);
        }
    }
}

fn flips(root: &Path) {
    println!("| store | KiB | all there | error | fewer records, no error | panic or abort |");
    println!("|---|---:|---:|---:|---:|---:|");
    flips::sweep::<sqlite::Store>("sqlite", root);
    flips::sweep::<redb_store::Store>("redb", root);
    flips::sweep::<fjall_store::Store>("fjall", root);
}

fn costs(root: &Path) {
    println!(
        "| store | batch | commits | p50 µs | p99 µs | max ms | records/s | CPU µs a record | written B a B |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    let lives = [
        measure::<file::Store>("file", root),
        measure::<sqlite::Store>("sqlite", root),
        measure::<redb_store::Store>("redb", root),
        measure::<fjall_store::Store>("fjall", root),
    ];
    println!(
        "\n| store | kept MB | most on disk MB | left on disk MB | records/s while trimming | open ms | read back ms |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    lives.iter().for_each(|life| println!("{life}"));
}

fn measure<L: Log>(name: &str, root: &Path) -> String {
    for batch in [1_usize, 16, 256] {
        let dir = fresh(root, name);
        commits::<L>(name, &dir, batch);
        fs::remove_dir_all(&dir).expect("the directory is ours");
    }
    let dir = fresh(root, name);
    let life = life::<L>(name, &dir);
    fs::remove_dir_all(&dir).expect("the directory is ours");
    life
}

/// How long a group commit takes, by size of the group.
fn commits<L: Log>(name: &str, dir: &Path, batch: usize) {
    let mut log = L::open(dir);
    let mut seq = 1;
    let mut times = Vec::new();
    let (cpu, written, start) = (cpu(), written(), Instant::now());
    while start.elapsed() < Duration::from_secs(4) && times.len() < 20_000 {
        let records = records(seq, batch);
        let before = Instant::now();
        log.append(seq, &records);
        times.push(before.elapsed());
        seq += batch as u64;
    }
    let (wall, cpu, written) = (start.elapsed(), self::cpu() - cpu, self::written() - written);
    times.sort_unstable();
    let count = (times.len() * batch) as f64;
    println!(
        "| {name} | {batch} | {} | {} | {} | {:.1} | {:.0} | {:.2} | {:.1} |",
        times.len(),
        times[times.len() / 2].as_micros(),
        times[times.len() * 99 / 100].as_micros(),
        times[times.len() - 1].as_secs_f64() * 1e3,
        count / wall.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / count,
        written as f64 / (count * RECORD_BYTES as f64),
    );
}

/// 400 000 records in batches of 256, of which the newest 100 000 are kept; then a new start.
fn life<L: Log>(name: &str, dir: &Path) -> String {
    const ALL: u64 = 399_872;
    const KEPT: u64 = 100_096;
    let mut log = L::open(dir);
    let (mut most, start) = (0, Instant::now());
    for (at, seq) in (1..=ALL).step_by(256).enumerate() {
        log.append(seq, &records(seq, 256));
        if at % 4 == 3 && seq + 255 > KEPT {
            log.trim(seq + 255 - KEPT);
        }
        if at % 16 == 0 {
            most = most.max(bytes_in(dir));
        }
    }
    let wall = start.elapsed();
    drop(log);
    let left = bytes_in(dir);
    let before = Instant::now();
    let log = L::open(dir);
    let opened = before.elapsed();
    let (count, bytes) = log.read_all();
    assert!((KEPT..=KEPT + 1024).contains(&count), "{name} has {count}");
    format!(
        "| {name} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} |",
        bytes as f64 / 1e6,
        most as f64 / 1e6,
        left as f64 / 1e6,
        ALL as f64 / wall.as_secs_f64(),
        opened.as_secs_f64() * 1e3,
        (before.elapsed() - opened).as_secs_f64() * 1e3,
    )
}

/// Not compressible to nothing, the same in each run.
pub(crate) fn records(first_seq: u64, count: usize) -> Vec<Vec<u8>> {
    let record = |seq: u64| {
        let mut state = seq.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        (0..RECORD_BYTES)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                b' ' + (state % 64) as u8
            })
            .collect()
    };
    (0..count as u64).map(|at| record(first_seq + at)).collect()
}

pub(crate) fn fresh(root: &Path, name: &str) -> PathBuf {
    let dir = root.join(format!("log-stores-{name}-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("the directory can be made");
    dir
}

pub(crate) fn bytes_in(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(it) if it.is_dir() => bytes_in(&entry.path()),
            Ok(it) => it.len(),
            Err(_) => 0,
        })
        .sum()
}

/// User and system time of the whole process: a store's own threads count.
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|it| it.parse::<u64>().unwrap_or(0)).sum();
    Duration::from_millis(ticks * 10)
}

/// Bytes that this process has caused to be sent to the storage layer.
fn written() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|it| it.parse().ok()).unwrap_or(0)
}
