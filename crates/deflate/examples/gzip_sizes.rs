//! Prints how long blocks of gzip are, and how long they take, by length of text and level.

use std::time::Instant;

use sockeye_deflate::gzip::{self, Checksum, TextChecksum};
use sockeye_deflate::{Gzip, GzipConfig, Level};

/// An event of a chat, with about `len` bytes of data.
fn event(number: u64, len: usize) -> Vec<u8> {
    let mut text = format!(
        "id: 1k3v8.{:x}.a41f\ndata: {{\"user\":\"u{}\",\"room\":\"lobby\",\"at\":\"2026-11-2{}T1{}:{:02}:00Z\",\"text\":\"",
        number * 7919 + 104_729,
        number * 7 % 999,
        number % 9,
        number % 9,
        number % 60,
    );
    let words = [
        "the ",
        "river ",
        "runs ",
        "cold, ",
        "salmon ",
        "leap ",
        "upstream ",
        "and ",
        "nobody ",
        "sees ",
        "them ",
        "before ",
        "dawn. ",
    ];
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    while text.len() < len + 20 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.push_str(words[(state >> 20) as usize % words.len()]);
    }
    text.truncate(len + 20);
    text.push_str("\"}\n\n");
    text.into_bytes()
}

fn main() {
    for level in [1, 4, 6, 9] {
        for len in [64, 128, 192, 256, 384, 512, 1024, 4096, 16384] {
            let level = Level::new(level).expect("a level");
            let mut gzip = Gzip::new(GzipConfig { level, text_bytes_min: 0 });
            let texts: Vec<_> = (0..200).map(|number| event(number, len)).collect();
            let (mut out, mut sum) = (Vec::new(), 0);
            texts.iter().for_each(|text| {
                gzip.block(text, &mut out);
            });
            let began = Instant::now();
            for text in &texts {
                out.clear();
                gzip.block(text, &mut out);
                sum += out.len();
            }
            let each = began.elapsed().as_nanos() / texts.len() as u128;
            let plain: usize = texts.iter().map(Vec::len).sum();
            println!(
                "level {} text {:5} wire {:5} {:5.2} {:6} ns",
                level.to_u8(),
                plain / 200,
                sum / 200,
                plain as f64 / sum as f64,
                each
            );
        }
    }
    let text = event(1, 512);
    let mut gzip = Gzip::new(GzipConfig::default());
    let began = Instant::now();
    let mut sums = vec![Checksum::NONE; 1000];
    for _ in 0..1000 {
        let one = TextChecksum::of(&text);
        for sum in &mut sums {
            gzip.add(&one, sum);
        }
    }
    println!("checksum {} ns {:?}", began.elapsed().as_nanos() / 1_000_000, gzip::TRAILER_BYTES);
    let began = Instant::now();
    for n in 0..100_000usize {
        std::hint::black_box(TextChecksum::of(&text[n % 100..]));
    }
    println!("text checksum {} ns", began.elapsed().as_nanos() / 100_000);
}
