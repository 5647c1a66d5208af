//! `sockeye subscribe` as a child, its lines as they come.
#![allow(unreachable_pub, reason = "shared by the files of one test")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::command_line::program::client_of;
use crate::common::{PATIENCE, Serving};

pub const TRANSPORTS: [&str; 5] = ["auto", "ws", "sse", "poll", "short-poll"];

/// Killed when dropped.
pub struct Subscriber {
    child: Child,
    lines: Receiver<String>,
}

impl Subscriber {
    pub fn start(serving: &Serving, args: &[&str]) -> Self {
        let mut command = client_of(serving, &["subscribe"]);
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (to, lines) = channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            while stdout.read_line(&mut line).is_ok_and(|len| len > 0) {
                if to.send(std::mem::take(&mut line)).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// The same, once it hears what is published.
    pub fn live(serving: &Serving, args: &[&str]) -> Self {
        let mut subscriber = Self::start(serving, args);
        let first = subscriber.next().expect("a line");
        assert_eq!(first["type"], "sync", "{args:?}: {first}");
        subscriber
    }

    /// The next line, which has to be JSON; `None` at the end.
    pub fn next(&mut self) -> Option<Value> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                assert!(line.ends_with('\n'), "a cut line: {line:?}");
                Some(serde_json::from_str(&line).expect(&line))
            }
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("nothing comes"),
        }
    }

    /// The next line of this type, which only syncs may precede.
    pub fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let line = self.next().expect("a line");
            if line["type"] == kind {
                return line;
            }
            assert_eq!(line["type"], "sync", "{line} instead of a {kind}");
        }
    }

    pub fn data(&mut self) -> Value {
        self.next_of("message")["data"].clone()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is our child");
    }

    /// Waits for the end; gives what it said on standard error.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            assert!(start.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(std::time::Duration::from_millis(2));
        };
        let mut stderr = String::new();
        let mut pipe = self.child.stderr.take().expect("piped");
        pipe.read_to_string(&mut stderr).expect("text");
        (status, stderr)
    }

    /// Waits for the end, which has to be a good and silent one, with nothing more on its output.
    pub fn wait_for_good_end(mut self) {
        while let Some(line) = self.next() {
            assert_eq!(line["type"], "sync", "{line}");
        }
        let (status, stderr) = self.wait();
        assert_eq!((status.code(), &*stderr), (Some(0), ""));
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
