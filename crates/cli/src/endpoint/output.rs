//! Standard output of `connect`, `events` and `subscribe`, with the signals and the reader's end that stop them.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::net::UnixStream;

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sockeye_terminal::signals;

use super::Problem;

/// Tokens of the two sources below.
pub(crate) const SIGNALS: Token = Token(1000);
pub(crate) const READER: Token = Token(1001);

/// Bytes that a writable pipe takes without blocking (POSIX).
const PIPE_BYTES: usize = 4096;

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
    /// Whether a signal was reported: from then on no write waits.
    is_stopping: bool,
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
        Ok(Self { bytes: Vec::new(), stdout, signals, is_stopping: false })
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

    /// Writes what was gathered, and waits for the reader where it has to. A signal ends the wait; one that
    /// came while nothing had to be waited for is told when all is written.
    pub(crate) fn flush(&mut self) -> Result<(), Stop> {
        let mut written = 0;
        while written < self.bytes.len() {
            if !self.wait().map_err(Stop::Failed)? {
                self.bytes.drain(..written);
                return Err(Stop::Signal);
            }
            let piece = &self.bytes[written..self.bytes.len().min(written + PIPE_BYTES)];
            match self.stdout.write(piece) {
                Ok(len) => written += len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    return Err(Stop::NoReader);
                }
                Err(error) => return Err(Stop::Failed(error)),
            }
        }
        self.bytes.clear();
        if self.is_stopping { Err(Stop::Signal) } else { Ok(()) }
    }

    /// Waits until something can be written, or a signal has come; whether it is the former. Behind a signal it
    /// only looks.
    fn wait(&mut self) -> io::Result<bool> {
        loop {
            let timeout = self.is_stopping.then(Timespec::default);
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
            return Ok(stdout);
        }
    }

    /// Only that something came counts.
    fn take_signal(&mut self) {
        let _ = self.signals.read(&mut [0; 64]);
        self.is_stopping = true;
    }
}
