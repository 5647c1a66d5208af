//! A long history: writes it, opens it, and reads an old part of it.
//!
//! `cargo run --release -p sockeye-log --example history -- DIRECTORY [MESSAGES [CHANNELS]]`
//!
//! Without a directory it writes a short one to the system's place for temporary files, and removes
//! it at the end.

use std::error::Error;
use std::path::Path;
use std::sync::mpsc;
use std::time::Instant;
use std::{env, fs};

use sockeye_log::{Options, Policy, Query, Range, Readers, Record, Rule, Store, Target};

const BODY_BYTES: usize = 200;
const BATCH: u64 = 1_000;
const MONTH_MS: u64 = 30 * 24 * 3_600_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let Some(dir) = args.next() else {
        let dir = env::temp_dir().join(format!("sockeye-history-{}", std::process::id()));
        let done = run(&dir, 20_000, 100);
        fs::remove_dir_all(&dir)?;
        return done;
    };
    let messages = args.next().map_or(Ok(10_000_000), |it| it.parse())?;
    let channels = args.next().map_or(Ok(10_000), |it| it.parse())?;
    run(Path::new(&dir), messages, channels)
}

fn run(dir: &Path, messages: u64, channels: u64) -> Result<(), Box<dyn Error>> {
    if !dir.join("mark").exists() {
        write(dir, messages, channels)?;
    }
    let held: u64 = fs::read_dir(dir)?.filter_map(|it| Some(it.ok()?.metadata().ok()?.len())).sum();
    println!("disk: {} MiB, {} bytes a message", held >> 20, held / messages);
    let start = Instant::now();
    let (store, found) = Store::open(dir, &options())?;
    println!(
        "opened in {:?}: {} records in {} channels",
        start.elapsed(),
        found.records,
        found.channels
    );
    println!("memory: {}", memory()?);
    resume(&store, messages)?;
    println!("memory: {}", memory()?);
    Ok(())
}

fn options() -> Options {
    let mut options = Options::new(0x0ddb_a115, 1);
    options.limits.bytes_max = 64 << 30;
    let mut rule = Rule::default();
    (rule.keep_messages, rule.keep_bytes) = (Rule::FOREVER, Rule::FOREVER);
    rule.keep_ms = Rule::FOREVER;
    options.policy = Policy { rule, named: Vec::new() };
    options
}

fn write(dir: &Path, messages: u64, channels: u64) -> Result<(), Box<dyn Error>> {
    let (mut store, _) = Store::open(dir, &options())?;
    let start = Instant::now();
    // Spread over a month.
    let step_ms = MONTH_MS / messages.max(1);
    let mut seq = 0;
    while seq < messages {
        let batch: Vec<Record> = (seq + 1..=(seq + BATCH).min(messages))
            .map(|seq| Record {
                seq,
                time_ms: 1_795_000_000_000 + seq * step_ms,
                kind: Record::MESSAGE,
                channel: format!("room:{}", seq.wrapping_mul(2_654_435_761) % channels),
                key: None,
                body: vec![b'x'; BODY_BYTES],
            })
            .collect();
        seq = store.append(&batch)?;
    }
    let took = start.elapsed();
    let rate = messages * 1_000 / u64::try_from(took.as_millis())?.max(1);
    println!("wrote {messages} messages in {took:?}: {rate}/s in commits of {BATCH}");
    Ok(())
}

/// Resumes from the oldest cursor: one channel, ten channels, and all by a pattern.
fn resume(store: &Store, messages: u64) -> Result<(), Box<dyn Error>> {
    let readers = Readers::spawn(store)?;
    let (wake, woken) = mpsc::channel();
    let mut reader = readers.reader(move || wake.send(()).unwrap_or_default());
    for (what, names) in [("1 channel", 0..1), ("10 channels", 1..11), ("a pattern", 0..0)] {
        let (mut after, mut read, mut pages) = (0, 0, 0_u32);
        let (start, mut first) = (Instant::now(), None);
        let through = if names.is_empty() { messages / 100 } else { messages };
        while after < through {
            let mut targets: Vec<Target> =
                names.clone().map(|it| Target::Name(format!("room:{it}").into())).collect();
            if targets.is_empty() {
                targets.push(Target::Matching(Box::new(|name| name.ends_with('7'))));
            }
            let range = Range::After { after, through };
            let (records_max, bytes_max, missing_max) = (256, 64 << 10, 128);
            let query = Query { ticket: 0, targets, range, records_max, bytes_max, missing_max };
            reader.ask(query)?;
            let page = loop {
                match reader.poll() {
                    Some((_, page)) => break page?,
                    None => woken.recv()?,
                }
            };
            first.get_or_insert_with(|| start.elapsed());
            (after, read, pages) = (page.through, read + page.entries.len(), pages + 1);
        }
        let first = first.unwrap_or_default();
        println!(
            "{what}: {read} messages, {pages} pages in {:?}, the first after {first:?}",
            start.elapsed()
        );
    }
    Ok(())
}

/// The resident memory of this process.
fn memory() -> Result<String, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    Ok(line.unwrap_or("unknown").to_owned())
}
