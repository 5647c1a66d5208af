//! What a store makes of a file with one wrong byte: a process of its own opens it, reads all and
//! appends, once for each of some hundred places.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Log, bytes_in, fresh, records};

const RECORDS: u64 = 1024;

/// In the process of its own: how many records there are.
pub(crate) fn check<L: Log>(dir: &Path) {
    let mut log = L::open(dir);
    let (count, _) = log.read_all();
    log.append(RECORDS + 1, &records(RECORDS + 1, 16));
    println!("{count}");
}

pub(crate) fn sweep<L: Log>(name: &str, root: &Path) {
    let dir = fresh(root, name);
    let mut log = L::open(&dir);
    for seq in (1..=RECORDS).step_by(64) {
        log.append(seq, &records(seq, 64));
    }
    // What a killed process leaves: the copy is made while the store is open.
    let copy = fresh(root, &format!("{name}-copy"));
    let flipped = fresh(root, &format!("{name}-flipped"));
    copy_all(&dir, &copy);
    drop(log);
    let files = files_in(&copy);
    let total = bytes_in(&copy);
    let (mut whole, mut short, mut error, mut panic) = (0, 0, 0, 0);
    for step in 0..400_u64 {
        let mut at = step * total / 400;
        fs::remove_dir_all(&flipped).expect("the directory is ours");
        copy_all(&copy, &flipped);
        for file in &files {
            let path = flipped.join(file.strip_prefix(&copy).expect("it is in there"));
            let mut bytes = fs::read(&path).expect("read");
            if let Some(byte) = usize::try_from(at).ok().and_then(|at| bytes.get_mut(at)) {
                *byte ^= 0x41;
                fs::write(&path, bytes).expect("written");
                break;
            }
            at -= bytes.len() as u64;
        }
        let program = std::env::current_exe().expect("this program");
        let out = Command::new(program).arg("--check").arg(name).arg(&flipped).output();
        let out = out.expect("started");
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        let count = String::from_utf8_lossy(&out.stdout).trim().parse::<u64>().ok();
        // Our own `expect` stands for an error that was reported.
        match count {
            Some(RECORDS) if out.status.success() => whole += 1,
            Some(_) if out.status.success() => short += 1,
            _ if said.contains("panicked at src/") => error += 1,
            _ => panic += 1,
        }
    }
    println!("| {name} | {} | {whole} | {error} | {short} | {panic} |", total / 1024);
    for dir in [dir, copy, flipped] {
        fs::remove_dir_all(dir).expect("the directory is ours");
    }
}

fn files_in(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).expect("read").flatten() {
        let path = entry.path();
        if path.is_dir() { files.extend(files_in(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

fn copy_all(from: &Path, to: &Path) {
    for file in files_in(from) {
        let to = to.join(file.strip_prefix(from).expect("it is in there"));
        fs::create_dir_all(to.parent().expect("it has one")).expect("made");
        fs::copy(file, to).expect("copied");
    }
}
