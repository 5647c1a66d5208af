//! Runs one parser over one input in the ways asked for and writes what it gave out.
//!
//! `sse-report-rust PEER FILE LAST_EVENT_ID CHUNKING…`, where a chunking is `whole`, `bytes`,
//! `size:N` or `cut:N,N,…`. Standard output has one JSON array a line, which `../vectors.py` reads.

mod peers;

use std::error::Error;
use std::fmt::Display;
use std::io::{self, BufWriter, StdoutLock, Write};

use bytes::Bytes;
use serde_json::{Value, json};

/// The pieces of an input.
type Chunks = Box<dyn Iterator<Item = Bytes> + Send + Sync>;

/// Reads one connection to its end with a parser, from a last event ID on.
type Peer = fn(Chunks, &str, &mut Seen<'_>);

/// What a parser gives out, written as it comes.
struct Seen<'o> {
    out: BufWriter<StdoutLock<'o>>,
}

impl Seen<'_> {
    fn write(&mut self, line: &Value) {
        writeln!(self.out, "{line}").expect("a reader");
    }

    fn event(&mut self, event_type: &str, data: &str, last_event_id: &str) {
        self.write(&json!(["event", event_type, data, last_event_id]));
    }

    fn retry(&mut self, ms: impl Display) {
        self.write(&json!(["retry", ms.to_string()]));
    }

    /// The last event ID after the end.
    fn last_event_id(&mut self, id: &str) {
        self.write(&json!(["id", id]));
    }

    fn error(&mut self, error: impl Display) {
        self.write(&json!(["error", error.to_string()]));
    }
}

fn cut(input: &Bytes, chunking: &str) -> Result<Chunks, Box<dyn Error>> {
    let input = input.clone();
    let sized = |size: usize| -> Chunks {
        let starts = (0..input.len()).step_by(size);
        let input = input.clone();
        Box::new(starts.map(move |at| input.slice(at..input.len().min(at + size))))
    };
    Ok(match chunking.split_once(':') {
        None if chunking == "whole" => Box::new([input].into_iter()),
        None if chunking == "bytes" => sized(1),
        Some(("size", size)) => sized(size.parse()?),
        Some(("cut", cuts)) => {
            let mut ends = cuts.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>()?;
            ends.push(input.len());
            let mut from = 0;
            Box::new(
                ends.into_iter().map(move |to| input.slice(std::mem::replace(&mut from, to)..to)),
            )
        }
        _ => return Err(format!("{chunking} is no chunking").into()),
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, file, last_event_id, chunkings @ ..] = &arguments[..] else {
        return Err("PEER FILE LAST_EVENT_ID CHUNKING…".into());
    };
    let peer = peers::named(name).ok_or("no such peer")?;
    let input = Bytes::from(std::fs::read(file)?);
    let mut seen = Seen { out: BufWriter::new(io::stdout().lock()) };
    for chunking in chunkings {
        seen.write(&json!(["begin", chunking]));
        seen.out.flush()?;
        peer(cut(&input, chunking)?, last_event_id, &mut seen);
        seen.write(&json!(["end"]));
    }
    Ok(())
}
