//! A rough timing of parser and encoder: nanoseconds per event for the usual shapes and chunks.
//!
//! `cargo run --release -p sockeye-sse --example timing`

use std::hint::black_box;
use std::time::Instant;

use sockeye_sse::{Event, Item, Parser};

/// Bytes of stream that each shape is repeated to.
const STREAM_BYTES: usize = 2 << 20;

fn main() {
    println!("{:24} {:>12} {:>12} {:>12}", "ns per event (MB/s)", "1448 B", "16 KiB", "1 B");
    for (name, block) in shapes() {
        let events = STREAM_BYTES / block.len();
        let stream = block.repeat(events);
        print!("{name:24}");
        for chunk_bytes in [1448, 16 << 10, 1] {
            let ns = best_ns(|| parse(&stream, chunk_bytes));
            let per_event = ns / events as f64;
            let rate = stream.len() as f64 * 1000.0 / ns;
            print!(" {per_event:>6.1} ({rate:>6.0})");
        }
        println!();
    }
    for len in [64, 1 << 10, 64 << 10] {
        let data = "x".repeat(len);
        let mut out = Vec::new();
        let ns = best_ns(|| {
            for _ in 0..100 {
                out.clear();
                Event::message(black_box(&data)).encode(&mut out);
            }
            out.len()
        });
        println!("encode {len:>6} B            {:>6.1}", ns / 100.0);
    }
}

fn shapes() -> Vec<(&'static str, Vec<u8>)> {
    let token = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token\"}}]}\n\n";
    let named = format!("event: content_block_delta\n{token}");
    let large = format!("id: 42\ndata: {}\n\n", "x".repeat(4096));
    let lines =
        format!(": c\nevent: update\nid: 42\n{}\n", "data: a line of some length here\n".repeat(8));
    vec![
        ("token, 66 B", token.into()),
        ("named token, 93 B", named.into()),
        ("small, 19 B", "data: {\"d\":\"tok\"}\n\n".into()),
        ("4 KiB data", large.into()),
        ("8 data lines", lines.into()),
        ("heartbeat, 2 B", ":\n".into()),
    ]
}

/// The sum keeps the compiler from leaving out what nobody looks at.
fn parse(stream: &[u8], chunk_bytes: usize) -> usize {
    let mut parser = Parser::default();
    let mut sum = 0;
    for mut chunk in stream.chunks(chunk_bytes) {
        while let Ok(Some(item)) = parser.next(&mut chunk) {
            if let Item::Event(event) = item {
                sum += black_box(event).data.len();
            }
        }
    }
    sum
}

/// The best of several runs: what the code costs when nobody else is using the machine.
fn best_ns(mut run: impl FnMut() -> usize) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..15 {
        let start = Instant::now();
        black_box(run());
        best = best.min(start.elapsed().as_secs_f64() * 1e9);
    }
    best
}
