//! A server in a process of its own, seen from outside.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::inputs::small_head;

/// A `sockeye serve` on a free port of the loopback interface; ended when dropped.
pub struct ServerProcess {
    child: Child,
    addr: SocketAddr,
    /// Kept open, so that whatever else it says finds somebody.
    _stdout: BufReader<ChildStdout>,
}

impl ServerProcess {
    /// Starts `program` and waits until it says where it listens.
    ///
    /// # Errors
    /// It does not start, or says something else.
    pub fn start(program: &Path) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--drain", "0"])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        stdout.read_line(&mut line)?;
        let addr = line.trim_end().rsplit_once("http://").and_then(|(_, addr)| addr.parse().ok());
        match addr {
            Some(addr) => Ok(Self { child, addr, _stdout: stdout }),
            None => {
                child.kill()?;
                child.wait()?;
                Err(io::Error::other(format!("it says {line:?}")))
            }
        }
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its resident memory in bytes.
    ///
    /// # Errors
    /// The system does not say.
    pub fn resident_bytes(&self) -> io::Result<u64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        number.map(|kib| kib * 1024).ok_or_else(|| io::Error::other("no Rss in smaps_rollup"))
    }

    /// The processor time that all its threads have used.
    ///
    /// # Errors
    /// The system does not say.
    pub fn cpu(&self) -> io::Result<Duration> {
        let mut ns = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let first = text.split(' ').next().and_then(|number| number.parse::<u64>().ok());
            ns += first.ok_or_else(|| io::Error::other("no number in schedstat"))?;
        }
        Ok(Duration::from_nanos(ns))
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Opens a WebSocket at `/echo`, without extensions.
///
/// # Errors
/// It cannot be opened.
pub fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    stream.write_all(&small_head("/echo"))?;
    let mut response = Vec::new();
    let mut part = [0; 1024];
    while !response.ends_with(b"\r\n\r\n") {
        match stream.read(&mut part)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            len => response.extend_from_slice(&part[..len]),
        }
    }
    let upgraded = response.starts_with(b"HTTP/1.1 101 ");
    if upgraded { Ok(stream) } else { Err(io::Error::other("no 101")) }
}
