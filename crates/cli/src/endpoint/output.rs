//! Standard output of `connect`, `events` and `subscribe`, with the signals and the reader's end that stop them.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sockeye_terminal::signals;

use super::Problem;

/// Tokens of the two sources below.
pub(crate) const SIGNALS: Token = Token(1000);
pub(crate) const READER: Token = Token(1001);

/// Bytes that a writable pipe takes at once, without blocking (POSIX). A line of so many is never cut.
const PIPE_BYTES: usize = 4096;

/// How long a longer line may take to its end after a signal.
const LINE_PATIENCE: Duration = Duration::from_secs(2);

/// The reason to stop writing.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A signal asks for the end. A second one ends the program at once.
    Signal,
    /// The reader of standard output has left.
    NoReader,
    /// Writing has failed.
    Failed(io::Error),
}

/// The end of a run before the end of its connection.
pub(crate) enum End {
    Problem(Problem),
    Stop(Stop),
}

impl From<Problem> for End {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// Standard output, gathered until [`flush`](Self::flush).
pub(crate) struct Output {
    pub(crate) bytes: Vec<u8>,
    stdout: File,
    signals: UnixStream,
    /// When a signal was reported. From then on no line is waited for that was not begun before.
    stopped_at: Option<Instant>,
    /// Whether the last line that was written has no end yet.
    is_inside_line: bool,
}

impl Output {
    /// Catches signals, and registers them and the reader's end with the event loop.
    pub(crate) fn new(registry: &Registry) -> Result<Self, Problem> {
        Self::open(registry).map_err(|error| Problem::failed("cannot watch for signals", error))
    }

    fn open(registry: &Registry) -> io::Result<Self> {
        let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let (signals, bell) = UnixStream::pair()?;
        signals.set_nonblocking(true)?;
        signals::catch(&bell)?;
        registry.register(&mut SourceFd(&signals.as_raw_fd()), SIGNALS, Interest::READABLE)?;
        // Files have no reader that could leave, and cannot be registered.
        let _ = registry.register(&mut SourceFd(&stdout.as_raw_fd()), READER, Interest::WRITABLE);
        let (bytes, stopped_at, is_inside_line) = (Vec::new(), None, false);
        Ok(Self { bytes, stdout, signals, stopped_at, is_inside_line })
    }

    /// Handles an event of one of the two tokens.
    pub(crate) fn on_event(&mut self, event: &Event) -> Result<(), Stop> {
        match event.token() {
            SIGNALS => {
                self.take_signal();
                Err(Stop::Signal)
            }
            READER if event.is_error() || event.is_write_closed() => Err(Stop::NoReader),
            _ => Ok(()),
        }
    }

    /// Writes what was gathered, and waits for the reader where it has to. A signal ends the wait, behind the end of
    /// a line unless that takes too long. One that came while nothing had to be waited for is told when all is
    /// written.
    pub(crate) fn flush(&mut self) -> Result<(), Stop> {
        let mut written = 0;
        while written < self.bytes.len() {
            let is_writable = self.wait().map_err(Stop::Failed)?;
            let piece = piece(&self.bytes[written..]);
            let is_whole = piece.ends_with(b"\n") || written + piece.len() == self.bytes.len();
            let may_begin = self.is_inside_line || self.stopped_at.is_none() || is_whole;
            if !is_writable || !may_begin {
                self.bytes.drain(..written);
                return Err(Stop::Signal);
            }
            match self.stdout.write(piece) {
                Ok(len) => {
                    self.is_inside_line = len > 0 && piece[len - 1] != b'\n';
                    written += len;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    return Err(Stop::NoReader);
                }
                Err(error) => return Err(Stop::Failed(error)),
            }
        }
        self.bytes.clear();
        if self.stopped_at.is_some() { Err(Stop::Signal) } else { Ok(()) }
    }

    /// Waits until something can be written, or a signal has come; whether it is the former. After a signal it
    /// only looks, but for the end of a line it waits a while.
    fn wait(&mut self) -> io::Result<bool> {
        loop {
            let timeout = self.stopped_at.map(|at| match self.is_inside_line {
                true => timespec(LINE_PATIENCE.saturating_sub(at.elapsed())),
                false => Timespec::default(),
            });
            let mut waited = [
                PollFd::new(&self.stdout, PollFlags::OUT),
                PollFd::new(&self.signals, PollFlags::IN),
            ];
            match poll(&mut waited, timeout.as_ref()) {
                Err(rustix::io::Errno::INTR) => continue,
                polled => polled?,
            };
            let [stdout, signals] = waited.map(|it| !it.revents().is_empty());
            if signals {
                self.take_signal();
            }
            if stdout || !signals || !self.is_inside_line {
                return Ok(stdout);
            }
        }
    }

    /// Only that something came counts.
    fn take_signal(&mut self) {
        let _ = self.signals.read(&mut [0; 64]);
        self.stopped_at.get_or_insert_with(Instant::now);
    }
}

/// The bytes of the next write: whole lines if the first one has room in it.
fn piece(bytes: &[u8]) -> &[u8] {
    let most = &bytes[..bytes.len().min(PIPE_BYTES)];
    let end = most.iter().rposition(|byte| *byte == b'\n');
    end.map_or(most, |at| &most[..=at])
}

fn timespec(duration: Duration) -> Timespec {
    // It is seconds.
    let tv_sec = duration.as_secs().try_into().unwrap_or(i64::MAX);
    Timespec { tv_sec, tv_nsec: duration.subsec_nanos().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_fits_into_a_write_is_not_cut() {
        let line = |len: usize| [vec![b'x'; len - 1], vec![b'\n']].concat();
        let [short, full, long] = [10, PIPE_BYTES, PIPE_BYTES + 1].map(line);
        assert_eq!(piece(&short), short);
        assert_eq!(piece(&[&*short, &full].concat()), short);
        assert_eq!(piece(&[&*full, &short].concat()), full);
        assert_eq!(piece(&[&*short, &short, b"no end"].concat()), [&*short, &short].concat());
        // The end of a long line goes with the lines behind it.
        assert_eq!(piece(&long), &long[..PIPE_BYTES]);
        assert_eq!(
            piece(&[&long[PIPE_BYTES..], &short, &full].concat()),
            [b"\n", &*short].concat()
        );
    }
}
