//! One connection: its socket, its unsent bytes, and its parser.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::net::TcpStream;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use sockeye_deflate::Engine;
use sockeye_reactor::{Flushed, Outbox, Pool, Readiness, Shared, Socket};

use super::fault::Fault;
use super::opening::{Opener, Wire};
use super::wire::Ear;

/// Connections of one source address: fewer than there are ports for them.
const PER_SOURCE: usize = 8_000;

/// Where a connection's bytes go.
pub(super) struct Outlet<'c> {
    outbox: &'c mut Outbox,
    pool: &'c mut Pool,
}

impl<'c> Outlet<'c> {
    pub(super) const fn new(outbox: &'c mut Outbox, pool: &'c mut Pool) -> Self {
        Self { outbox, pool }
    }

    /// Where to append.
    #[inline]
    pub(super) fn tail(&mut self) -> &mut Vec<u8> {
        self.outbox.tail(self.pool)
    }

    /// Appends without copying.
    pub(super) fn push_shared(&mut self, bytes: &Shared) {
        self.outbox.push_shared(bytes, self.pool);
    }
}

pub(super) struct Connection {
    /// None once it has ended.
    pub(super) socket: Option<TcpStream>,
    pub(super) readiness: Readiness,
    outbox: Outbox,
    wire: Wire,
    /// Which opener it comes from.
    pub(super) opener: usize,
    pub(super) is_open: bool,
    /// It is on the list of those to be flushed.
    pub(super) is_dirty: bool,
}

impl Connection {
    /// Starts to connect; `number` chooses the source address where there is a choice.
    pub(super) fn new(
        opener: &Opener,
        at: usize,
        number: usize,
        pool: &mut Pool,
    ) -> Result<Self, Fault> {
        let socket = dial(opener.target.addr, number)?;
        let mut outbox = Outbox::new();
        let wire = opener.begin(outbox.tail(pool)).map_err(Fault::Http)?;
        let (readiness, is_open) = (Readiness::default(), false);
        Ok(Self {
            socket: Some(socket),
            readiness,
            outbox,
            wire,
            opener: at,
            is_open,
            is_dirty: false,
        })
    }

    /// Whether it is open as soon as it is connected.
    pub(super) const fn opens_unasked(&self) -> bool {
        matches!(self.wire, Wire::Answers(_) | Wire::Bare(_))
    }

    /// Whether it ends with a Close frame.
    pub(super) const fn is_websocket(&self) -> bool {
        matches!(self.wire, Wire::Frames(_))
    }

    pub(super) const fn outlet<'c>(&'c mut self, pool: &'c mut Pool) -> Outlet<'c> {
        Outlet::new(&mut self.outbox, pool)
    }

    /// Reads once into `buffer`.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        let Some(socket) = &mut self.socket else { return Ok(0) };
        match Socket::read(socket, buffer) {
            Ok(0) => Err(Fault::Ended),
            Ok(len) => {
                self.readiness.after_read(len, buffer.len(), socket);
                Ok(len)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readiness.after_read_blocked(socket);
                Ok(0)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Tells of everything in `input`.
    #[inline]
    pub(super) fn receive(
        &mut self,
        mut input: &mut [u8],
        opener: &Opener,
        engine: &mut Engine,
        pool: &mut Pool,
        hear: &mut impl Ear,
    ) -> Result<(), Fault> {
        if let Wire::Opening(opening) = &mut self.wire {
            let Some((wire, heard)) = opener.advance(opening, &mut input)? else { return Ok(()) };
            self.wire = wire;
            hear(heard)?;
        }
        let mut out = Outlet::new(&mut self.outbox, pool);
        match &mut self.wire {
            Wire::Frames(frames) => frames.receive(input, engine, &mut out, hear),
            Wire::Events(events) => events.receive(input, hear),
            Wire::Answers(answers) => answers.receive(input, hear),
            Wire::Bare(bare) => bare.receive(input, hear),
            // It was just taken out of there.
            Wire::Opening(_) => Ok(()),
        }
    }

    /// Writes what waits, as far as the socket takes it.
    #[inline]
    pub(super) fn flush(&mut self, pool: &mut Pool) -> Result<(), Fault> {
        let Some(socket) = &mut self.socket else { return Ok(()) };
        if !self.readiness.writable() {
            return Ok(());
        }
        if self.outbox.flush(socket, pool)? != Flushed::All {
            self.readiness.after_short_write();
        }
        Ok(())
    }

    /// Forgets what waits.
    pub(super) fn clear(&mut self, pool: &mut Pool) {
        self.outbox.clear(pool);
    }
}

/// Connects without waiting. Thousands of connections to a loopback address come from several, since one
/// has too few ports for them.
fn dial(addr: SocketAddr, number: usize) -> io::Result<TcpStream> {
    let group = u16::try_from(number / PER_SOURCE).unwrap_or(u16::MAX);
    let socket = match addr.ip() {
        IpAddr::V4(ip) if ip.is_loopback() && group > 0 && cfg!(target_os = "linux") => {
            let [high, low] = group.to_be_bytes();
            dial_from(Ipv4Addr::new(127, 1, high, low), addr)?
        }
        IpAddr::V4(_) | IpAddr::V6(_) => TcpStream::connect(addr)?,
    };
    socket.set_nodelay(true)?;
    Ok(socket)
}

fn dial_from(source: Ipv4Addr, addr: SocketAddr) -> io::Result<TcpStream> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    bind(&socket, &SocketAddr::from((source, 0)))?;
    match connect(&socket, &addr) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {
            Ok(TcpStream::from_std(std::net::TcpStream::from(socket)))
        }
        Err(error) => Err(error.into()),
    }
}
