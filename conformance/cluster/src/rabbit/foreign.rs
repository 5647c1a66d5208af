//! A foreign client: pika, in Python.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The interpreter that has pika.
pub(crate) static PYTHON: OnceLock<PathBuf> = OnceLock::new();

const SCRIPT: &str = include_str!("../../streams.py");

/// A client of one server.
#[derive(Clone)]
pub(crate) struct Foreign {
    /// The URL, with the login.
    pub(crate) url: String,
    /// The authorities that it trusts, with TLS.
    pub(crate) authorities: Option<PathBuf>,
}

impl Foreign {
    /// The numbers and the entries of a stream, from its first one on. Entries have to be lines.
    pub(crate) fn entries(&self, stream: &str) -> Vec<(u64, String)> {
        let text = self.run(&["read", stream], "");
        let entry = |line: &str| {
            let (offset, entry) = line.split_once(' ').expect("an offset");
            (offset.parse::<u64>().expect("an offset") + 1, entry.to_owned())
        };
        text.lines().map(entry).collect()
    }

    /// Publishes lines to a stream, as a stranger would.
    pub(crate) fn publish(&self, stream: &str, lines: &str) {
        self.run(&["write", stream], lines);
    }

    /// Publishes lasting messages to a queue, each a line: a header `channel`, a `message_id` or "-", and the content.
    /// To a queue of the kind `classic` they come all at once.
    pub(crate) fn send(&self, queue: &str, kind: &str, lines: &str) {
        self.run(&["send", queue, kind], lines);
    }

    /// Creates a queue with these arguments, in JSON.
    pub(crate) fn declare(&self, queue: &str, arguments: &str) {
        self.run(&["declare", queue, &format!("{{{arguments}}}")], "");
    }

    /// Deletes a queue; false if there was none.
    pub(crate) fn delete(&self, queue: &str) -> bool {
        self.run(&["delete", queue], "") == "yes\n"
    }

    /// Deletes a queue, and the exchange of its name.
    pub(crate) fn remove(&self, queue: &str) {
        self.run(&["remove", queue], "");
    }

    /// Whether there is a queue.
    pub(crate) fn has(&self, queue: &str) -> bool {
        self.run(&["has", queue], "") == "yes\n"
    }

    fn run(&self, arguments: &[&str], input: &str) -> String {
        let python = PYTHON.get().cloned().unwrap_or_else(|| "python3".into());
        let mut command = Command::new(python);
        command.args(["-c", SCRIPT]).args(arguments).env("SOCKEYE_RABBIT_URL", &self.url);
        command.envs(self.authorities.iter().map(|file| ("SOCKEYE_RABBIT_CACERT", file)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut client = command.spawn().expect("Python can be started");
        let mut stdin = client.stdin.take().expect("it is piped");
        // The client may end before it has read everything.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = client.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).expect("text")
    }
}
