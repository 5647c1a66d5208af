//! Reads commands from standard input, a line each, and answers with lines. Bytes are hexadecimal.
//!
//! ```text
//! new                     a new connection; no answer
//! ack 4096                the peer acknowledges this SETTINGS_HEADER_TABLE_SIZE; no answer
//! block 8286              ok 3a6d6574686f64=474554 …      `!` behind a field that is never indexed
//!                         error IndexZero
//! write 61=62 63=64       block 0001610162…
//! ```

use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufRead, BufWriter, Write, stdin, stdout};

use sockeye_hpack::{Decoder, Encoder, Limits, write_field};

/// The comparison has no limits. The crate's own tests have those.
const NO_LIMITS: Limits = {
    let mut limits = Limits::DEFAULT;
    limits.block_bytes_max = usize::MAX;
    limits.fields_max = usize::MAX;
    limits.list_bytes_max = usize::MAX;
    limits.decoded_bytes_max = usize::MAX;
    limits
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut decoder = Decoder::new(NO_LIMITS);
    let mut scratch = Vec::new();
    let mut out = BufWriter::new(stdout().lock());
    for line in stdin().lock().lines() {
        let line = line?;
        let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match command {
            "new" => decoder = Decoder::new(NO_LIMITS),
            "ack" => decoder.table_bytes_acknowledged(rest.parse()?),
            "block" => {
                let answer = decode(&mut decoder, &bytes(rest)?, &mut scratch);
                writeln!(out, "{answer}")?;
            }
            "write" => writeln!(out, "block {}", hex(&written(rest)?))?,
            _ => return Err(format!("unknown command {command:?}").into()),
        }
    }
    Ok(out.flush()?)
}

fn decode(decoder: &mut Decoder, block: &[u8], scratch: &mut Vec<u8>) -> String {
    let mut fields = String::from("ok");
    let result = decoder.decode(block, scratch, |field| {
        let mark = if field.never_indexed { "!" } else { "" };
        let _ = write!(fields, " {}={}{mark}", hex(field.name), hex(field.value));
    });
    result.map_or_else(|error| format!("error {error:?}"), |()| fields)
}

fn written(fields: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut block = Vec::new();
    Encoder::new().begin(&mut block);
    for field in fields.split_whitespace() {
        let (name, value) = field.split_once('=').ok_or("a field without =")?;
        write_field(&mut block, &bytes(name)?, &bytes(value)?);
    }
    Ok(block)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn bytes(hex: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let pair = |at| hex.get(at..at + 2).ok_or("half a byte");
    (0..hex.len()).step_by(2).map(|at| Ok(u8::from_str_radix(pair(at)?, 16)?)).collect()
}
