//! The processor time of a process.

use std::fs;

/// Nanoseconds that the threads of a process were on a processor, as the scheduler counts them.
pub(crate) fn cpu_ns(pid: u32) -> Result<u64, String> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.map_err(|error| format!("process {pid}: {error}"))?;
    let ran = |thread: fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    Ok(threads.flatten().filter_map(ran).sum())
}
