//! Whether the line editor has the terminal, so that what is printed keeps its order.
//!
//! While a line is edited, the editor puts text of others into a queue and shows it when no key is pressed; between two
//! lines the text is written at once. What is still in the queue when a line ends is shown with the next line only, so
//! what comes between the two would overtake it.
//!
//! What is in the queue when somebody ends the last line by Ctrl-C or Ctrl-D goes with the editor.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, ExternalPrinter, Helper};

/// How long an editor is waited for that does not begin a line.
const PATIENCE: Duration = Duration::from_secs(3);
/// One line up, and one down again: text that nobody sees.
pub(super) const NOTHING: &str = "\x1b[A\n";

/// What the editor tells of its lines.
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
    /// One is being edited, certainly.
    is_editing: bool,
    /// There will be no more.
    is_over: bool,
}

impl Turns {
    /// Nothing more will be edited.
    pub(super) fn end(&self) {
        self.change(|turn| turn.is_over = true);
    }

    /// Waits until the editor has taken what was handed to it. `None` if it does not edit any more, or not
    /// for a while.
    pub(super) fn settle(&self, printer: &mut impl ExternalPrinter) -> Option<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let line = self.edited(until)?;
            // The queue has one place: this is in it when what was handed over before is not any more. Unless the
            // line has ended meanwhile, and this was written at once.
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

/// There are no suggestions: this is asked whenever a line is shown, first of all when its editing begins.
impl Hinter for Turns {
    type Hint = String;

    fn hint(&self, _: &str, _: usize, _: &Context<'_>) -> Option<String> {
        self.change(|turn| turn.is_editing = true);
        None
    }
}

/// Each line is good: this is asked when it is to end, before it does.
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
