//! The built program as a child, and a peer that talks to it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

pub mod child;
pub mod scripted;
pub mod tls;

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take before a test gives it up, on a machine that has much else to do.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What the program reads of its environment.
const ENVIRONMENT: [&str; 12] = [
    "SOCKEYE_BACKBONE",
    "SOCKEYE_BACKBONE_PASSWORD",
    "SOCKEYE_CERT",
    "SOCKEYE_CONFIG",
    "SOCKEYE_DATA",
    "SOCKEYE_DRAIN",
    "SOCKEYE_KEY",
    "SOCKEYE_LISTEN",
    "SOCKEYE_LOG",
    "SOCKEYE_LOG_FORMAT",
    "SOCKEYE_WORKERS",
    "RUST_LOG",
];

/// The program, with nothing of ours in its environment.
pub fn sockeye(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockeye"));
    command.args(args).stdin(Stdio::null());
    for name in ENVIRONMENT {
        command.env_remove(name);
    }
    // `SOCKEYE_TEST_WORKERS=4 cargo test -p sockeye` does all of this to servers with several loops.
    if let Ok(workers) = std::env::var("SOCKEYE_TEST_WORKERS") {
        command.env("SOCKEYE_WORKERS", workers);
    }
    command
}

/// Runs the program to its end, which comes at once.
pub fn run(args: &[&str]) -> Output {
    sockeye(args).output().expect("the program starts")
}

/// A server in a process of its own, killed when dropped.
pub struct Serving {
    pub child: Child,
    pub addr: SocketAddr,
    stdout: BufReader<ChildStdout>,
}

/// Starts a server and waits until it says where it listens.
pub fn serve(mut command: Command) -> Serving {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a line");
    let addr = line.trim().rsplit_once("://").expect("an address").1.parse();
    Serving { child, addr: addr.expect("an address"), stdout }
}

/// An address at which nobody listens, and which no connection takes for its own end meanwhile: each
/// process has its own address of the loopback network.
pub fn unused_addr() -> SocketAddr {
    static PORT: AtomicU16 = AtomicU16::new(9_000);
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let ip = Ipv4Addr::new(127, 64 | high, middle, low);
    (ip, PORT.fetch_add(1, Ordering::Relaxed)).into()
}

/// A server on a free port.
pub fn serve_anywhere() -> Serving {
    serve(sockeye(&["serve", "--listen", "127.0.0.1:0"]))
}

impl Serving {
    /// The next line that it prints behind its address.
    pub fn says(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("text");
        line
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it is our child");
    }

    /// Waits for the end of the process.
    pub fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn connect(&self) -> Peer {
        Peer::connect(self.addr)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Peer(BufReader<TcpStream>);

impl Peer {
    pub fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
        Self(BufReader::new(stream))
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).expect("the server takes it");
    }

    /// Asks for `target` with further header lines, each with its CRLF; gives the head.
    pub fn ask(&mut self, method: &str, target: &str, headers: &str) -> String {
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.0.read_line(&mut head).expect("text") > 0, "ended after {head:?}");
        }
        head
    }

    /// A whole response with a `Content-Length`.
    pub fn fetch(&mut self, method: &str, target: &str) -> (String, String) {
        let head = self.ask(method, target, "");
        let len = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let len = len.map_or(0, |len| len.parse().expect("a number"));
        let body = if method == "HEAD" { Vec::new() } else { self.read(len) };
        (head, String::from_utf8(body).expect("text"))
    }

    pub fn read(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.read_exact(&mut bytes).expect("more bytes");
        bytes
    }

    pub fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("text");
        line
    }

    pub fn read_to_end(&mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).expect("an orderly end");
        rest
    }
}

/// Reads once. A read that has a timeout may be interrupted, by a signal or where the machine pauses; that one
/// is repeated.
pub fn read_some(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
