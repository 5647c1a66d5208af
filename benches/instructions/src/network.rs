//! The simulated network, whose own work is not counted: it stands for the system.

use std::io::{self, IoSlice};
use std::time::Duration;

use sockeye_reactor::{Accepted, Key, Net, Ready, Socket, Time};
use sockeye_simnet::{Faults, Peer, SimNet, SimSocket};

use crate::counting::aside;

/// Each connection has room for a random number of unread bytes up to this: always enough.
const ROOM_MAX: usize = 1 << 50;
const ROOM_MIN: usize = 1 << 26;

/// A network without faults, and the same each time.
pub(crate) struct Network(SimNet);

/// The server's end of a connection.
pub(crate) struct Line(SimSocket);

impl Network {
    pub(crate) fn new() -> Self {
        Self(SimNet::new(1, Faults::default(), ROOM_MAX))
    }

    /// A new peer, which waits to be accepted.
    pub(crate) fn connect(&self) -> Peer {
        let mut peer = self.0.connect().expect("it listens");
        assert!(peer.room() >= ROOM_MIN, "nothing is ever written in part");
        peer
    }

    pub(crate) fn advance(&self, ms: u64) {
        self.0.advance(ms);
    }
}

impl Net for Network {
    type Socket = Line;

    fn now(&self) -> Time {
        self.0.now()
    }

    fn unix_ms(&self) -> u64 {
        self.0.unix_ms()
    }

    fn poll(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        aside(|| self.0.poll(timeout, ready))
    }

    fn accept(&mut self) -> io::Result<Option<Accepted<Line>>> {
        let accepted = aside(|| self.0.accept());
        Ok(accepted?.map(|it| Accepted {
            socket: Line(it.socket),
            peer: it.peer,
            listener: it.listener,
        }))
    }

    fn accept_ready(&self) -> bool {
        self.0.accept_ready()
    }

    fn stop_listening(&mut self) {
        self.0.stop_listening();
    }

    fn register(&mut self, line: &mut Line, key: Key) -> io::Result<()> {
        aside(|| self.0.register(&mut line.0, key))
    }

    fn close(&mut self, line: Line) {
        aside(|| self.0.close(line.0));
    }
}

impl Socket for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        aside(|| self.0.read(buffer))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        aside(|| self.0.write(bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        aside(|| self.0.write_vectored(slices))
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        aside(|| self.0.shutdown_write())
    }
}
