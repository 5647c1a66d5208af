//! A RabbitMQ of our own: its process, its names, and its directory.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::foreign::Foreign;
use crate::server::{LogServer, directory, free_port};

/// How long a server may take to answer.
const READY_MAX: Duration = Duration::from_secs(60);

/// The programs of Debian's package, without the wrapper that asks for its user.
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";

/// How long a server has been ready before it is killed: a stream that is killed in the seconds after its creation never
/// comes back.
const AGE_MIN: Duration = Duration::from_secs(15);

/// The server that checks share which do nothing to it.
static SHARED: Mutex<Weak<Broker>> = Mutex::new(Weak::new());

/// The number of the next stream.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A stream on a server. The server ends when the last one is dropped.
pub(crate) struct RabbitServer {
    broker: Arc<Broker>,
    stream: String,
}

/// A server, and the daemon that knows its name. Both have ports of their own.
struct Broker {
    port: u16,
    epmd_port: u16,
    dist_port: u16,
    directory: PathBuf,
    has_tls: bool,
    epmd: Mutex<Child>,
    process: Mutex<Option<Child>>,
    /// When it was ready for the first time.
    ready: Mutex<Option<Instant>>,
}

impl RabbitServer {
    /// A stream of its own on the server that checks share.
    pub(crate) fn shared() -> Self {
        let mut shared = SHARED.lock().expect("no check panics while it has the lock");
        let broker = shared.upgrade().unwrap_or_else(|| Arc::new(Broker::start("", None)));
        *shared = Arc::downgrade(&broker);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { broker, stream: format!("log-{number}") }
    }

    /// A server with these settings besides.
    pub(crate) fn start_with(settings: &str) -> Self {
        Self { broker: Arc::new(Broker::start(settings, None)), stream: "sockeye".into() }
    }

    /// A server that speaks TLS only, with the certificates of a directory.
    pub(crate) fn start_tls(certificates: &Path) -> Self {
        let broker = Arc::new(Broker::start("", Some(certificates)));
        Self { broker, stream: "sockeye".into() }
    }

    pub(crate) fn port(&self) -> u16 {
        self.broker.port
    }

    /// The name of the stream.
    pub(crate) fn stream(&self) -> &str {
        &self.stream
    }

    /// The end of its URL.
    pub(crate) fn scope(&self) -> String {
        format!("?stream={}", self.stream)
    }

    /// A foreign client.
    pub(crate) fn client(&self) -> Foreign {
        let url = format!("amqp://127.0.0.1:{}", self.broker.port);
        Foreign { url, authorities: None }
    }

    /// Kills the server. Its streams may be too young to come back.
    pub(crate) fn kill_at_once(&self) {
        self.broker.kill();
    }

    /// Asks the server by `rabbitmqctl`; panics on an error. What it says.
    pub(crate) fn control(&self, arguments: &[&str]) -> String {
        let mut command = self.broker.command("rabbitmqctl");
        let output = command.args(arguments).output().expect("rabbitmqctl can be started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "rabbitmqctl {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Sends a signal, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        assert!(self.broker.signal(name), "kill -s {name}");
    }

    /// The number of its process: the child of the script that has started it.
    pub(crate) fn process_id(&self) -> String {
        let process = self.broker.process.lock().expect("no poison");
        let script = process.as_ref().expect("it runs").id();
        let children = fs::read_to_string(format!("/proc/{script}/task/{script}/children"));
        let children = children.expect("Linux");
        children.split_whitespace().next().map_or_else(|| script.to_string(), str::to_owned)
    }
}

impl Broker {
    fn start(settings: &str, certificates: Option<&Path>) -> Self {
        let directory = directory();
        let (port, epmd_port, dist_port) = (free_port(), free_port(), free_port());
        let mut epmd = Command::new("epmd");
        epmd.args(["-port", &epmd_port.to_string(), "-address", "127.0.0.1"]);
        epmd.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let epmd = epmd.spawn().expect("epmd can be started (Debian: rabbitmq-server)");
        let broker = Self {
            port,
            epmd_port,
            dist_port,
            directory,
            has_tls: certificates.is_some(),
            epmd: Mutex::new(epmd),
            process: Mutex::new(None),
            ready: Mutex::new(None),
        };
        broker.configure(settings, certificates);
        broker.run();
        *broker.ready.lock().expect("no poison") = Some(Instant::now());
        broker
    }

    fn configure(&self, settings: &str, certificates: Option<&Path>) {
        let listener = match certificates {
            None => format!("listeners.tcp.1 = 127.0.0.1:{}\n", self.port),
            Some(place) => {
                let file = |name: &str| place.join(name).display().to_string();
                format!(
                    "listeners.tcp = none\nlisteners.ssl.1 = 127.0.0.1:{}\nssl_options.certfile = {}\n\
                     ssl_options.keyfile = {}\nssl_options.cacertfile = {}\n",
                    self.port,
                    file("server.pem"),
                    file("server.key"),
                    file("ca.pem")
                )
            }
        };
        let settings = format!(
            "{listener}log.file.level = warning\nvm_memory_high_watermark.absolute = 1GB\n\
             disk_free_limit.absolute = 50MB\ndistribution.listener.interface = 127.0.0.1\n{settings}"
        );
        let write = |name: &str, text: &str| {
            fs::write(self.directory.join(name), text).expect("a file of our own");
        };
        write("rabbitmq.conf", &settings);
        write("plugins", "[].");
        // Nobody else may read it, or Erlang does not take it.
        write(".erlang.cookie", "sockeye");
        let cookie = self.directory.join(".erlang.cookie");
        fs::set_permissions(cookie, fs::Permissions::from_mode(0o400)).expect("a file of our own");
    }

    /// One of its programs, with its names, ports and files.
    fn command(&self, program: &str) -> Command {
        let file = |name: &str| self.directory.join(name).display().to_string();
        let mut command = Command::new(format!("{PROGRAMS}/{program}"));
        command
            .env("HOME", &self.directory)
            .env("LANG", "C.UTF-8")
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", self.epmd_port.to_string())
            .env("RABBITMQ_NODENAME", format!("check{}@localhost", self.port))
            .env("RABBITMQ_DIST_PORT", self.dist_port.to_string())
            .env("RABBITMQ_MNESIA_BASE", file("mnesia"))
            .env("RABBITMQ_LOG_BASE", file("log"))
            .env("RABBITMQ_CONFIG_FILE", file("rabbitmq.conf"))
            .env("RABBITMQ_GENERATED_CONFIG_DIR", file("generated"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", file("plugins"))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            // Threads that wait without sleeping take time from the checks beside it.
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
            );
        command.stdin(Stdio::null());
        command
    }

    fn run(&self) {
        let mut command = self.command("rabbitmq-server");
        let script = command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn();
        let script = script.expect("rabbitmq-server can be started (Debian: rabbitmq-server)");
        *self.process.lock().expect("no poison") = Some(script);
        let late = Instant::now() + READY_MAX;
        while !self.is_ready() {
            assert!(Instant::now() < late, "rabbitmq-server at port {} does not answer", self.port);
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn is_ready(&self) -> bool {
        use std::io::{Read as _, Write as _};

        let Ok(mut socket) = std::net::TcpStream::connect(("127.0.0.1", self.port)) else {
            return false;
        };
        if self.has_tls {
            return true;
        }
        let patience = Some(Duration::from_secs(1));
        socket.set_read_timeout(patience).expect("a time");
        socket.write_all(b"AMQP\0\0\x09\x01").is_ok() && socket.read_exact(&mut [0]).is_ok()
    }

    /// Sends a signal to the script and all that it has started.
    fn signal(&self, name: &str) -> bool {
        let process = self.process.lock().expect("no poison");
        let group = format!("-{}", process.as_ref().expect("it runs").id());
        let sent = Command::new("kill").args(["-s", name, "--", &group]).status();
        sent.is_ok_and(|status| status.success())
    }

    fn kill(&self) {
        if self.process.lock().expect("no poison").is_some() {
            self.signal("KILL");
        }
        if let Some(mut script) = self.process.lock().expect("no poison").take() {
            let _ = script.wait();
        }
    }
}

impl LogServer for RabbitServer {
    fn url(&self) -> String {
        format!("amqp://127.0.0.1:{}{}", self.broker.port, self.scope())
    }

    fn kill(&mut self) {
        let ready = self.broker.ready.lock().expect("no poison").expect("it was ready");
        thread::sleep(AGE_MIN.saturating_sub(ready.elapsed()));
        self.broker.kill();
    }

    fn run(&mut self) {
        self.broker.run();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
        let mut epmd = self.epmd.lock().expect("no poison");
        let _ = epmd.kill();
        let _ = epmd.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}
