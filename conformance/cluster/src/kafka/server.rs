//! A broker of our own: Tansu, which speaks Kafka's protocol and keeps topics in memory; and a foreign client.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use super::foreign::Foreign;
use crate::server::{LogServer, directory, free_port};

/// How long a server may take to answer.
const READY_MAX: Duration = Duration::from_secs(20);

/// The program.
pub(crate) static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// The foreign client, on kafka-python.
const SCRIPT: &str = include_str!("../../records.py");

/// The topic of a log, if its URL names none.
const LOG: &str = "sockeye";

/// A broker on a port of its own. It ends when it is dropped.
pub(crate) struct KafkaServer {
    pub(crate) port: u16,
    directory: PathBuf,
    process: Option<Child>,
}

impl KafkaServer {
    /// Starts a broker.
    pub(crate) fn start() -> Self {
        let mut server = Self { port: free_port(), directory: directory(), process: None };
        server.run();
        server
    }

    /// The number of its process.
    pub(crate) fn process_id(&self) -> String {
        self.process.as_ref().expect("it runs").id().to_string()
    }

    /// A foreign client of the protocol.
    pub(crate) fn client(&self) -> Foreign {
        Foreign::connect(&format!("127.0.0.1:{}", self.port)).expect("the server is there")
    }

    /// The numbers and the entries of the log, as the foreign client reads them. Entries have to be lines.
    pub(crate) fn entries(&self) -> Vec<(u64, String)> {
        let text = self.python("read", LOG, "");
        let entry = |line: &str| {
            let (offset, entry) = line.split_once(' ').expect("an offset");
            (offset.parse::<u64>().expect("an offset") + 1, entry.to_owned())
        };
        text.lines().map(entry).collect()
    }

    /// Appends lines to the log, as a stranger would.
    pub(crate) fn produce(&self, lines: &str) {
        self.python("write", LOG, lines);
    }

    /// Appends records to a topic as a producer does that compresses: a line `CODEC PARTITION KEY VALUE` for each.
    pub(crate) fn produce_packed(&self, topic: &str, lines: &str) {
        self.python("pack", topic, lines);
    }

    /// Runs the foreign client.
    fn python(&self, verb: &str, topic: &str, input: &str) -> String {
        let file = self.directory.join("input");
        fs::write(&file, input).expect("a file of our own");
        let mut command = Command::new(python());
        command.args(["-c", SCRIPT, &self.port.to_string(), verb, topic]);
        command.stdin(fs::File::open(&file).expect("a file of our own"));
        let output = command.output().expect("Python can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// Sends a signal, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let process = self.process_id();
        let sent = Command::new("kill").args(["-s", name, &process]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -s {name}");
    }
}

impl LogServer for KafkaServer {
    fn url(&self) -> String {
        format!("kafka://127.0.0.1:{}", self.port)
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // One that is stopped is killed as well.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    fn run(&mut self) {
        let url = format!("tcp://127.0.0.1:{}", self.port);
        let log = fs::File::options().create(true).append(true).open(self.directory.join("log"));
        let log = log.expect("a file of our own");
        let mut command = Command::new(PROGRAM.get().expect("there is a program"));
        command.args(["broker", "--listener-url", &url, "--advertised-listener-url", &url]);
        command.args(["--storage-engine", "memory://tansu/"]).stdin(Stdio::null());
        let process = command.stdout(Stdio::null()).stderr(log).spawn();
        self.process = Some(process.expect("tansu can be started"));
        let late = Instant::now() + READY_MAX;
        while Foreign::connect(&format!("127.0.0.1:{}", self.port)).is_none() {
            assert!(Instant::now() < late, "tansu at port {} does not answer", self.port);
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for KafkaServer {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The interpreter that has kafka-python: the one beside the broker, as the suite installs them.
fn python() -> PathBuf {
    let program = PROGRAM.get().expect("there is a program");
    let beside = program.with_file_name("python");
    if beside.exists() { beside } else { "python3".into() }
}
