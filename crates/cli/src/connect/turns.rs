//! Tracks whether the line editor is editing a line, so that printed text keeps its order.
//!
//! While a line is edited, the editor puts printed text into a queue, and shows it when no key is pressed. Between two
//! lines it writes text at once. Text that is still in the queue when a line ends appears only with the next line, so
//! text that is printed between the two lines would overtake it.
//!
//! When Ctrl-C or Ctrl-D ends the last line, the text in the queue is lost with the editor.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, ExternalPrinter, Helper};

/// How long to wait for an editor to begin a line.
const PATIENCE: Duration = Duration::from_secs(3);
/// Moves the cursor one line up and down again, which shows nothing.
pub(super) const NOTHING: &str = "\x1b[A\n";

/// The state of the editor's lines, as the editor reports it.
#[derive(Clone, Default)]
pub(super) struct Turns(Arc<Shared>);

#[derive(Default)]
struct Shared {
    turn: Mutex<Turn>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default)]
struct Turn {
    /// Lines that have ended.
    lines: u64,
    /// Whether a line is certainly being edited.
    is_editing: bool,
    /// Whether there will be no more lines.
    is_over: bool,
}

impl Turns {
    /// Records that no more lines will be edited.
    pub(super) fn end(&self) {
        self.change(|turn| turn.is_over = true);
    }

    /// Waits until the editor has shown the text that was handed to it. `None` if it edits no line any more, or
    /// begins none for a while.
    pub(super) fn settle(&self, printer: &mut impl ExternalPrinter) -> Option<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let line = self.edited(until)?;
            // The queue has one place, so this text enters it only when the text before has left. If the line has
            // ended meanwhile, this text did not go through the queue, and proves nothing.
            printer.print(NOTHING.to_owned()).ok()?;
            let turn = self.lock();
            if turn.is_editing && turn.lines == line {
                return Some(());
            }
        }
    }

    /// The number of the line that is being edited, once one is.
    fn edited(&self, until: Instant) -> Option<u64> {
        let patience = until.saturating_duration_since(Instant::now());
        let waits = |turn: &mut Turn| !turn.is_editing && !turn.is_over;
        let waited = self.0.changed.wait_timeout_while(self.lock(), patience, waits);
        let turn = *waited.unwrap_or_else(PoisonError::into_inner).0;
        (turn.is_editing && !turn.is_over).then_some(turn.lines)
    }

    fn lock(&self) -> MutexGuard<'_, Turn> {
        self.0.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Turn)) {
        change(&mut self.lock());
        self.0.changed.notify_all();
    }
}

impl Helper for Turns {}

/// Gives no hints. The editor asks for one whenever it shows a line, first when it begins to edit the line.
impl Hinter for Turns {
    type Hint = String;

    fn hint(&self, _: &str, _: usize, _: &Context<'_>) -> Option<String> {
        self.change(|turn| turn.is_editing = true);
        None
    }
}

/// Accepts every line. The editor asks just before a line ends.
impl Validator for Turns {
    fn validate(&self, _: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        self.change(|turn| {
            turn.lines += 1;
            turn.is_editing = false;
        });
        Ok(ValidationResult::Valid(None))
    }
}

impl Highlighter for Turns {}

impl Completer for Turns {
    type Candidate = String;
}
