//! Reads a process's processor time and memory from the system (Linux only).

use std::{fs, io};

/// A process that is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pid: u32,
}

/// The processor time in nanoseconds and the memory that a process has used up to a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// On a processor, all threads.
    pub cpu_ns: u64,
    /// Of that in the program itself, as far as ticks of the clock tell.
    pub user_ns: u64,
    /// And in the system.
    pub system_ns: u64,
    /// Pages that were touched for the first time.
    pub faults: u64,
    /// Memory that it occupies just now, in bytes.
    pub rss_bytes: u64,
}

impl Usage {
    /// The usage since `earlier`, with the memory of now.
    pub(super) const fn since(&self, earlier: &Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns.saturating_sub(earlier.cpu_ns),
            user_ns: self.user_ns.saturating_sub(earlier.user_ns),
            system_ns: self.system_ns.saturating_sub(earlier.system_ns),
            faults: self.faults.saturating_sub(earlier.faults),
            rss_bytes: self.rss_bytes,
        }
    }
}

impl Process {
    /// The process with this number.
    ///
    /// # Errors
    /// It is not there, or another user's.
    pub fn new(pid: u32) -> io::Result<Self> {
        let process = Self { pid };
        process.usage().map(|_| process)
    }

    /// This program.
    pub(super) fn own() -> Self {
        Self { pid: std::process::id() }
    }

    pub(super) const fn pid(self) -> u32 {
        self.pid
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// It has ended.
    pub fn usage(self) -> io::Result<Usage> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.pid))?;
        let mut usage = parse_stat(&stat).unwrap_or_default();
        let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
        usage.rss_bytes = pages.unwrap_or(0) * rustix::param::page_size() as u64;
        // Exact where the kernel counts it; else there are only ticks, a hundred a second.
        let exact = self.scheduled_ns();
        usage.cpu_ns = if exact > 0 { exact } else { usage.user_ns + usage.system_ns };
        Ok(usage)
    }

    /// Nanoseconds that its threads were on a processor.
    fn scheduled_ns(self) -> u64 {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.pid)) else { return 0 };
        let run = |path: std::path::PathBuf| {
            let text = fs::read_to_string(path).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        };
        threads.flatten().filter_map(|thread| run(thread.path().join("schedstat"))).sum()
    }
}

/// The fields behind the name, which may itself have spaces and parentheses.
fn parse_stat(stat: &str) -> Option<Usage> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let faults = fields.nth(7)?.parse().ok()?;
    let user: u64 = fields.nth(3)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let tick_ns = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
    let (user_ns, system_ns) = (user * tick_ns, system * tick_ns);
    Some(Usage { user_ns, system_ns, faults, ..Usage::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_system_is_read() {
        let tick_ns = 1_000_000_000 / rustix::param::clock_ticks_per_second();
        let line = "42 (a ) b) S 1 42 42 0 -1 4194304 777 0 3 0 12 5 0 0 20 0 1 0 100 0 0";
        let usage = parse_stat(line).expect("it has all fields");
        assert_eq!(
            (usage.faults, usage.user_ns, usage.system_ns),
            (777, 12 * tick_ns, 5 * tick_ns)
        );
        assert_eq!(parse_stat("42 (a) S 1"), None);
    }

    #[test]
    fn work_shows_in_our_own_usage() {
        let own = Process::own();
        let before = own.usage().expect("we are there");
        let mut after = before;
        while after.since(&before).cpu_ns == 0 {
            after = own.usage().expect("we are there");
        }
        assert!(after.rss_bytes > 0 && after.faults >= before.faults);
        assert!(Process::new(u32::MAX).is_err());
    }
}
