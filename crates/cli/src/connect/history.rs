//! The history file, which keeps typed lines from run to run.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

/// Lines that are kept.
pub(super) const LINES_MAX: usize = 1000;
/// Longest line that is kept.
const LINE_BYTES_MAX: usize = 4096;
/// A file that has grown beyond this is cut down at the next start.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A file of lines, the last one typed at its end. Only its owner can read it.
pub(super) struct History {
    file: File,
}

impl History {
    /// Opens the file, and gives its lines. `None` if there is no place for one.
    pub(super) fn open() -> io::Result<Option<(Self, Vec<String>)>> {
        let Some(path) = path() else { return Ok(None) };
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let mut file = options.open(&path)?;
        let len = file.metadata()?.len();
        let mut bytes = Vec::new();
        if len > FILE_BYTES_MAX {
            io::Seek::seek(&mut file, io::SeekFrom::Start(len - FILE_BYTES_MAX))?;
        }
        (&file).take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        // The first line may have been cut.
        let all: Vec<&str> = text.lines().skip(usize::from(len > FILE_BYTES_MAX)).collect();
        let kept = &all[all.len().saturating_sub(LINES_MAX)..];
        let lines: Vec<String> = kept.iter().map(|line| (*line).to_owned()).collect();
        if all.len() > 2 * LINES_MAX || len > FILE_BYTES_MAX {
            let fresh = path.with_extension(std::process::id().to_string());
            let mut options = OpenOptions::new();
            options.append(true).create_new(true).mode(0o600);
            file = options.open(&fresh)?;
            file.write_all((lines.join("\n") + "\n").as_bytes())?;
            fs::rename(&fresh, &path)?;
        }
        Ok(Some((Self { file }, lines)))
    }

    /// Adds a line at the end, in one write: other sessions have the same file.
    pub(super) fn add(&mut self, line: &str) {
        // A history that cannot be written is no reason to end.
        let _ = self.file.write_all(format!("{line}\n").as_bytes());
    }
}

/// Whether to keep a line: a space before it keeps it out of the history.
pub(super) fn is_kept(line: &str) -> bool {
    let is_visible = !line.trim().is_empty() && !line.starts_with([' ', '\t']);
    is_visible && line.len() <= LINE_BYTES_MAX && !line.contains('\n')
}

/// The path of the file, by the XDG base directories.
fn path() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = std::env::var_os(name).map(PathBuf::from)?;
        path.is_absolute().then_some(path)
    };
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local").join("state")))?;
    Some(state.join("sockeye").join("connect_history"))
}

#[cfg(test)]
mod tests {
    use super::is_kept;

    #[test]
    fn secrets_and_monsters_are_not_kept() {
        assert!(is_kept("hello") && is_kept("/ping"));
        for line in ["", "  ", " token", "a\nb", &"x".repeat(5000)] {
            assert!(!is_kept(line), "{line:?}");
        }
    }
}
