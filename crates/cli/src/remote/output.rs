//! Standard output of `sockeye subscribe`, and the threads that end the program on a signal or without a reader.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileTypeExt as _;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::iterator::Signals;
use sockeye_terminal::{
    Failure, OrFail, notice, print,
    signals::{ENDING, end_by},
};

/// How long the program waits after a signal for a line that is being written, in steps of 5 ms.
const STEPS_MAX: u32 = 100;

/// Standard output, and the cursor of the last message that was written to it.
#[derive(Default)]
pub(super) struct Output {
    /// Held while a line is written and its cursor is stored, so that a signal finds both or neither.
    writing: Mutex<()>,
    cursor: Mutex<Option<String>>,
}

impl Output {
    /// Writes a line, if there is one, and then stores the cursor behind it.
    pub(super) fn write(&self, line: Option<&str>, cursor: Option<String>) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = line {
            print::write(&format!("{line}\n"))?;
        }
        if cursor.is_some() {
            *self.cursor.lock().unwrap_or_else(PoisonError::into_inner) = cursor;
        }
        Ok(())
    }

    /// The last cursor.
    pub(super) fn cursor(&self) -> Option<String> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Starts a thread that ends the program on a signal, after printing the last cursor on standard error.
pub(super) fn watch_signals(output: Arc<Output>) -> Result<(), Failure> {
    let mut signals = Signals::new(ENDING).or_fail(|| "cannot watch for signals".into())?;
    let watch = move || {
        let Some(signal) = signals.forever().next() else { return };
        // Held to the end of the program, so that no line is written after its cursor is printed.
        let _writing = patiently(&output.writing);
        if let Some(cursor) = output.cursor() {
            notice(format_args!("last cursor: {}", super::plain(&cursor)));
        }
        end_by(signal)
    };
    let thread = std::thread::Builder::new().name("signals".into()).spawn(watch);
    thread.or_fail(|| "cannot watch for signals".into()).map(drop)
}

/// Starts a thread that ends the program with status 0 once the reader of its standard output has left. On a silent
/// channel no write would fail and notice it. Terminals and files have no reader that could leave.
pub(super) fn watch_reader() -> Result<(), Failure> {
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    let stdout = File::from(stdout.or_fail(|| "cannot watch standard output".into())?);
    let kind = stdout.metadata().or_fail(|| "cannot watch standard output".into())?.file_type();
    if !kind.is_fifo() && !kind.is_socket() {
        return Ok(());
    }
    let watch = move || {
        // `poll` reports ERR and HUP even if no flags are asked for.
        let mut waited = [PollFd::new(&stdout, PollFlags::empty())];
        loop {
            match poll(&mut waited, None) {
                Ok(_) if waited[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) => {
                    std::process::exit(0);
                }
                Err(rustix::io::Errno::INTR) => {}
                // Without this thread the next write notices it.
                Ok(_) | Err(_) => return,
            }
        }
    };
    let thread = std::thread::Builder::new().name("stdout".into()).spawn(watch);
    thread.or_fail(|| "cannot watch standard output".into()).map(drop)
}

/// Takes the lock; `None` if its holder is stuck, and then the line is cut.
fn patiently(lock: &Mutex<()>) -> Option<std::sync::MutexGuard<'_, ()>> {
    for _ in 0..STEPS_MAX {
        match lock.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(error)) => return Some(error.into_inner()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    None
}
