//! A log that is written, left without a good-bye, damaged, and opened again each time.
//!
//! `cargo run -p sockeye-log --example restart`

use std::error::Error;
use std::path::Path;
use std::sync::mpsc;
use std::time::Instant;
use std::{env, fs, process};

use sockeye_log::{Options, Outcome, Record, Start, Store, Writer};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = env::temp_dir().join(format!("sockeye-log-restart-{}", process::id()));
    let done = play(&dir);
    fs::remove_dir_all(&dir)?;
    done
}

fn play(dir: &Path) -> Result<(), Box<dyn Error>> {
    let store = open(dir)?;
    let (wake, woken) = mpsc::channel();
    let mut writer = Writer::spawn(store, Box::new(move || wake.send(()).unwrap_or_default()))?;
    let start = Instant::now();
    for seq in 1..=2_000 {
        writer.push(record(seq))?;
    }
    println!("  queued 2000 records in {:?}", start.elapsed());
    while writer.counts().pending > 0 {
        woken.recv()?;
        while let Some(outcome) = writer.poll() {
            match outcome {
                Outcome::Durable { through } => {
                    println!("  durable up to {through} after {:?}", start.elapsed());
                }
                Outcome::Refused { why, .. } | Outcome::Unknown { why, .. } => {
                    return Err(why.into());
                }
            }
        }
    }
    drop(writer);

    open(dir)?;
    println!("one byte of the database changes");
    let path = dir.join("log.sqlite");
    let mut bytes = fs::read(&path)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes)?;
    open(dir)?;
    open(dir)?;
    Ok(())
}

fn open(dir: &Path) -> Result<Store, Box<dyn Error>> {
    let (store, recovered) = Store::open(dir, &Options::new(0x0ddb_a115, 1))?;
    match recovered.start {
        Start::Fresh => println!("a new log: epoch {}", recovered.epoch),
        Start::Resumed => println!(
            "the same log: epoch {}, {} records, head {}",
            recovered.epoch, recovered.records, recovered.head
        ),
        Start::Damaged(damage) => println!("{damage}: a new life, epoch {}", recovered.epoch),
    }
    Ok(store)
}

fn record(seq: u64) -> Record {
    Record {
        seq,
        time_ms: 1_795_000_000_000 + seq,
        kind: 0,
        channel: "chat:7".into(),
        key: Some(format!("order-{seq}")),
        body: format!("{{\"text\":\"message {seq}\"}}").into_bytes(),
    }
}
