//! Prints the fields of a block that is given in hexadecimal digits.
//!
//! `cargo run -p sockeye-hpack --example inspect -- 828684418cf1e3c2e5f23a6ba0ab90f4ff`

use std::error::Error;

use sockeye_hpack::{Decoder, Limits};

fn main() -> Result<(), Box<dyn Error>> {
    let given = std::env::args().nth(1);
    let digits = given.as_deref().unwrap_or("828684418cf1e3c2e5f23a6ba0ab90f4ff");
    let block = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2).unwrap_or("?"), 16))
        .collect::<Result<Vec<_>, _>>()?;

    let mut decoder = Decoder::new(Limits::DEFAULT);
    let mut scratch = Vec::new();
    decoder.decode(&block, &mut scratch, |field| {
        let (name, value) = (field.name.escape_ascii(), field.value.escape_ascii());
        let mark = if field.never_indexed { "  (never indexed)" } else { "" };
        println!("{name}: {value}{mark}");
    })?;
    println!("{} bytes, and {} of the dynamic table", block.len(), decoder.memory_bytes());
    Ok(())
}
