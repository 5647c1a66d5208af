//! A redis-server of our own: its process, its directory, and a foreign client for it.

use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take to answer.
const READY_MAX: Duration = Duration::from_secs(20);

/// The number of the next directory.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A server that keeps a log.
pub(crate) trait LogServer {
    /// Its URL.
    fn url(&self) -> String;

    /// Ends the process with SIGKILL.
    fn kill(&mut self);

    /// Starts the process, again after [`kill`](Self::kill), and waits until it answers.
    fn run(&mut self);
}

/// A server on a port of its own. It ends when it is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    directory: PathBuf,
    arguments: Vec<String>,
    process: Option<Child>,
    /// What its clients need: a password, or TLS.
    client: Vec<String>,
}

impl Server {
    /// Starts a server with AOF, `appendfsync everysec` and these settings besides.
    pub(crate) fn start(settings: &[&str]) -> Self {
        Self::start_as(Kind::Plain, settings)
    }

    /// Starts a server that speaks TLS only, with the certificates of a directory.
    pub(crate) fn start_tls(certificates: &Path) -> Self {
        Self::start_as(Kind::Tls(certificates), &[])
    }

    fn start_as(kind: Kind<'_>, settings: &[&str]) -> Self {
        let port = free_port();
        let directory = directory();
        let mut arguments: Vec<String> =
            ["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]
                .into_iter()
                .chain([
                    "--appendfsync",
                    "everysec",
                    "--loglevel",
                    "notice",
                    "--repl-diskless-sync-delay",
                    "0",
                ])
                .map(String::from)
                .collect();
        let mut client = vec!["-p".to_owned(), port.to_string()];
        match kind {
            Kind::Plain => arguments.extend(["--port".to_owned(), port.to_string()]),
            Kind::Tls(certificates) => {
                let file = |name: &str| certificates.join(name).display().to_string();
                arguments.extend(["--port", "0", "--tls-port"].map(String::from));
                arguments.push(port.to_string());
                for (option, name) in
                    [("cert", "server.pem"), ("key", "server.key"), ("ca-cert", "ca.pem")]
                {
                    arguments.extend([format!("--tls-{option}-file"), file(name)]);
                }
                arguments.extend(["--tls-auth-clients", "no"].map(String::from));
                client.extend(["--tls".to_owned(), "--cacert".to_owned(), file("ca.pem")]);
            }
        }
        arguments.extend(settings.iter().copied().map(String::from));
        let mut server = Self { port, directory, arguments, process: None, client };
        if let Some(at) = settings.iter().position(|setting| *setting == "--requirepass") {
            server.client.extend([
                "--no-auth-warning".to_owned(),
                "-a".to_owned(),
                settings[at + 1].to_owned(),
            ]);
        }
        server.start_process();
        server
    }

    /// Starts the process, and waits until it answers.
    fn start_process(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.directory.join("log"));
        let log = log.expect("a file of our own");
        let mut command = Command::new("redis-server");
        command.args(&self.arguments).arg("--dir").arg(&self.directory).stdin(Stdio::null());
        let process = command.stdout(log).stderr(Stdio::null()).spawn();
        self.process = Some(process.expect("redis-server can be started (Debian: redis-server)"));
        let late = Instant::now() + READY_MAX;
        while self.ask(&["PING"]) != "PONG" {
            assert!(Instant::now() < late, "redis-server at port {} does not answer", self.port);
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks the server by redis-cli. An error comes as its text.
    pub(crate) fn ask(&self, words: &[&str]) -> String {
        let output = Command::new("redis-cli").args(&self.client).args(words).output();
        let output = output.expect("redis-cli can be started (Debian: redis-tools)");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Asks for what has to be answered with OK.
    pub(crate) fn set(&self, words: &[&str]) {
        assert_eq!(self.ask(words), "OK", "{words:?}");
    }

    /// The identifiers and the entries of a stream, as redis-cli reads them. Entries have to be lines.
    pub(crate) fn entries(&self, key: &str) -> Vec<(String, String)> {
        let text = self.ask(&["XRANGE", key, "-", "+"]);
        let lines: Vec<&str> = text.lines().collect();
        lines.chunks(3).map(|entry| (entry[0].to_owned(), entry[2].to_owned())).collect()
    }

    /// Cuts the end off the file that the server appends to, as a disk does that has lost what it was given last.
    pub(crate) fn lose_on_disk(&self, bytes: u64) {
        assert!(self.process.is_none(), "it does not run");
        let files = fs::read_dir(self.directory.join("appendonlydir")).expect("the server has AOF");
        let newest = files.map(|file| file.expect("a file").path());
        let newest = newest.filter(|path| path.to_string_lossy().ends_with(".incr.aof")).max();
        let file = fs::File::options()
            .write(true)
            .open(newest.expect("a file of increments"))
            .expect("a file");
        let length = file.metadata().expect("a file").len();
        file.set_len(length.checked_sub(bytes).expect("it is longer")).expect("a file of our own");
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

impl LogServer for Server {
    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // One that is stopped is killed as well.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    fn run(&mut self) {
        self.start_process();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[derive(Clone, Copy)]
enum Kind<'p> {
    Plain,
    Tls(&'p Path),
}

/// A Sentinel that watches one primary.
pub(crate) struct Sentinel {
    pub(crate) port: u16,
    directory: PathBuf,
    process: Child,
}

impl Sentinel {
    /// Starts a Sentinel that promotes a replica alone, after half a second.
    pub(crate) fn start(name: &str, primary: u16) -> Self {
        let port = free_port();
        let directory = directory();
        let file = directory.join("sentinel.conf");
        let mut config = fs::File::create(&file).expect("a file of our own");
        write!(
            config,
            "bind 127.0.0.1\nport {port}\ndir {}\nsentinel monitor {name} 127.0.0.1 {primary} 1\n\
             sentinel down-after-milliseconds {name} 500\nsentinel failover-timeout {name} 5000\n",
            directory.display()
        )
        .expect("a file of our own");
        let process = Command::new("redis-server")
            .arg(&file)
            .arg("--sentinel")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server can be started");
        let late = Instant::now() + READY_MAX;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < late, "the Sentinel does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        Self { port, directory, process }
    }

    /// Asks it by redis-cli.
    pub(crate) fn ask(&self, words: &[&str]) -> String {
        let output =
            Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(words).output();
        String::from_utf8_lossy(&output.expect("redis-cli can be started").stdout)
            .trim_end()
            .to_owned()
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A directory of our own.
pub(crate) fn directory() -> PathBuf {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let directory =
        std::env::temp_dir().join(format!("sockeye-cluster-{}-{number}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory of our own");
    directory
}

/// The first of the ports that checks get, and how many there are. Systems give none of these to whoever asks for any port.
const PORTS: (u32, u32) = (12_000, 20_000);

/// A port of the loopback that nobody listens at. No other check gets it, even while its server is down.
pub(crate) fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Suites that run beside this one begin elsewhere.
    let begin = std::process::id().wrapping_mul(2_003);
    let ports = std::iter::repeat_with(|| {
        let number = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        u16::try_from(PORTS.0 + number % PORTS.1).expect("below 65,536")
    });
    let mut ports = ports.take(PORTS.1 as usize);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}
