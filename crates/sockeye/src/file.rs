//! Reads files whole: the configuration, and the files that it names. A read is bounded in bytes, and waits only
//! for a pipe, where one is taken.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{Error, ErrorKind, Read as _, Result};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// Largest file.
const BYTES_MAX: u64 = 4 << 20;

/// Which kinds of files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Regular files. Nothing waits for another program.
    Regular,
    /// Regular files, and a pipe without a name: `/dev/stdin`. A pipe with a name may have no writer.
    Given,
    /// Pipes and devices as well. The read waits until the pipe's writer closes it.
    Stream,
}

/// Reads a regular file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    read_all(open_regular(path)?)
}

/// Reads a file of text.
pub(crate) fn read_text(path: &Path, kind: Kind) -> Result<String> {
    let file = match kind {
        Kind::Regular => open_regular(path)?,
        Kind::Given if has_name(path)? => open_regular(path)?,
        Kind::Given | Kind::Stream => open_stream(path)?,
    };
    String::from_utf8(read_all(file)?)
        .map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Opens a regular file. A file is looked at before, because some devices act when they are opened; and after,
/// because another file may have come to its place. That one cannot make the open wait. [service:regular-files]
fn open_regular(path: &Path) -> Result<File> {
    check_regular(&fs::metadata(path)?)?;
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblock).open(path)?;
    check_regular(&file.metadata()?)?;
    Ok(file)
}

/// Whether a path leads to a file in a directory. `/dev/stdin` leads to none if it is a pipe.
fn has_name(path: &Path) -> Result<bool> {
    let is_pipe = fs::metadata(path)?.file_type().is_fifo();
    Ok(!is_pipe || fs::canonicalize(path).is_ok())
}

fn check_regular(about: &Metadata) -> Result<()> {
    match about.is_file() {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::InvalidInput, "it is not a regular file")),
    }
}

fn open_stream(path: &Path) -> Result<File> {
    let about = fs::metadata(path)?;
    if about.is_dir() || about.file_type().is_socket() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is neither a regular file nor a pipe"));
    }
    File::open(path)
}

fn read_all(file: File) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > BYTES_MAX {
        true => Err(Error::new(ErrorKind::FileTooLarge, "it is longer than 4 MiB")),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of a test, removed with everything in it.
    struct Place(std::path::PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let dir =
                std::env::temp_dir().join(format!("sockeye-file-{name}-{}", std::process::id()));
            fs::create_dir_all(&dir).expect("a directory");
            Self(dir)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn refusal<T>(read: Result<T>) -> String {
        read.map(|_| ()).expect_err("no regular file").to_string()
    }

    /// A read of the pipe would wait for ever. [service:regular-files]
    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let place = Place::new("kinds");
        let pipe = place.0.join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).expect("a pipe");
        let socket = place.0.join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        for path in [&pipe, &socket, &place.0, Path::new("/dev/zero")] {
            assert_eq!(refusal(read(path)), "it is not a regular file", "{path:?}");
            assert_eq!(refusal(read_text(path, Kind::Given)), "it is not a regular file");
        }
        for path in [&socket, &place.0] {
            let refusal = refusal(read_text(path, Kind::Stream));
            assert_eq!(refusal, "it is neither a regular file nor a pipe", "{path:?}");
        }
    }

    /// [service:regular-files]
    #[test]
    fn a_file_is_read_up_to_a_bound() {
        let place = Place::new("bound");
        let path = place.0.join("file");
        let largest = usize::try_from(BYTES_MAX).expect("it is small");
        fs::write(&path, vec![b' '; largest]).expect("our directory");
        assert_eq!(read_text(&path, Kind::Regular).expect("it is not too long").len(), largest);
        fs::write(&path, vec![b' '; largest + 1]).expect("our directory");
        for kind in [Kind::Regular, Kind::Stream] {
            assert_eq!(refusal(read_text(&path, kind)), "it is longer than 4 MiB");
        }
        // It never ends.
        assert_eq!(
            refusal(read_text(Path::new("/dev/zero"), Kind::Stream)),
            "it is longer than 4 MiB"
        );
    }

    #[test]
    fn text_is_utf8() {
        let place = Place::new("text");
        let path = place.0.join("file");
        fs::write(&path, b"\xff").expect("our directory");
        assert_eq!(refusal(read_text(&path, Kind::Regular)), "it is not UTF-8");
        assert_eq!(read(&path).expect("bytes"), b"\xff");
    }
}
