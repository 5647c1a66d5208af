//! The program as a child that is given input, and asked what it said.
#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::sockeye;

/// Runs it with this as standard input.
pub fn run_with(args: &[&str], input: impl AsRef<[u8]>) -> Output {
    let mut command = sockeye(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.as_ref().to_vec();
    // It may end before it has read all.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("no panic");
    output
}

pub fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("text")
}

/// It succeeded, and this is what it printed.
pub fn good(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    text(&output.stdout)
}

/// It failed with this status and, at the end of standard error, these words.
pub fn bad<'o>(output: &'o Output, status: i32, words: &str) -> &'o str {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("sockeye: ") && last.contains(words), "{words}: {said}");
    text(&output.stdout)
}

/// A child whose lines are read as they come; killed when dropped.
pub struct Running {
    child: Child,
    pub stdout: BufReader<ChildStdout>,
}

impl Running {
    pub fn start(args: &[&str]) -> Self {
        let mut command = sockeye(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, stdout }
    }

    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("text");
        line
    }

    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is our child");
    }

    /// Waits for the end without reading what it prints.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("it ends")
    }

    /// Stops reading, and waits for the end.
    pub fn leave(self) -> Output {
        let Self { child, stdout } = self;
        drop(stdout);
        child.wait_with_output().expect("it ends")
    }
}
