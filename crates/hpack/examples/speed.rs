//! Measures how long a browser's request takes to decode, and a response to encode.
//!
//! `cargo run --release -p sockeye-hpack --example speed`

use std::hint::black_box;
use std::time::Instant;

use sockeye_hpack::{Decoder, Encoder, Error, Limits, Prebuilt, write_field};

const REQUEST: [(&str, &str); 14] = [
    (":method", "GET"),
    (":authority", "hub.example.com"),
    (":scheme", "https"),
    (":path", "/v1/sse?channel=room:1&cursor=1a-b~1c0f"),
    ("cache-control", "no-cache"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"),
    ("accept", "text/event-stream"),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-dest", "empty"),
    ("referer", "https://hub.example.com/"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-US,en;q=0.9"),
    ("priority", "u=4"),
];

const RESPONSE: Prebuilt<64> =
    Prebuilt::new().field(":status", "200").field("content-type", "text/event-stream");

fn main() -> Result<(), Error> {
    let mut scratch = Vec::new();
    let mut literals = Vec::new();
    REQUEST
        .iter()
        .for_each(|(name, value)| write_field(&mut literals, name.as_bytes(), value.as_bytes()));
    let mut decoder = Decoder::new(Limits::DEFAULT);
    time("14 fields, 10 of them literals", || decode(&mut decoder, &literals, &mut scratch))?;

    // The same literals with incremental indexing: the second block has their indices and another path.
    let mut first = Vec::new();
    for (name, value) in &REQUEST[4..] {
        first.extend([0x40, u8::try_from(name.len()).expect("short")]);
        first.extend(name.as_bytes());
        first.push(u8::try_from(value.len()).expect("short"));
        first.extend(value.as_bytes());
    }
    let mut inserting = Decoder::new(Limits::DEFAULT);
    time("10 fields, all inserted", || decode(&mut inserting, &first, &mut scratch))?;
    decode(&mut decoder, &first, &mut scratch)?;
    let mut second = vec![0x82, 0x87];
    write_field(&mut second, b":path", REQUEST[3].1.as_bytes());
    second.extend((62..72).map(|index| 0x80 | index));
    time("13 fields, all but one indexed", || decode(&mut decoder, &second, &mut scratch))?;

    let mut out = Vec::new();
    time("a response of three fields", || {
        out.clear();
        Encoder::new().begin(&mut out);
        out.extend_from_slice(black_box(&RESPONSE).as_bytes());
        write_field(&mut out, b"date", black_box(b"Mon, 21 Oct 2013 20:13:21 GMT"));
        Ok(())
    })
}

fn decode(decoder: &mut Decoder, block: &[u8], scratch: &mut Vec<u8>) -> Result<(), Error> {
    decoder.decode(black_box(block), scratch, |field| {
        black_box(field);
    })
}

/// Prints the least of many rounds: what other programs on the machine do not add to.
fn time(what: &str, mut work: impl FnMut() -> Result<(), Error>) -> Result<(), Error> {
    const ROUNDS: u32 = 200;
    let mut best = u128::MAX;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        (0..ROUNDS).try_for_each(|_| work())?;
        best = best.min(begun.elapsed().as_nanos() / u128::from(ROUNDS));
    }
    println!("{what}: {best} ns");
    Ok(())
}
