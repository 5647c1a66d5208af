//! The lines to send: a thread reads them from a pipe or the line editor, and the event loop takes them.

use std::io::{self, BufRead};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use mio::Waker;

use crate::endpoint::Problem;

/// Longest line.
const LINE_BYTES_MAX: usize = 16 << 20;
/// Pieces that are read ahead.
const PIECES_MAX: usize = 4;

/// A piece of the input, or its end, as the thread hands it over.
pub(super) enum Given {
    /// Lines with their ends; the last one of all may have none.
    Lines(Vec<u8>),
    /// The input has ended.
    End,
    /// Reading the input has failed, with this error.
    Failed(String),
}

/// The thread's end: hands pieces to the event loop, and wakes it.
pub(super) struct Giver {
    to: SyncSender<Given>,
    waker: Arc<Waker>,
}

impl Giver {
    /// Hands a piece over. False if the event loop is gone.
    pub(super) fn give(&self, given: Given) -> bool {
        // A waker that does not wake belongs to a loop that is gone.
        self.to.send(given).is_ok() && self.waker.wake().is_ok()
    }
}

/// The event loop's end: the lines that were handed over and not taken.
pub(super) struct Input {
    from: Receiver<Given>,
    /// Kept alive, since dropping the waker could drop a wake-up that the loop has not seen.
    _waker: Option<Arc<Waker>>,
    lines: Vec<u8>,
    taken: usize,
    end: Option<Result<(), String>>,
}

impl Input {
    /// Makes both ends.
    pub(super) fn new(waker: Waker) -> (Self, Giver) {
        let (to, from) = sync_channel(PIECES_MAX);
        let waker = Arc::new(waker);
        let giver = Giver { to, waker: Arc::clone(&waker) };
        (Self { from, _waker: Some(waker), lines: Vec::new(), taken: 0, end: None }, giver)
    }

    /// The next line without its end, if there is one now.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        while self.taken == self.lines.len() && self.end.is_none() {
            match self.from.try_recv() {
                Ok(Given::Lines(lines)) => (self.lines, self.taken) = (lines, 0),
                Ok(Given::End) | Err(TryRecvError::Disconnected) => self.end = Some(Ok(())),
                Ok(Given::Failed(why)) => self.end = Some(Err(why)),
                Err(TryRecvError::Empty) => return None,
            }
        }
        let rest = &self.lines[self.taken..];
        if rest.is_empty() {
            return None;
        }
        let len = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        self.taken += (len + 1).min(rest.len());
        let line = &rest[..len];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// How the input has ended, once all lines were taken.
    pub(super) fn end(&self) -> Option<Result<(), &str>> {
        let end = self.end.as_ref().filter(|_| self.taken == self.lines.len())?;
        Some(end.as_ref().map(|&()| ()).map_err(String::as_str))
    }
}

/// Starts a thread that reads standard input as it comes.
pub(super) fn read_pipe(giver: Giver) -> Result<(), Problem> {
    let reader = move || {
        let end = read(&mut io::stdin().lock(), |lines| giver.give(Given::Lines(lines)));
        giver.give(match end {
            Ok(()) => Given::End,
            Err(why) => Given::Failed(why),
        });
    };
    let thread = std::thread::Builder::new().name("stdin".into()).spawn(reader);
    thread.map(drop).map_err(|error| Problem::failed("cannot read standard input", error))
}

/// Gives whole lines as soon as they have come, as many together as have come.
fn read(input: &mut impl BufRead, mut give: impl FnMut(Vec<u8>) -> bool) -> Result<(), String> {
    let mut begun = Vec::new();
    loop {
        let there = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            there => there.map_err(|error| format!("cannot read standard input: {error}"))?,
        };
        if there.is_empty() {
            if !begun.is_empty() {
                give(begun);
            }
            return Ok(());
        }
        let whole = there.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let (lines, rest) = there.split_at(whole);
        let len = there.len();
        let mut given = true;
        if !lines.is_empty() {
            begun.extend_from_slice(lines);
            given = give(std::mem::take(&mut begun));
        }
        begun.extend_from_slice(rest);
        input.consume(len);
        if !given {
            return Ok(());
        }
        if begun.len() > LINE_BYTES_MAX {
            return Err(format!("a line of the input is longer than {LINE_BYTES_MAX} bytes"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(given: &[&[u8]]) -> Vec<Vec<u8>> {
        let (to, from) = sync_channel(given.len() + 1);
        for lines in given {
            to.send(Given::Lines(lines.to_vec())).expect("room");
        }
        to.send(Given::End).expect("room");
        let mut input = Input { from, _waker: None, lines: Vec::new(), taken: 0, end: None };
        let mut lines = Vec::new();
        while let Some(line) = input.next() {
            lines.push(line.to_vec());
        }
        assert_eq!(input.end(), Some(Ok(())));
        lines
    }

    #[test]
    fn lines_are_the_same_however_they_come() {
        let text = b"one\n\ntwo\r\nthree\n last";
        let expected: [&[u8]; 5] = [b"one", b"", b"two", b"three", b" last"];
        for capacity in 1..=text.len() {
            let mut given: Vec<Vec<u8>> = Vec::new();
            let mut input = io::BufReader::with_capacity(capacity, &text[..]);
            let read = read(&mut input, |lines| {
                given.push(lines);
                true
            });
            assert_eq!(read, Ok(()));
            let given: Vec<&[u8]> = given.iter().map(Vec::as_slice).collect();
            assert_eq!(lines_of(&given), expected, "by {capacity}");
        }
    }

    #[test]
    fn an_endless_line_ends() {
        let mut input = io::BufReader::new(io::repeat(b'x'));
        let error = read(&mut input, |_| panic!("there is no line")).expect_err("too long");
        assert_eq!(error, "a line of the input is longer than 16777216 bytes");
    }

    #[test]
    fn nobody_wants_more() {
        let mut input = io::BufReader::with_capacity(4, io::repeat(b'\n'));
        assert_eq!(read(&mut input, |_| false), Ok(()));
    }
}
