//! What may happen to files while nobody has them open.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::crash::random::Random;

/// Damages the log in `dir`; gives what was done to it, or `None` if there was nothing to damage.
pub(crate) fn damage(dir: &Path, random: &mut Random) -> Option<String> {
    let wal = dir.join("log.sqlite-wal");
    match random.below(6) {
        0 | 1 => cut(&wal, random),
        2 => flip(&wal, random),
        3 => flip(&dir.join("mark"), random),
        4 => flip(&dir.join("log.sqlite"), random),
        _ => fs::remove_file(&wal).is_ok().then(|| "the write-ahead log is gone".into()),
    }
}

fn length(path: &Path) -> Option<usize> {
    let len = usize::try_from(fs::metadata(path).ok()?.len()).ok()?;
    (len > 0).then_some(len)
}

/// The end is lost, up to the half of it.
fn cut(path: &Path, random: &mut Random) -> Option<String> {
    let len = length(path)?;
    let left = len - 1 - random.below(len / 2);
    let file = OpenOptions::new().write(true).open(path).expect("ours");
    file.set_len(u64::try_from(left).expect("64 bits")).expect("ours");
    Some(format!("{} is cut from {len} to {left}", path.display()))
}

/// A byte in the second half is another one.
fn flip(path: &Path, random: &mut Random) -> Option<String> {
    let len = length(path)?;
    let at = u64::try_from(len - 1 - random.below(len / 2)).expect("64 bits");
    let file = OpenOptions::new().read(true).write(true).open(path).expect("ours");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("it is that long");
    file.write_all_at(&[byte[0] ^ 0x20], at).expect("ours");
    Some(format!("{} is another one at {at} of {len}", path.display()))
}
