//! The place of `sockeye events` in its stream: the last event ID, and the file that keeps it from run to run.

use core::fmt::Display;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::args::EventsOptions;
use crate::endpoint::Problem;
use crate::endpoint::args::read_file;

/// Longest ID that is taken from a file. Servers do not take longer headers.
const ID_BYTES_MAX: u64 = 16 * 1024;

/// The last event ID of a run, and the file that keeps it.
pub(super) struct Place {
    last_event_id: String,
    file: Option<PathBuf>,
}

impl Place {
    /// Opens the place that the command line names. The ID in the file wins, because it is the later one.
    pub(super) fn open(options: &EventsOptions) -> Result<Self, Problem> {
        let mut last_event_id = options.last_event_id.clone();
        let file = options.resume.as_deref().map(regular).transpose()?;
        if let Some(path) = file.as_deref().filter(|path| path.exists()) {
            let kept = String::from_utf8(read_file(path, ID_BYTES_MAX)?);
            let kept = kept.map_err(|_| not_an_id(path))?;
            let kept = kept.strip_suffix('\n').unwrap_or(&kept);
            if kept.contains(['\n', '\r', '\0']) {
                return Err(not_an_id(path));
            }
            if !kept.is_empty() {
                kept.clone_into(&mut last_event_id);
            }
        }
        Ok(Self { last_event_id, file })
    }

    pub(super) fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// Whether a file keeps the place.
    pub(super) fn is_kept(&self) -> bool {
        self.file.is_some()
    }

    /// Moves the place to this ID, up to which everything was written.
    pub(super) fn reach(&mut self, last_event_id: &str) -> Result<(), Problem> {
        if self.last_event_id == last_event_id {
            return Ok(());
        }
        last_event_id.clone_into(&mut self.last_event_id);
        self.keep()
    }

    /// Puts another file in the place of the old one, so that there always is a whole one.
    pub(super) fn keep(&self) -> Result<(), Problem> {
        let Some(path) = &self.file else { return Ok(()) };
        let kept = replace(path, &self.last_event_id);
        kept.map_err(|error| {
            Problem::failed(&format!("cannot keep the place in {}", path.display()), error)
        })
    }
}

/// Returns the regular file behind a path, which may be a link. A device or pipe could not be replaced, or opening
/// it would block.
fn regular(path: &Path) -> Result<PathBuf, Problem> {
    let shown = path.display();
    let refused = |why: &dyn Display| Err(Problem::usage(format_args!("--resume {shown}: {why}")));
    match (fs::symlink_metadata(path), fs::canonicalize(path)) {
        (Err(error), _) if error.kind() == ErrorKind::NotFound => Ok(path.to_owned()),
        (Ok(_), Err(error)) if error.kind() == ErrorKind::NotFound => {
            refused(&"this is a link to nothing")
        }
        (Err(error), _) | (_, Err(error)) => refused(&error),
        (Ok(_), Ok(file)) if file.is_file() => Ok(file),
        (Ok(_), Ok(_)) => refused(&"this is no regular file"),
    }
}

fn not_an_id(path: &Path) -> Problem {
    Problem::usage(format_args!("{} has no event ID in it", path.display()))
}

fn replace(path: &Path, last_event_id: &str) -> std::io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    let mut options = fs::OpenOptions::new();
    // An ID may be as good as a password: some hubs put a session into it.
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh);
    let written = opened
        .and_then(|mut file| file.write_all(format!("{last_event_id}\n").as_bytes()))
        .and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    written
}
