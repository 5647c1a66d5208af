//! Standard output of the commands that end by themselves, and what a terminal can show.

use std::ffi::OsStr;
use std::io::{self, ErrorKind, IsTerminal, Write as _};

use crate::{Failure, OrFail as _};

/// Writes text, all of it and now: what waited in a buffer for the program's end would be lost there
/// without a word.
pub fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes text for the person who started us. If nobody reads it any more (`sockeye … | head -1`),
/// that is no failure; if there is no room for it, that is one.
pub fn text(text: &str) -> Result<(), Failure> {
    match write(text) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.or_fail(cannot_write),
    }
}

/// The same with a line.
pub fn say(line: core::fmt::Arguments<'_>) -> Result<(), Failure> {
    text(&format!("{line}\n"))
}

/// Writes a line that there is no second copy of: a reader who is gone is a failure, too.
pub fn say_surely(line: core::fmt::Arguments<'_>) -> Result<(), Failure> {
    write(&format!("{line}\n")).or_fail(cannot_write)
}

fn cannot_write() -> String {
    "cannot write".to_owned()
}

/// Whether this is a terminal that understands what moves its cursor. Emacs' shell and others that do
/// not say so by `TERM=dumb`.
pub fn is_able(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("TERM").as_deref() != Some(OsStr::new("dumb"))
}

/// Whether this is a terminal that shows colours to somebody who wants them.
pub fn is_coloured(stream: &impl IsTerminal) -> bool {
    is_able(stream) && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
