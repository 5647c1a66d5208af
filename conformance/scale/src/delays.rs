//! How long threads waited for a processor while they had work, as Linux counts it.
//!
//! A thread that other programs keep from its processor looks slow from outside, and has done nothing wrong. The
//! kernel adds up this time for each thread (`schedstat`), so it can be told apart from work.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// The run delay of some threads together. A system that does not count it shows none.
pub(crate) struct RunDelay(Vec<File>);

impl RunDelay {
    /// The delay of one thread of a process. The first one has the number of the process.
    pub(crate) fn of_thread(process: u32, thread: u32) -> Self {
        let file = File::open(format!("/proc/{process}/task/{thread}/schedstat"));
        Self(file.into_iter().collect())
    }

    /// The delay of all threads that a process has now, and of the thread that calls.
    pub(crate) fn between(process: u32) -> Self {
        // The name leads to the thread that opens it.
        let own = File::open("/proc/thread-self/schedstat");
        let mut files: Vec<File> = own.into_iter().collect();
        let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
        files.extend(threads.filter_map(|it| File::open(it.path().join("schedstat")).ok()));
        Self(files)
    }

    /// The delay so far, in microseconds.
    pub(crate) fn us(&self) -> u64 {
        self.sum_us(1)
    }

    /// The time for which the threads had a processor, in microseconds.
    pub(crate) fn worked_us(&self) -> u64 {
        self.sum_us(0)
    }

    /// The sum of one field, which is in nanoseconds.
    fn sum_us(&self, field: usize) -> u64 {
        let ns = |file: &File| -> Option<u64> {
            let mut buffer = [0; 96];
            let len = file.read_at(&mut buffer, 0).ok()?;
            core::str::from_utf8(&buffer[..len]).ok()?.split(' ').nth(field)?.parse().ok()
        };
        self.0.iter().filter_map(ns).sum::<u64>() / 1000
    }
}

/// The time that another system on the same machine took from all processors of this one, in milliseconds. No thread
/// counts it as a delay.
pub(crate) fn stolen_ms() -> u64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks = stat.lines().next().and_then(|line| line.split_whitespace().nth(8));
    let ticks: u64 = ticks.and_then(|ticks| ticks.parse().ok()).unwrap_or(0);
    ticks * 1000 / rustix::param::clock_ticks_per_second().max(1)
}
