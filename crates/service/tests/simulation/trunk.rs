//! Connections of HTTP/2 that the clients of a world share.
//!
//! The clients read and write in the form of HTTP/1.1. `Multiplex` of `sockeye-client` carries each of them on a lane:
//! a request is a stream.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use sockeye_client::Limits;
use sockeye_client::sans_io::{LaneEnd, LaneId, Multiplex};
use sockeye_reactor::Net as _;
use sockeye_simnet::{Peer, Random, SimNet};

use crate::simulation::totals::Totals;
use crate::simulation::wire;

/// A connection with its lanes.
pub(crate) struct Trunk {
    net: SimNet,
    peer: Peer,
    protocol: Multiplex,
    /// Bytes that it reads at a time, at the most.
    pace: usize,
    lanes: usize,
    /// It takes no further lanes.
    is_leaving: bool,
    is_over: bool,
}

impl Trunk {
    fn connect(net: &SimNet, random: &mut Random) -> Option<Self> {
        let peer = wire::connect(net)?;
        // A window that is smaller than an event has the server cut it.
        let window = [100, 2_000, 65_535, 1 << 18][random.below(4)];
        let mut limits = Limits::DEFAULT;
        limits.stream_window_bytes = window;
        let pace = [usize::MAX, usize::MAX, 500, 60][random.below(4)];
        let (protocol, net) = (Multiplex::new("http", &limits), net.clone());
        Some(Self { net, peer, protocol, pace, lanes: 0, is_leaving: false, is_over: false })
    }

    /// Moves bytes in both directions.
    fn pump(&mut self) {
        if self.is_over {
            return;
        }
        self.protocol.tell_time(self.net.now().as_millis());
        match self.peer.read(self.pace) {
            None => self.is_over = true,
            // The preface took too long, so the server does not know what the client speaks.
            Some(bytes) if bytes.starts_with(b"HTTP/1.1 408 ") => {
                self.is_over = true;
                self.peer.reset();
            }
            Some(mut bytes) => {
                let received = self.protocol.receive(&mut bytes);
                received.expect("the server keeps the rules of HTTP/2");
            }
        }
        self.flush();
    }

    fn flush(&mut self) {
        self.peer.write(self.protocol.out());
        self.protocol.out().clear();
        self.protocol.output_sent();
    }

    /// Says goodbye, and ends its direction.
    fn part(&mut self) {
        self.is_leaving = true;
        self.protocol.part();
        self.flush();
        self.peer.shutdown();
    }

    /// Something happens, or not.
    fn live(&mut self, is_calm: bool, random: &mut Random, totals: &mut Totals) {
        if is_calm || random.one_in(2) {
            self.pump();
        }
        if !is_calm && random.one_in(400) {
            totals.trunk_cuts += u64::from(self.lanes > 0);
            self.peer.reset();
        }
        if self.lanes == 0 && !self.is_leaving && random.one_in(6) {
            self.part();
        }
    }
}

/// A client's place on a connection.
pub(crate) struct Lane {
    trunk: Rc<RefCell<Trunk>>,
    id: LaneId,
    /// Bytes that the connection does not take yet.
    unsent: Vec<u8>,
}

impl Lane {
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
        self.send();
    }

    fn send(&mut self) {
        let trunk = &mut *self.trunk.borrow_mut();
        loop {
            let len = trunk.protocol.send(self.id, &self.unsent);
            if len == 0 {
                break;
            }
            self.unsent.drain(..len);
        }
        trunk.flush();
    }

    /// Reads up to `max` bytes into `to`. Returns false at the end.
    pub(crate) fn read(&mut self, max: usize, to: &mut Vec<u8>) -> bool {
        self.trunk.borrow_mut().pump();
        self.send();
        let trunk = &mut *self.trunk.borrow_mut();
        let input = trunk.protocol.input(self.id);
        let len = input.len().min(max);
        to.extend_from_slice(&input[..len]);
        trunk.protocol.took(self.id, len);
        trunk.flush();
        match trunk.protocol.take_end(self.id) {
            Some(LaneEnd::Http1(_)) => panic!("the server speaks HTTP/2"),
            Some(LaneEnd::Elsewhere(_)) => {
                trunk.is_leaving = true;
                false
            }
            Some(LaneEnd::Lost(_)) => false,
            None => !(trunk.is_over && trunk.protocol.input(self.id).is_empty()),
        }
    }

    /// From now on the connection reads all there is.
    pub(crate) fn hurry(&self) {
        self.trunk.borrow_mut().pace = usize::MAX;
    }

    /// Ends the lane.
    pub(crate) fn leave(self) {
        let trunk = &mut *self.trunk.borrow_mut();
        trunk.protocol.close_lane(self.id);
        trunk.lanes -= 1;
        trunk.flush();
    }
}

/// The connections to one server.
#[derive(Default)]
pub(crate) struct Trunks {
    is_calm: Cell<bool>,
    all: RefCell<Vec<Rc<RefCell<Trunk>>>>,
}

impl Trunks {
    /// A lane of a connection that is there, or of a new one; `None` once the server has stopped listening.
    pub(crate) fn open_lane(&self, net: &SimNet, random: &mut Random) -> Option<Lane> {
        let mut all = self.all.borrow_mut();
        all.retain(|trunk| !trunk.borrow().is_over);
        let is_open = |trunk: &&Rc<RefCell<Trunk>>| !trunk.borrow().is_leaving;
        let shared = if random.one_in(5) { None } else { all.iter().find(is_open).cloned() };
        let trunk = match shared {
            Some(trunk) => trunk,
            None => {
                let trunk = Rc::new(RefCell::new(Trunk::connect(net, random)?));
                all.push(Rc::clone(&trunk));
                trunk
            }
        };
        let id = trunk.borrow_mut().protocol.open_lane();
        trunk.borrow_mut().lanes += 1;
        Some(Lane { trunk, id, unsent: Vec::new() })
    }

    pub(crate) fn live(&self, random: &mut Random, totals: &mut Totals) {
        let mut all = self.all.borrow_mut();
        for trunk in &*all {
            let mut trunk = trunk.borrow_mut();
            trunk.live(self.is_calm.get(), random, totals);
            totals.shared_turns += u64::from(trunk.lanes > 1);
            totals.lanes_max = totals.lanes_max.max(trunk.lanes as u64);
        }
        all.retain(|trunk| !trunk.borrow().is_over);
    }

    /// No connection is slow or breaks from now on.
    pub(crate) fn calm_down(&self) {
        self.is_calm.set(true);
        self.all.borrow().iter().for_each(|trunk| trunk.borrow_mut().pace = usize::MAX);
    }
}
