//! The sockets of all clients, on one poller.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use mio::net::TcpStream as Stream;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};
use sockeye_reactor::{Key, MioNet, Net, Ready, Slab, Socket};

/// How a socket differs from the usual one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ways {
    /// The address it comes from; the system's choice if there is none.
    pub(crate) source: Option<Ipv4Addr>,
    /// Bytes that the system may keep for a reader that does not read.
    pub(crate) receive_bytes: Option<usize>,
}

/// One socket.
struct Line {
    socket: Stream,
    /// The client that owns it.
    owner: usize,
    /// What is not sent yet.
    out: Vec<u8>,
    writable: bool,
    /// Reads are left alone.
    paused: bool,
    /// A read may bring something.
    readable: bool,
    /// The peer's end may lie behind what is read next.
    end_ahead: bool,
}

/// The result of a read.
pub(crate) enum Read {
    Bytes(usize),
    /// The peer's end; `true` if it was a reset or the connection never came to be.
    End(bool),
    Nothing,
}

pub(crate) struct Lines {
    net: MioNet,
    slab: Slab<Line>,
    ready: Vec<Ready>,
    again: Vec<Key>,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Connections that are not established yet.
    pub(crate) connecting: usize,
}

impl Lines {
    pub(crate) fn new() -> io::Result<Self> {
        let (ready, again) = (Vec::new(), Vec::new());
        let (net, slab) = (MioNet::new()?, Slab::new());
        Ok(Self { net, slab, ready, again, sent: 0, received: 0, connecting: 0 })
    }

    /// Starts to connect; an error shows in the first read.
    pub(crate) fn connect(
        &mut self,
        addr: SocketAddr,
        owner: usize,
        ways: Ways,
    ) -> io::Result<Key> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        if let Some(bytes) = ways.receive_bytes {
            sockopt::set_socket_recv_buffer_size(&socket, bytes)?;
        }
        if let Some(source) = ways.source {
            bind(&socket, &SocketAddr::from((source, 0)))?;
        }
        match connect(&socket, &addr) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let socket = Stream::from_std(TcpStream::from(socket));
        socket.set_nodelay(true)?;
        let (out, flags) = (Vec::new(), false);
        let line = Line {
            socket,
            owner,
            out,
            writable: flags,
            paused: flags,
            readable: flags,
            end_ahead: flags,
        };
        let key = self.slab.insert(line);
        let line = self.slab.get_mut(key).expect("it was inserted");
        self.net.register(&mut line.socket, key)?;
        self.connecting += 1;
        Ok(key)
    }

    /// Waits, writes what can be written now, and gives those to read.
    pub(crate) fn wait(
        &mut self,
        timeout: Duration,
        readable: &mut Vec<(Key, usize)>,
    ) -> io::Result<()> {
        let timeout = if self.again.is_empty() { timeout } else { Duration::ZERO };
        self.net.poll(Some(timeout), &mut self.ready)?;
        let mut keys = core::mem::take(&mut self.again);
        let ready = core::mem::take(&mut self.ready);
        for ready in &ready {
            let Some(line) = self.slab.get_mut(ready.key) else { continue };
            line.readable |= ready.readable;
            line.end_ahead |= ready.read_closed;
            if ready.writable && !line.writable {
                line.writable = true;
                self.connecting -= 1;
            }
            if ready.writable {
                self.flush(ready.key);
            }
            if ready.readable || ready.read_closed {
                keys.push(ready.key);
            }
        }
        self.ready = ready;
        self.ready.clear();
        for key in keys.drain(..) {
            let Some(line) = self.slab.get(key) else { continue };
            if !line.paused {
                readable.push((key, line.owner));
            }
        }
        self.again = keys;
        Ok(())
    }

    /// Reads once. What is left is reported again.
    pub(crate) fn read(&mut self, key: Key, buffer: &mut [u8]) -> Read {
        let Some(line) = self.slab.get_mut(key) else { return Read::Nothing };
        match Socket::read(&mut line.socket, buffer) {
            Ok(0) => Read::End(false),
            Ok(len) => {
                self.received += len as u64;
                if len == buffer.len() || line.end_ahead {
                    self.again.push(key);
                } else {
                    line.readable = false;
                }
                Read::Bytes(len)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                line.readable = false;
                Read::Nothing
            }
            Err(_) => Read::End(true),
        }
    }

    /// Sends, as soon as the socket takes it.
    pub(crate) fn send(&mut self, key: Key, bytes: &[u8]) {
        let Some(line) = self.slab.get_mut(key) else { return };
        line.out.extend_from_slice(bytes);
        if line.writable {
            self.flush(key);
        }
    }

    /// Bytes that the socket did not take yet.
    pub(crate) fn unsent(&self, key: Key) -> usize {
        self.slab.get(key).map_or(0, |line| line.out.len())
    }

    fn flush(&mut self, key: Key) {
        let Some(line) = self.slab.get_mut(key) else { return };
        while !line.out.is_empty() {
            match Socket::write(&mut line.socket, &line.out) {
                Ok(len) => {
                    self.sent += len as u64;
                    line.out.drain(..len);
                }
                // The next writability tells; an end shows in a read.
                Err(_) => return,
            }
        }
        if line.out.capacity() > 4096 {
            line.out = Vec::new();
        }
    }

    /// Reads no more from a socket, or goes on to.
    pub(crate) fn pause(&mut self, key: Key, paused: bool) {
        let Some(line) = self.slab.get_mut(key) else { return };
        line.paused = paused;
        if !paused && (line.readable || line.end_ahead) {
            self.again.push(key);
        }
    }

    pub(crate) fn close(&mut self, key: Key) {
        let Some(line) = self.slab.remove(key) else { return };
        self.connecting -= usize::from(!line.writable);
        self.net.close(line.socket);
    }

    /// Closes with a reset.
    pub(crate) fn reset(&mut self, key: Key) {
        if let Some(line) = self.slab.get(key) {
            let _ = sockopt::set_socket_linger(&line.socket, Some(Duration::ZERO));
        }
        self.close(key);
    }
}
