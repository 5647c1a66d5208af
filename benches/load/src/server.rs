//! The servers: how one is started, where it is asked, and its process.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::pinned::{SERVER_CORE, on_core};

/// Every name that a scenario may use.
#[cfg(test)]
pub(crate) const NAMES: [&str; 29] = [
    "sockeye",
    "baseline",
    "plain",
    "bare",
    "bare-fanout",
    "uws",
    "uws-deflate",
    "nchan",
    "ws",
    "node",
    "better-sse",
    "tungstenite",
    "yawc",
    "yawc-deflate",
    "sockudo",
    "tokio-websockets",
    "fastwebsockets",
    "sockeye-tokio",
    "sockeye-axum",
    "axum",
    "tls",
    "nghttpd",
    "nghttpd-tls",
    "nginx",
    "nginx-tls",
    "node-h2",
    "node-tls",
    "uws-tls",
    "other",
];

/// How long a server may take until it answers.
const START_S: u64 = 10;

/// Where a server is asked for what; `{port}` stands for its port.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    /// Messages come back here.
    pub(crate) echo: Option<String>,
    /// Arguments of `sockeye bench fanout`.
    pub(crate) fanout: Vec<String>,
    /// Arguments of `sockeye bench sse`.
    pub(crate) events: Vec<String>,
    /// Something that answers a GET request over HTTP/1.1 without TLS.
    pub(crate) health: Option<String>,
    /// The URL of something that answers GET requests with "ok".
    pub(crate) get: Option<String>,
    /// The file with the authority of its certificate, if it speaks TLS.
    pub(crate) authority: Option<String>,
}

/// A server that is there.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    /// Its name in the table, with its version.
    pub(crate) label: String,
    /// Program and arguments, with `{port}`; empty for one that runs already.
    pub(crate) command: Vec<String>,
    pub(crate) places: Places,
    /// The process that works is a child of the one that is started.
    pub(crate) has_worker: bool,
    /// The process of one that runs already.
    pub(crate) pid: Option<u32>,
}

impl Server {
    pub(crate) fn new(name: &'static str, label: String, command: &[&str]) -> Self {
        Self {
            name,
            label,
            command: command.iter().map(|&part| part.to_owned()).collect(),
            places: Places::default(),
            has_worker: false,
            pid: None,
        }
    }

    /// Starts it on the servers' core and waits until it accepts connections.
    pub(crate) fn start(&self) -> io::Result<Running> {
        if let Some(pid) = self.pid {
            return Ok(Running { child: None, pid, port: 0 });
        }
        let port = free_port()?;
        let parts: Vec<String> = self.command.iter().map(|part| with_port(part, port)).collect();
        let mut command = Command::new(&parts[0]);
        command.args(&parts[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Ctrl-C is for us.
        command.process_group(0);
        let child = on_core(SERVER_CORE, || command.spawn())?;
        let mut running = Running { pid: child.id(), child: Some(child), port };
        running.wait_until_it_listens()?;
        if self.has_worker {
            running.pid = running.worker()?;
        }
        Ok(running)
    }
}

/// A server's process; ended when dropped.
pub(crate) struct Running {
    child: Option<Child>,
    /// The process that works.
    pub(crate) pid: u32,
    pub(crate) port: u16,
}

impl Running {
    fn wait_until_it_listens(&mut self) -> io::Result<()> {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let end = Instant::now() + Duration::from_secs(START_S);
        while TcpStream::connect(addr).is_err() {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().transpose())
            {
                return Err(io::Error::other(format!("it ended with {}", status?)));
            }
            if Instant::now() > end {
                return Err(io::Error::other("it does not listen"));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    fn worker(&self) -> io::Result<u32> {
        let path = format!("/proc/{}/task/{}/children", self.pid, self.pid);
        let end = Instant::now() + Duration::from_secs(START_S);
        loop {
            // It listens before its worker is there.
            let children = fs::read_to_string(&path)?;
            match children.split_whitespace().last().and_then(|pid| pid.parse().ok()) {
                Some(pid) => return Ok(pid),
                None if Instant::now() > end => return Err(io::Error::other("it has no worker")),
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        // It may have ended already. A master is asked, so that it ends its workers.
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let end = Instant::now() + Duration::from_secs(3);
        while Instant::now() < end {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Puts the port where it belongs.
pub(crate) fn with_port(text: &str, port: u16) -> String {
    text.replace("{port}", &port.to_string())
}

/// A port that nobody listens on just now.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
