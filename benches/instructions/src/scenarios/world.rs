//! A server on the simulated network, and its peers.

use std::time::Duration;

use sockeye_server::{App, Limits, Server};
use sockeye_simnet::Peer;

use crate::counting::counted;
use crate::network::Network;

/// Whatever a peer reads at once.
const READ_BYTES: usize = 1 << 24;

pub(super) struct World<A: App> {
    pub(super) server: Server<Network, A>,
}

impl<A: App> World<A> {
    pub(super) fn new(app: A) -> Self {
        Self { server: Server::new(Network::new(), app, Limits::default()) }
    }

    pub(super) fn connect(&self) -> Peer {
        self.server.net().connect()
    }

    /// A turn that waits for nothing, and further ones for what is above the budget of a turn.
    pub(super) fn turn(&mut self) {
        loop {
            self.server.turn(Some(Duration::ZERO)).expect("the poller never fails here");
            if !self.server.is_busy() {
                return;
            }
        }
    }

    /// The same, counted, and some time on the way to the next.
    pub(super) fn counted_turn(&mut self) {
        counted(|| self.turn());
        self.server.net().advance(1);
    }

    /// A turn behind so many others, counted; the first one is for what is made once.
    pub(super) fn turn_after(&mut self, turns: usize) {
        match turns {
            0 => self.turn(),
            _ => self.counted_turn(),
        }
    }

    /// `count` more peers that have asked `request`, and been told `answer`.
    pub(super) fn open(&mut self, count: usize, request: &[u8], answer: &[u8]) -> Vec<Peer> {
        let before = self.server.connections();
        let mut peers: Vec<_> = (0..count).map(|_| self.connect()).collect();
        while self.server.connections() < before + count {
            self.turn();
        }
        peers.iter_mut().for_each(|peer| peer.write(request));
        self.turn();
        for peer in &mut peers {
            let said = heard(peer);
            assert!(said.starts_with(answer), "{}", String::from_utf8_lossy(&said));
        }
        peers
    }
}

/// All that a peer can read now.
pub(super) fn heard(peer: &mut Peer) -> Vec<u8> {
    peer.read(READ_BYTES).expect("it is open")
}
