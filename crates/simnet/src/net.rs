//! The simulated world: the server's network and clock on one side, peers on the other.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use sockeye_reactor::{Accepted, Key, Net, Ready, Socket, Time};

use crate::Random;
use crate::pipe::Pipe;

/// How unkind the world is: each number is "one in so many", zero is never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Bytes arrive one at a time instead of in pieces. Zero also switches the cutting into pieces
    /// off: all that is in flight arrives at once.
    pub one_byte: usize,
    /// A readiness report is kept back until a later poll, where it falls together with others.
    pub late_report: usize,
    /// A poll also reports a connection for no reason at all.
    pub spurious_report: usize,
    /// A connection breaks at a poll.
    pub reset: usize,
    /// Accepting fails as if the system were out of descriptors.
    pub no_descriptors: usize,
    /// Registering a socket fails.
    pub no_register: usize,
    /// The clock jumps ahead by up to a minute at a poll.
    pub clock_jump: usize,
}

/// The whole of a simulation, shared by the server's [`SimNet`] and the peers.
#[derive(Debug)]
pub struct World {
    now: Time,
    unix_ms: u64,
    random: Random,
    faults: Faults,
    pipes: Vec<Pipe>,
    /// Connections that wait to be accepted, and where they come from.
    backlog: VecDeque<(usize, IpAddr)>,
    listening: bool,
    room_max: usize,
    /// Connections speak in records.
    sealed: bool,
    /// The protocol that the handshake of records negotiates.
    protocol: &'static str,
    last_wait: Option<Duration>,
    last_reports: usize,
}

/// The server's network: give it to the server under test.
#[derive(Clone, Debug)]
pub struct SimNet(Rc<RefCell<World>>);

/// The server's end of a connection.
#[derive(Debug)]
pub struct SimSocket {
    world: Rc<RefCell<World>>,
    index: usize,
}

/// A peer's end of a connection.
#[derive(Debug)]
pub struct Peer {
    world: Rc<RefCell<World>>,
    index: usize,
}

impl SimNet {
    /// A world of `seed` with `faults`. Unread bytes towards a peer are bounded by a random number
    /// up to `room_max` for each connection, as socket buffers are.
    pub fn new(seed: u64, faults: Faults, room_max: usize) -> Self {
        let world = World {
            now: Time::from_millis(1_000),
            unix_ms: 1_700_000_000_000,
            random: Random::new(seed),
            faults,
            pipes: Vec::new(),
            backlog: VecDeque::new(),
            listening: true,
            room_max: room_max.max(1),
            sealed: false,
            protocol: "http/1.1",
            last_wait: None,
            last_reports: 0,
        };
        Self(Rc::new(RefCell::new(world)))
    }

    /// A new peer, which waits to be accepted; `None` once the server has stopped listening.
    pub fn connect(&self) -> Option<Peer> {
        self.connect_from(Ipv4Addr::LOCALHOST.into())
    }

    /// The same, from this address.
    pub fn connect_from(&self, address: IpAddr) -> Option<Peer> {
        let sealed = self.0.borrow().sealed;
        self.connect_as(sealed, address)
    }

    /// The same, but it speaks in no records, whatever the server expects.
    pub fn connect_unsealed(&self) -> Option<Peer> {
        self.connect_as(false, Ipv4Addr::LOCALHOST.into())
    }

    fn connect_as(&self, sealed: bool, address: IpAddr) -> Option<Peer> {
        let mut world = self.0.borrow_mut();
        if !world.listening {
            return None;
        }
        let room_max = world.room_max;
        let room = 1 + world.random.below(room_max);
        let index = world.pipes.len();
        let mut pipe = Pipe::new(room);
        if sealed {
            pipe.seal(Random::new(world.random.bits()), world.protocol);
        }
        world.pipes.push(pipe);
        world.backlog.push_back((index, address));
        Some(Peer { world: Rc::clone(&self.0), index })
    }

    /// Peers that connect from now on negotiate `protocol` (an ALPN name; empty for none), if they speak in
    /// records. The first ones negotiate `http/1.1`.
    pub fn negotiate(&self, protocol: &'static str) {
        self.0.borrow_mut().protocol = protocol;
    }

    /// Peers that connect from now on speak in records.
    pub(crate) fn seal(&self) {
        self.0.borrow_mut().sealed = true;
    }

    /// Moves the clock, and the calendar with it.
    pub fn advance(&self, ms: u64) {
        self.0.borrow_mut().advance(ms);
    }

    /// Sets the calendar ahead or back. The clock stays as it is.
    pub fn set_calendar(&self, by_ms: i64) {
        let mut world = self.0.borrow_mut();
        world.unix_ms = world.unix_ms.saturating_add_signed(by_ms);
    }

    /// No faults from now on: everything sent arrives at the next poll, every report is on time.
    pub fn calm_down(&self) {
        self.0.borrow_mut().faults = Faults::default();
    }

    /// How long the server was willing to wait in its last poll; `None`: for ever.
    pub fn last_wait(&self) -> Option<Duration> {
        self.0.borrow().last_wait
    }

    /// How many connections the last poll reported.
    pub fn last_reports(&self) -> usize {
        self.0.borrow().last_reports
    }

    /// Bytes that the server has read and written, over all connections.
    pub fn traffic(&self) -> (u64, u64) {
        let world = self.0.borrow();
        let sum = |(taken, given), pipe: &Pipe| (taken + pipe.taken, given + pipe.given);
        world.pipes.iter().fold((0, 0), sum)
    }

    /// Bytes that were written to the line, over all connections: on a [`SealedNet`](crate::SealedNet) more
    /// than the server wrote, and later.
    pub fn sent(&self) -> u64 {
        self.0.borrow().pipes.iter().map(|pipe| pipe.sent).sum()
    }

    /// Peers that wait to be accepted.
    pub fn waiting(&self) -> usize {
        self.0.borrow().backlog.len()
    }

    /// Connections whose server end is open.
    pub fn open(&self) -> usize {
        let world = self.0.borrow();
        world.pipes.iter().filter(|pipe| pipe.key.is_some() && !pipe.closed).count()
    }
}

impl World {
    fn advance(&mut self, ms: u64) {
        self.now = self.now + ms;
        self.unix_ms = self.unix_ms.saturating_add(ms);
    }

    /// Lets things happen that happen between two polls.
    fn live(&mut self) {
        if self.random.one_in(self.faults.clock_jump) {
            let ms = self.random.below(60_000) as u64;
            self.advance(ms);
        }
        for index in 0..self.pipes.len() {
            let Self { random, faults, pipes, .. } = self;
            let pipe = &mut pipes[index];
            if pipe.closed || pipe.reset {
                continue;
            }
            pipe.shake_hands();
            if random.one_in(faults.reset) {
                pipe.break_off();
            } else if !pipe.is_quiet() {
                let all = pipe.in_flight.len();
                let some = if random.one_in(faults.one_byte) { 1 } else { random.skewed(all) };
                // In a calm world everything arrives.
                pipe.deliver(if faults.one_byte == 0 { all } else { some });
            }
        }
    }

    fn report(&mut self, ready: &mut Vec<Ready>) {
        for pipe in &mut self.pipes {
            let Some(key) = pipe.key else { continue };
            if pipe.closed {
                continue;
            }
            let spurious = self.random.one_in(self.faults.spurious_report);
            if !spurious && self.random.one_in(self.faults.late_report) {
                continue;
            }
            let edges = core::mem::take(&mut pipe.edges);
            if edges.readable || edges.writable || spurious {
                let readable = edges.readable || spurious;
                let read_closed = readable && pipe.read_closed();
                let writable = edges.writable || spurious;
                ready.push(Ready { key, readable, writable, read_closed });
            }
        }
    }
}

impl Net for SimNet {
    type Socket = SimSocket;

    fn now(&self) -> Time {
        self.0.borrow().now
    }

    fn unix_ms(&self) -> u64 {
        self.0.borrow().unix_ms
    }

    fn poll(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        let mut world = self.0.borrow_mut();
        world.last_wait = timeout;
        if timeout != Some(Duration::ZERO) {
            let asleep = world.pipes.iter().position(Pipe::is_held_for_nothing);
            assert_eq!(asleep, None, "the server waits, and a socket holds output that would go");
        }
        world.live();
        world.report(ready);
        world.last_reports = ready.len();
        if ready.is_empty()
            && let Some(wait) = timeout
        {
            let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            world.advance(ms);
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<Option<Accepted<SimSocket>>> {
        let mut world = self.0.borrow_mut();
        let no_descriptors = world.faults.no_descriptors;
        if !world.backlog.is_empty() && world.random.one_in(no_descriptors) {
            return Err(io::Error::from_raw_os_error(24)); // EMFILE
        }
        let Some((index, address)) = world.backlog.pop_front() else { return Ok(None) };
        let port = u16::try_from(index % 60_000).unwrap_or(0) + 1024;
        let socket = SimSocket { world: Rc::clone(&self.0), index };
        Ok(Some(Accepted { socket, peer: (address, port).into(), listener: 0 }))
    }

    fn accept_ready(&self) -> bool {
        !self.0.borrow().backlog.is_empty()
    }

    fn stop_listening(&mut self) {
        let mut world = self.0.borrow_mut();
        world.listening = false;
        while let Some((index, _)) = world.backlog.pop_front() {
            world.pipes[index].break_off();
        }
    }

    fn register(&mut self, socket: &mut SimSocket, key: Key) -> io::Result<()> {
        let mut world = self.0.borrow_mut();
        let no_register = world.faults.no_register;
        if world.random.one_in(no_register) {
            return Err(io::Error::from_raw_os_error(28)); // ENOSPC
        }
        world.pipes[socket.index].key = Some(key);
        Ok(())
    }

    fn close(&mut self, socket: SimSocket) {
        self.0.borrow_mut().pipes[socket.index].close();
    }
}

impl SimSocket {
    /// What the simulation knows of the connection.
    pub(crate) fn with<T>(&mut self, call: impl FnOnce(&mut Pipe) -> T) -> T {
        let pipe = &mut self.world.borrow_mut().pipes[self.index];
        assert!(!pipe.closed, "a socket is used after it was given back");
        call(pipe)
    }

    /// A source of chance for whatever goes on above this socket.
    pub(crate) fn fork_random(&mut self) -> Random {
        Random::new(self.world.borrow_mut().random.bits())
    }
}

impl Socket for SimSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.with(|pipe| {
            let len = pipe.read(buffer)?;
            pipe.taken += len as u64;
            Ok(len)
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|pipe| {
            let len = pipe.write(bytes)?;
            pipe.given += len as u64;
            Ok(len)
        })
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.write(&bytes)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.with(Pipe::shutdown_write)
    }
}

impl Peer {
    fn with<T>(&mut self, call: impl FnOnce(&mut Pipe) -> T) -> T {
        call(&mut self.world.borrow_mut().pipes[self.index])
    }

    /// Sends bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        self.with(|pipe| pipe.peer_write(bytes));
    }

    /// Reads up to `max` bytes; empty when there are none now, `None` at the end of the server's
    /// stream or after a reset.
    pub fn read(&mut self, max: usize) -> Option<Vec<u8>> {
        self.with(|pipe| pipe.peer_read(max))
    }

    /// Ends the peer's direction, behind everything that it has sent.
    pub fn shutdown(&mut self) {
        self.with(Pipe::peer_shutdown);
    }

    /// Breaks the connection off.
    pub fn reset(&mut self) {
        self.with(Pipe::break_off);
    }

    /// Has the server's kernel give the peer up, because it acknowledges nothing.
    pub fn time_out(&mut self) {
        self.with(Pipe::time_out);
    }

    /// Bytes that the server has read from this peer.
    pub fn taken(&mut self) -> u64 {
        self.with(|pipe| pipe.taken)
    }

    /// How often the server has written to this peer, or tried to.
    pub fn writes(&mut self) -> u64 {
        self.with(|pipe| pipe.writes)
    }

    /// How many bytes the server may write that this peer has not read.
    pub fn room(&mut self) -> usize {
        self.with(|pipe| pipe.room)
    }

    /// Whether the connection speaks in records.
    pub fn is_sealed(&mut self) -> bool {
        self.with(|pipe| pipe.is_sealed())
    }

    /// Whether the server has ended its direction without the record that announces the end.
    pub fn is_truncated(&mut self) -> bool {
        self.with(|pipe| pipe.is_truncated())
    }

    /// Whether the connection was reset, by either side or by the world.
    pub fn is_reset(&mut self) -> bool {
        self.with(|pipe| pipe.reset)
    }

    /// Whether the server has closed its socket.
    pub fn is_closed(&mut self) -> bool {
        self.with(|pipe| pipe.closed)
    }
}
