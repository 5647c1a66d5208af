//! Reads the lines of standard input on a thread of its own. The lines that have come can be taken together, and a
//! line that comes alone does not wait for others.

use std::io::{BufRead, Read};
use std::sync::mpsc::{Receiver, sync_channel};

use sockeye_terminal::{Failure, OrFail};

/// Lines that are read ahead.
const LINES_MAX: usize = 1000;
/// Longest line.
const LINE_BYTES_MAX: u64 = 4 << 20;

/// A line without its end, or why there are no more.
pub(super) type Line = Result<Vec<u8>, String>;

/// Starts the thread.
pub(super) fn read() -> Result<Receiver<Line>, Failure> {
    let (to, from) = sync_channel(LINES_MAX);
    let reader = move || {
        let mut input = std::io::stdin().lock();
        let mut number = 0_u64;
        loop {
            number += 1;
            let line = next(&mut input, number).transpose();
            let is_last = !matches!(line, Some(Ok(_)));
            let Some(line) = line else { return };
            if to.send(line).is_err() || is_last {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("stdin".into()).spawn(reader);
    thread.or_fail(|| "cannot read standard input".into())?;
    Ok(from)
}

fn next(input: &mut impl BufRead, number: u64) -> Result<Option<Vec<u8>>, String> {
    let mut line = Vec::new();
    let read = input.take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
    match read.map_err(|error| format!("cannot read standard input: {error}"))? {
        0 => return Ok(None),
        len if len as u64 == LINE_BYTES_MAX && !line.ends_with(b"\n") => {
            return Err(format!("line {number} is longer than {LINE_BYTES_MAX} bytes"));
        }
        _ => {}
    }
    if line.ends_with(b"\n") {
        line.pop();
    }
    if line.ends_with(b"\r") {
        line.pop();
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_either_way_or_at_the_end() {
        let mut input: &[u8] = b"one\ntwo\r\n\nlast";
        let mut lines = Vec::new();
        while let Some(line) = next(&mut input, 1).expect("short lines") {
            lines.push(String::from_utf8(line).expect("text"));
        }
        assert_eq!(lines, ["one", "two", "", "last"]);
    }

    #[test]
    fn an_endless_line_ends() {
        let mut input = std::io::BufReader::new(std::io::repeat(b'x'));
        let error = next(&mut input, 7).expect_err("it has no end");
        assert_eq!(error, "line 7 is longer than 4194304 bytes");
    }
}
