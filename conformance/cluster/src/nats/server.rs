//! A nats-server of our own: its process, its directory, and a foreign client for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use super::foreign::{Foreign, member};
use crate::server::{LogServer, directory, free_port};

/// How long a server may take to answer.
const READY_MAX: Duration = Duration::from_secs(20);

/// A newer program than the one of the system, for what that one cannot do.
pub(crate) static NEWER: OnceLock<PathBuf> = OnceLock::new();

/// A server on a port of its own. It ends when it is dropped.
pub(crate) struct NatsServer {
    program: PathBuf,
    pub(crate) port: u16,
    directory: PathBuf,
    process: Option<Child>,
    /// What its clients have to say besides.
    login: String,
    /// Whether it asks for TLS, which the foreign client has not.
    has_tls: bool,
}

impl NatsServer {
    /// Starts a server with JetStream.
    pub(crate) fn start() -> Self {
        Self::start_with("", "")
    }

    /// Starts a server with these settings besides, and members of `CONNECT` for its clients.
    pub(crate) fn start_with(settings: &str, login: &str) -> Self {
        let mut server = Self::prepare(free_port(), settings, login);
        server.run();
        server
    }

    /// Starts a server that speaks TLS only, with the certificates of a directory.
    pub(crate) fn start_tls(certificates: &Path) -> Self {
        let file = |name: &str| certificates.join(name).display().to_string();
        let (cert, key) = (file("server.pem"), file("server.key"));
        let tls = format!("tls {{ cert_file: \"{cert}\", key_file: \"{key}\" }}\n");
        let mut server = Self::prepare(free_port(), &tls, "");
        server.has_tls = true;
        server.run();
        server
    }

    /// A server that does not run yet.
    pub(crate) fn prepare(port: u16, settings: &str, login: &str) -> Self {
        let directory = directory();
        let names_jetstream = settings.contains("jetstream");
        let store = directory.join("store").display().to_string();
        let jetstream = if names_jetstream {
            String::new()
        } else {
            format!("jetstream {{ store_dir: \"{store}\" }}\n")
        };
        let settings = settings.replace("STORE", &store);
        let text = format!("listen: \"127.0.0.1:{port}\"\n{jetstream}{settings}");
        fs::write(directory.join("nats.conf"), text).expect("a file of our own");
        let program = "nats-server".into();
        Self { program, port, directory, process: None, login: login.into(), has_tls: false }
    }

    /// The same server, of the newer program.
    pub(crate) fn newer(mut self) -> Self {
        self.program = NEWER.get().expect("there is a newer nats-server").clone();
        self
    }

    /// Starts the process, again after a kill, without waiting.
    pub(crate) fn spawn(&mut self) {
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(self.directory.join("nats.conf")).stdin(Stdio::null());
        command.arg("-l").arg(self.directory.join("log"));
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.process = Some(process.expect("nats-server can be started (Debian: nats-server)"));
    }

    /// Waits until it answers.
    pub(crate) fn wait(&self) {
        let late = Instant::now() + READY_MAX;
        while !self.is_ready() {
            assert!(Instant::now() < late, "nats-server at port {} does not answer", self.port);
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn is_ready(&self) -> bool {
        if self.has_tls {
            return std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        }
        Foreign::connect(self.port, &self.login).is_some()
    }

    /// Whether it forgets a stream with copies when it starts again: before 2.9.18.
    pub(crate) fn is_too_old_for_copies(&self) -> bool {
        let client = self.client();
        let patch = client.version().strip_prefix("2.9.");
        patch.is_some_and(|patch| patch.parse::<u32>().expect("a release") < 18)
    }

    /// A foreign client.
    pub(crate) fn client(&self) -> Foreign {
        Foreign::connect(self.port, &self.login).expect("the server lets us in")
    }

    /// Asks for what JetStream has to do; panics on an error.
    pub(crate) fn api(&self, subject: &str, payload: &str) -> String {
        let answer = self.client().ask(&format!("$JS.API.{subject}"), payload);
        let answer = answer.expect("an answer");
        assert!(!answer.contains("\"error\""), "{subject}: {answer}");
        answer
    }

    /// Creates, or changes, a stream: the settings that the engine has, with these members instead.
    pub(crate) fn set_stream(&self, verb: &str, name: &str, members: &str) {
        let mut text = format!(
            "\"name\":\"{name}\",\"subjects\":[\"{name}.log.1\"],\"retention\":\"limits\",\"storage\":\"file\",\
             \"discard\":\"new\",\"num_replicas\":1,\"max_consumers\":-1,\"max_msgs\":-1,\"max_bytes\":-1,\"max_age\":0"
        );
        for member in members.split(';').filter(|member| !member.is_empty()) {
            let key = member.split(':').next().expect("a key");
            let had = text.split(',').find(|it| it.starts_with(key)).map(str::to_owned);
            text = match had {
                Some(had) => text.replace(&had, member),
                None => format!("{text},{member}"),
            };
        }
        self.api(&format!("STREAM.{verb}.{name}"), &format!("{{{text}}}"));
    }

    /// A number that the server tells of a stream; `None` if there is no such stream.
    pub(crate) fn told(&self, stream: &str, name: &str) -> Option<u64> {
        let answer = self.client().ask(&format!("$JS.API.STREAM.INFO.{stream}"), "")?;
        member(&answer, name)
    }

    /// Publishes to a stream, as a stranger would.
    pub(crate) fn publish(&self, stream: &str, text: &str) {
        let info = self.api(&format!("STREAM.INFO.{stream}"), "");
        let subject = info.split("\"subjects\":[\"").nth(1).and_then(|it| it.split('"').next());
        let ack = self.client().ask(subject.expect("a subject"), text).expect("an answer");
        assert!(member(&ack, "seq").is_some_and(|sequence| sequence > 0), "{ack}");
    }

    /// Sends a signal, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.process_id()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -s {name}");
    }

    /// The number of its process.
    pub(crate) fn process_id(&self) -> String {
        self.process.as_ref().expect("it runs").id().to_string()
    }
}

impl LogServer for NatsServer {
    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // One that is stopped is killed as well.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    fn run(&mut self) {
        self.spawn();
        self.wait();
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.directory);
    }
}
