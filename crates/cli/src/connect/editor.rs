//! The line editor, on which a person types what `sockeye connect` sends.

use std::thread::Builder;

use rustyline::config::{BellStyle, Configurer as _};
use rustyline::error::ReadlineError;
use rustyline::history::{History as _, MemHistory};
use rustyline::{Config, Editor, ExternalPrinter};
use sockeye_terminal::notice;

use super::history::{self, History};
use super::input::{Given, Giver};
use super::turns::Turns;
use crate::endpoint::Problem;

const PROMPT: &str = "> ";

/// A line editor that is not running yet.
pub(super) struct LineEditor {
    editor: Editor<Turns, MemHistory>,
    history: Option<History>,
}

impl LineEditor {
    /// Takes the terminal. Returns the editor, and a printer for text above its line; `None` for a terminal without
    /// cursor movements.
    pub(super) fn new(
        with_history: bool,
        turns: Turns,
    ) -> Option<(Self, impl ExternalPrinter + Send + 'static)> {
        // A pasted line end counts as a typed one: each pasted line is a message.
        let config = Config::builder()
            .max_history_size(history::LINES_MAX)
            .ok()?
            .history_ignore_space(true)
            .bracketed_paste(false)
            .bell_style(BellStyle::None)
            .build();
        let lines = MemHistory::with_config(&config);
        let mut editor = Editor::with_history(config, lines).ok()?;
        let printer = editor.create_external_printer().ok()?;
        editor.set_auto_add_history(false);
        editor.set_helper(Some(turns));
        let mut opened = None;
        if with_history {
            match History::open() {
                Ok(found) => opened = found,
                Err(error) => notice(format_args!("there is no history: {error}")),
            }
        }
        let history = opened.map(|(history, lines)| {
            for line in lines {
                // A line that the editor refuses is missing in the history, and nothing else happens.
                let _ = editor.history_mut().add_owned(line);
            }
            history
        });
        Some((Self { editor, history }, printer))
    }

    /// Reads lines until the person has no more.
    pub(super) fn run(mut self, giver: Giver) -> Result<(), Problem> {
        let reader = move || {
            let end = self.read(&giver);
            if let Some(turns) = self.editor.helper() {
                turns.end();
            }
            giver.give(end);
        };
        let thread = Builder::new().name("editor".into()).spawn(reader);
        thread.map(drop).map_err(|error| Problem::failed("cannot read the terminal", error))
    }

    /// Gives the lines; how they end.
    fn read(&mut self, giver: &Giver) -> Given {
        loop {
            match self.editor.readline(PROMPT) {
                Ok(line) => {
                    self.keep(&line);
                    if !giver.give(Given::Lines(format!("{line}\n").into_bytes())) {
                        return Given::End;
                    }
                }
                Err(ReadlineError::Eof | ReadlineError::Interrupted) => return Given::End,
                Err(error) => {
                    return Given::Failed(format!("cannot read the terminal: {error}"));
                }
            }
        }
    }

    fn keep(&mut self, line: &str) {
        if !history::is_kept(line) {
            return;
        }
        let is_new = self.editor.add_history_entry(line).unwrap_or_default();
        if let (true, Some(history)) = (is_new, &mut self.history) {
            history.add(line);
        }
    }
}
