//! System calls of a process, counted by `strace`.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the tracer may take to begin and to end.
const PATIENCE_S: u64 = 10;

/// How often each call was made.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Trace {
    calls: Vec<(String, u64)>,
}

/// A tracer at work.
pub(crate) struct Tracer {
    child: Child,
    file: PathBuf,
}

impl Trace {
    /// Begins to count the calls of all threads of a process.
    pub(crate) fn attach(pid: u32) -> Result<Tracer, String> {
        let file = std::env::temp_dir().join(format!("sockeye-load-{}-strace", std::process::id()));
        let mut command = Command::new("strace");
        command.args(["-f", "-c", "-o"]).arg(&file).args(["-p", &pid.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("strace: {error}"))?;
        let mut tracer = Tracer { child, file };
        let end = Instant::now() + Duration::from_secs(PATIENCE_S);
        while !is_traced(pid) {
            if Instant::now() > end || !matches!(tracer.child.try_wait(), Ok(None)) {
                return Err("strace may not look at it".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(tracer)
    }

    /// Reads the table that `strace -c` writes.
    fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // % time, seconds, usecs/call, calls, and errors only where there were some.
            let is_row = matches!(fields.len(), 5 | 6) && fields[0].parse::<f64>().is_ok();
            let name = fields.last().filter(|_| is_row)?;
            let count = fields[3].parse().ok()?;
            (*name != "total").then(|| ((*name).to_owned(), count))
        };
        Self { calls: text.lines().filter_map(line).collect() }
    }

    /// All calls.
    pub(crate) fn total(&self) -> u64 {
        self.calls.iter().map(|(_, count)| count).sum()
    }

    /// Those that write to sockets.
    pub(crate) fn writes(&self) -> u64 {
        const WRITES: [&str; 5] = ["write", "writev", "sendto", "sendmsg", "sendmmsg"];
        let is_write = |name: &str| WRITES.contains(&name);
        self.calls.iter().filter(|(name, _)| is_write(name)).map(|(_, count)| count).sum()
    }
}

impl Tracer {
    /// Ends the tracer and returns its counts.
    pub(crate) fn finish(mut self) -> Result<Trace, String> {
        self.interrupt();
        let end = Instant::now() + Duration::from_secs(PATIENCE_S);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        let text = fs::read_to_string(&self.file).map_err(|error| format!("strace: {error}"))?;
        let trace = Trace::parse(&text);
        if trace.calls.is_empty() { Err("strace counted nothing".into()) } else { Ok(trace) }
    }

    fn interrupt(&self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        // It may have ended with the process that it looks at.
        let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::INT));
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.interrupt();
            let _ = self.child.wait();
        }
        let _ = fs::remove_file(&self.file);
    }
}

fn is_traced(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|tracer| tracer.trim() != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_strace_is_read() {
        let text = "% time     seconds  usecs/call     calls    errors syscall\n\
            ------ ----------- ----------- --------- --------- ----------------\n \
            50.27    0.100000           3     29112           sendto\n \
            49.10    0.090000           3     29176        64 recvfrom\n  \
            0.63    0.001000           1      1094           epoll_wait\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
            100.00    0.191000           3     59382        64 total\n";
        let trace = Trace::parse(text);
        assert_eq!((trace.total(), trace.writes()), (59_382, 29_112));
        assert_eq!(Trace::parse("strace: nothing"), Trace::default());
    }
}
