//! Peers that mean no good, or do nothing: each has its way of being dealt with.

use sockeye_server::{CloseCause, Deadline, Limits};
use sockeye_simnet::{Peer, Random};

use crate::simulation::{Client, World};

/// Sends noise.
pub(crate) struct Garbage {
    peer: Peer,
    unsent: usize,
    over: bool,
}

impl Garbage {
    pub(crate) fn new(peer: Peer, random: &mut Random) -> Self {
        Self { peer, unsent: random.skewed(20_000), over: false }
    }
}

impl Client for Garbage {
    fn step(&mut self, random: &mut Random) {
        let mut bytes = vec![0; random.skewed(self.unsent)];
        random.fill(&mut bytes);
        self.unsent -= bytes.len();
        self.peer.write(&bytes);
        self.over |= self.peer.read(usize::MAX).is_none();
    }

    fn is_done(&self) -> bool {
        self.over || self.unsent == 0
    }

    fn wind_down(&mut self) {
        self.over |= self.peer.read(usize::MAX).is_none();
    }

    fn judge(&mut self, cause: Option<CloseCause>, _: World) {
        assert_eq!(cause, None, "noise opens no stream");
        assert!(self.over || self.peer.is_reset(), "the server did not let go");
    }
}

/// Begins a request and never finishes it.
pub(crate) struct Slowloris {
    peer: Peer,
    answer: Vec<u8>,
    over: bool,
}

impl Slowloris {
    pub(crate) fn new(peer: Peer) -> Self {
        Self { peer, answer: Vec::new(), over: false }
    }
}

impl Client for Slowloris {
    fn step(&mut self, random: &mut Random) {
        if self.answer.is_empty() && random.one_in(50) {
            self.peer.write(b"GET / HTTP/1.1\r\nX-Slow: "[..1].as_ref());
        }
        self.wind_down();
    }

    fn is_done(&self) -> bool {
        true
    }

    fn wind_down(&mut self) {
        match self.peer.read(usize::MAX) {
            Some(bytes) => self.answer.extend(bytes),
            None => self.over = true,
        }
    }

    fn judge(&mut self, cause: Option<CloseCause>, world: World) {
        assert_eq!(cause, None);
        assert!(self.over || self.peer.is_reset(), "the server did not let go");
        if world.calm && !self.answer.is_empty() {
            let known = self.answer.starts_with(b"HTTP/1.1 408 ")
                || self.answer.starts_with(b"HTTP/1.1 400 ");
            assert!(known, "{}", String::from_utf8_lossy(&self.answer));
        }
    }
}

/// Opens a WebSocket and falls silent: pings are never answered.
pub(crate) struct Silent {
    peer: Peer,
    opened: bool,
    over: bool,
}

const UPGRADE: &str = "HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

impl Silent {
    pub(crate) fn new(mut peer: Peer, id: usize) -> Self {
        peer.write(format!("GET /echo?{id} {UPGRADE}").as_bytes());
        Self { peer, opened: false, over: false }
    }
}

impl Client for Silent {
    fn step(&mut self, _: &mut Random) {
        self.wind_down();
    }

    fn is_done(&self) -> bool {
        self.opened || self.over
    }

    fn wind_down(&mut self) {
        match self.peer.read(usize::MAX) {
            Some(bytes) => self.opened |= !bytes.is_empty(),
            None => self.over = true,
        }
    }

    fn judge(&mut self, cause: Option<CloseCause>, world: World) {
        assert!(self.over || self.peer.is_reset(), "the server did not let go");
        if world.calm {
            let by_drain = cause == Some(CloseCause::Timeout(Deadline::Close)) && world.drained;
            let by_silence = cause == Some(CloseCause::Timeout(Deadline::Pong));
            assert!(by_drain || by_silence, "{cause:?}");
        }
    }
}

/// Asks for a lot and never reads more than the first byte of it.
pub(crate) struct Deaf {
    peer: Peer,
    /// The most that the server may read of us.
    taken_max: usize,
    asked: usize,
    opened: bool,
}

/// Messages that it asks to have echoed, and the size of each echo.
const ASKED: usize = 100;
const ECHO_BYTES: usize = 4 + 1000;

impl Deaf {
    /// `limits` are those of a server that keeps to them: one that says goodbye reads in order to
    /// discard.
    pub(crate) fn new(mut peer: Peer, id: usize, limits: Option<&Limits>) -> Self {
        let request = format!("GET /echo?{id} {UPGRADE}");
        peer.write(request.as_bytes());
        // What the socket takes, what may wait, and the read that went over the mark. Echoes are
        // a little shorter than what they answer.
        let taken_max = limits.map_or(usize::MAX, |limits| {
            let unread = peer.room() + limits.outbox_pause_bytes + limits.read_bytes;
            request.len() + unread + unread / 200 + 2 * ECHO_BYTES
        });
        Self { peer, taken_max, asked: 0, opened: false }
    }

    /// Whether everything that the server says fits into the socket: head, echoes, pings.
    fn fits(&mut self) -> Option<bool> {
        let echoes = ASKED * ECHO_BYTES;
        // A record may hold a single byte, and has a head of three.
        let most = if self.peer.is_sealed() { 5 * echoes + 10_000 } else { echoes + 1_000 };
        match self.peer.room() {
            room if room < echoes => Some(false),
            room if room > most => Some(true),
            _ => None,
        }
    }
}

impl Client for Deaf {
    fn step(&mut self, _: &mut Random) {
        if !self.opened {
            self.opened = self.peer.read(1).is_none_or(|bytes| !bytes.is_empty());
        } else if self.asked < ASKED {
            self.asked += 1;
            // A binary message of 1000 zero bytes under a zero key.
            let mut frame = vec![0x82, 0xFE, 0x03, 0xE8, 0, 0, 0, 0];
            frame.resize(8 + 1000, 0);
            self.peer.write(&frame);
        }
        let taken = self.peer.taken();
        assert!(
            taken <= self.taken_max as u64,
            "{taken} bytes are read of a peer that does not read"
        );
    }

    fn is_done(&self) -> bool {
        self.asked == ASKED
    }

    fn wind_down(&mut self) {}

    fn judge(&mut self, cause: Option<CloseCause>, world: World) {
        assert!(self.peer.is_closed() || self.peer.is_reset(), "the server did not let go");
        if world.calm {
            let cause = cause.expect("opened in a calm world");
            let fits = self.fits();
            let expected = match cause {
                CloseCause::Timeout(Deadline::Pong) => fits != Some(false),
                CloseCause::Timeout(Deadline::WriteStall) => fits != Some(true),
                // A drain may come before the socket is full.
                CloseCause::Timeout(Deadline::Close) => world.drained,
                CloseCause::Drained => world.drained && fits != Some(true),
                _ => false,
            };
            assert!(expected, "{cause:?}");
        }
    }
}
