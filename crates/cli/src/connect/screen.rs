//! Prints text above the line that a person is typing, on a thread of its own.

use std::io::Write as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::ExternalPrinter;

use super::turns::{NOTHING, Turns};
use crate::endpoint::Problem;

/// Bytes of text that wait for the terminal. Above this the client reads no more, so the server waits.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// How long the client waits at its end for a terminal that takes no text.
const PATIENCE: Duration = Duration::from_secs(1);

/// A terminal on which a person is typing.
///
/// A thread gives the text to the line editor, which may be slow to take it, for example while its history
/// is searched.
pub(super) struct Screen {
    shared: Arc<Shared>,
    before: Option<Termios>,
}

struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    text: String,
    /// Nothing more will come.
    is_last: bool,
    /// All of it was shown.
    is_done: bool,
}

impl Screen {
    /// Starts the thread. At the end the terminal's mode is restored to what it is now.
    pub(super) fn start(
        mut printer: impl ExternalPrinter + Send + 'static,
        turns: Turns,
    ) -> Result<Self, Problem> {
        let before = tcgetattr(std::io::stdin()).ok();
        let shared = Arc::new(Shared { waiting: Mutex::default(), changed: Condvar::new() });
        let ours = Arc::clone(&shared);
        let show = move || {
            while let Some(text) = ours.take() {
                // Without the editor the terminal is in its usual mode, and text is simply written.
                if printer.print(text.clone()).is_err() {
                    let _ = std::io::stdout().write_all(text.as_bytes());
                }
                let _ = turns.settle(&mut printer);
            }
            // The editor shows a text at the latest when it takes the next one.
            let _ = printer.print(NOTHING.to_owned());
            ours.lock().is_done = true;
            ours.changed.notify_all();
        };
        let thread = std::thread::Builder::new().name("screen".into()).spawn(show);
        thread.map_err(|error| Problem::failed("cannot write to the terminal", error))?;
        Ok(Self { shared, before })
    }

    /// Shows text that ends with a line end; waits if too much is waiting already.
    pub(super) fn show(&self, text: &str) {
        let waiting = self.shared.lock();
        let is_full = |waiting: &mut Waiting| waiting.text.len() > WAITING_BYTES_MAX;
        let waited = self.shared.changed.wait_while(waiting, is_full);
        waited.unwrap_or_else(PoisonError::into_inner).text.push_str(text);
        self.shared.changed.notify_all();
    }

    /// Shows the remaining text, and restores the terminal.
    pub(super) fn finish(self) {
        let mut waiting = self.shared.lock();
        waiting.is_last = true;
        self.shared.changed.notify_all();
        let is_busy = |waiting: &mut Waiting| !waiting.is_done;
        drop(self.shared.changed.wait_timeout_while(waiting, PATIENCE, is_busy));
        if let Some(before) = &self.before {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, before);
        }
        // Erases the prompt of the line that will not be typed.
        let mut stdout = std::io::stdout();
        let _ = stdout.write_all(b"\r\x1b[J").and_then(|()| stdout.flush());
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for text and takes all of it; `None` at the end.
    fn take(&self) -> Option<String> {
        let is_idle = |waiting: &mut Waiting| waiting.text.is_empty() && !waiting.is_last;
        let waited = self.changed.wait_while(self.lock(), is_idle);
        let text = std::mem::take(&mut waited.unwrap_or_else(PoisonError::into_inner).text);
        self.changed.notify_all();
        (!text.is_empty()).then_some(text)
    }
}
