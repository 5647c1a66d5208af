//! Writes to standard output for commands that end by themselves, and tells what a terminal can show.

use std::ffi::OsStr;
use std::io::{self, ErrorKind, IsTerminal, Write as _};

use crate::{Failure, OrFail as _};

/// Writes all of a text and flushes it: an error at the program's end, where buffers are written otherwise, would
/// go unnoticed.
pub fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes text for the user. A reader that has left (`sockeye … | head -1`) is no failure; a full disk is one.
pub fn text(text: &str) -> Result<(), Failure> {
    match write(text) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.or_fail(cannot_write),
    }
}

/// Writes a line for the user, as [`text`] does.
pub fn say(line: core::fmt::Arguments<'_>) -> Result<(), Failure> {
    text(&format!("{line}\n"))
}

/// Writes a line of which there is no other copy, so a reader that has left is a failure, too.
pub fn say_surely(line: core::fmt::Arguments<'_>) -> Result<(), Failure> {
    write(&format!("{line}\n")).or_fail(cannot_write)
}

fn cannot_write() -> String {
    "cannot write".to_owned()
}

/// Whether this is a terminal that obeys cursor movements. Emacs' shell and others that do not set `TERM=dumb`.
pub fn is_able(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("TERM").as_deref() != Some(OsStr::new("dumb"))
}

/// Whether this is a terminal with colours, and `NO_COLOR` does not switch them off.
pub fn is_coloured(stream: &impl IsTerminal) -> bool {
    is_able(stream) && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
