//! One connection and the state that all of them share.

use std::collections::HashMap;
use std::net::{SocketAddr, SocketAddrV6};

use sockeye_deflate::{Engine, Session};
use sockeye_http1::Date;
use sockeye_reactor::{
    Key, Outbox, Pool, PooledBytes, Readiness, ReadyList, Slab, Time, Timer, Wheel,
};
use sockeye_websocket::{CloseCode, Connection as Protocol};

use crate::events::EventsRoom;
use crate::held::HeldRoom;
use crate::http::HttpRoom;
use crate::tunnel::TunnelRoom;
use crate::under_way::UnderWay;
use crate::{CloseCause, Closes, Limits, Stats, StreamKey, StreamKind};

/// What is known of one connection; its socket lies beside it, so that this is no generic type.
pub(crate) struct Connection {
    pub(crate) room: Room,
    pub(crate) outbox: Outbox,
    pub(crate) readiness: Readiness,
    pub(crate) timer: Timer,
    /// When the last bytes came; the time of accepting before that.
    pub(crate) heard: Time,
    /// Since when the peer has taken none of the bytes that wait; `NEVER` while none wait.
    pub(crate) stalled: Time,
    /// Number of the stream that is open, or was open last, on this socket.
    pub(crate) serial: u32,
    /// Listed for the next flush.
    pub(crate) dirty: bool,
    /// Not read from until the outbox has drained.
    pub(crate) paused: bool,
    /// Until when the application does not want to hear from this stream; `NEVER` while it does.
    pub(crate) resting: Time,
    /// Whether the application wants to hear that the outbox has drained.
    pub(crate) notify: Notify,
    /// The application was told that it has, and nothing was written to the peer since.
    pub(crate) told_drained: bool,
    /// The server goes away and the stream's turn to hear of it has come.
    pub(crate) dismissed: bool,
    pub(crate) peer: Peer,
}

/// How far a wish for [`App::on_drained`](crate::App::on_drained) is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notify {
    /// There is none.
    No,
    /// The outbox is still over the mark.
    Waiting,
    /// It is in [`Core::drained`].
    Listed,
}

/// Where a connection is in its life. HTTP/2 will be one more room beside `Http`.
pub(crate) enum Room {
    /// Between requests, or inside one.
    Http(Box<HttpRoom>),
    WebSocket(WebSocketRoom),
    Events(EventsRoom),
    /// A request waits for its response.
    Held(Box<HeldRoom>),
    /// The application has taken over.
    Tunnel(TunnelRoom),
    /// Everything is said: flush, end our direction, discard input until the peer's end.
    Leaving(Leaving),
    /// To be taken down at the end of the turn.
    Gone,
}

pub(crate) struct WebSocketRoom {
    pub(crate) protocol: Protocol,
    /// Present while a message is under way that did not come whole.
    pub(crate) under_way: Option<Box<UnderWay>>,
    pub(crate) session: Option<Box<Session>>,
    /// Since when a pong is awaited, or until when a Close.
    pub(crate) awaits_at: Time,
    pub(crate) awaits: Awaits,
    /// Something in [`Core::leftovers`] was read here.
    pub(crate) has_leftover: bool,
}

/// What a WebSocket's peer has to answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Awaits {
    Nothing,
    /// A ping.
    Pong,
    /// Our Close, once it is out.
    Close(CloseCode),
}

/// Bytes that were read and not used yet.
pub(crate) struct Leftover {
    pub(crate) bytes: Vec<u8>,
    /// So many of them are used.
    pub(crate) used: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaving {
    /// Our direction is ended; the peer has until then to end its own.
    pub(crate) until: Time,
    pub(crate) discarded: u64,
    /// The peer's direction has ended.
    pub(crate) ended: bool,
}

/// All that connections share, and all that a [`Context`](crate::Context) may touch.
pub(crate) struct Core {
    pub(crate) connections: Slab<Connection>,
    pub(crate) pool: Pool,
    pub(crate) wheel: Wheel,
    pub(crate) limits: Limits,
    pub(crate) stats: Stats,
    pub(crate) closes: Closes,
    pub(crate) engine: Engine,
    pub(crate) now: Time,
    pub(crate) date: Date,
    pub(crate) unix_seconds: u64,
    /// Connections whose outbox changed since the last flush.
    pub(crate) dirty: Vec<Key>,
    /// Connections to visit in the next turn though the poller will not name them.
    pub(crate) again: ReadyList,
    /// What was read of WebSockets and has to wait for the next turn. Few have something here.
    pub(crate) leftovers: HashMap<Key, Leftover>,
    /// Connections to take down at the end of the turn.
    pub(crate) gone: Vec<Key>,
    /// Streams that are over and of which the application has not heard yet.
    pub(crate) closed: Vec<(StreamKey, CloseCause)>,
    /// Streams whose outbox has drained and whose application wants to know.
    pub(crate) drained: Vec<StreamKey>,
    /// Room for a message in parts, kept warm.
    pub(crate) spare: Option<Box<UnderWay>>,
    /// The large message that the application is looking at: who sends it gets it where it lies.
    pub(crate) delivered: Option<PooledBytes>,
    /// Room for compressed messages on their way out.
    pub(crate) scratch: Vec<u8>,
    pub(crate) draining: bool,
}

impl WebSocketRoom {
    /// Whether our Close is sent.
    pub(crate) const fn is_closing(&self) -> bool {
        match self.awaits {
            Awaits::Close(_) => true,
            Awaits::Nothing | Awaits::Pong => false,
        }
    }
}

/// A peer's address in 20 bytes instead of 32: a flow label, which nobody asks for, is left out, and a
/// scope is kept for the addresses that RFC 4291 gives one.
#[derive(Clone, Copy)]
pub(crate) enum Peer {
    V4 {
        ip: [u8; 4],
        port: u16,
    },
    V6 {
        ip: [u8; 16],
        port: u16,
    },
    /// In fe80::/64 (RFC 4291 §2.5.6), of which there is one on each link.
    LinkLocal {
        interface: [u8; 8],
        scope_id: [u8; 4],
        port: u16,
    },
}

/// The first half of every link-local address.
const LINK_LOCAL: [u8; 8] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0];

impl Peer {
    fn of(address: SocketAddr) -> Self {
        let port = address.port();
        match address {
            SocketAddr::V4(of) => Self::V4 { ip: of.ip().octets(), port },
            SocketAddr::V6(of) => {
                let ip = of.ip().octets();
                match ip.split_first_chunk() {
                    Some((&LINK_LOCAL, interface)) => Self::LinkLocal {
                        interface: interface.try_into().expect("the other half"),
                        scope_id: of.scope_id().to_ne_bytes(),
                        port,
                    },
                    Some(_) | None => Self::V6 { ip, port },
                }
            }
        }
    }

    pub(crate) fn address(self) -> SocketAddr {
        match self {
            Self::V4 { ip, port } => (ip, port).into(),
            Self::V6 { ip, port } => (ip, port).into(),
            Self::LinkLocal { interface, scope_id, port } => {
                let mut ip = [0; 16];
                let (network, rest) = ip.split_at_mut(LINK_LOCAL.len());
                network.copy_from_slice(&LINK_LOCAL);
                rest.copy_from_slice(&interface);
                SocketAddrV6::new(ip.into(), port, 0, u32::from_ne_bytes(scope_id)).into()
            }
        }
    }
}

impl Connection {
    pub(crate) fn new(peer: SocketAddr, now: Time) -> Self {
        let mut readiness = Readiness::default();
        // A fresh socket takes bytes; whether it has some, the poller will say.
        readiness.assume_writable();
        Self {
            room: Room::Http(Box::new(HttpRoom::new(now))),
            outbox: Outbox::new(),
            readiness,
            timer: Timer::default(),
            heard: now,
            stalled: Time::NEVER,
            serial: 0,
            dirty: false,
            paused: false,
            resting: Time::NEVER,
            notify: Notify::No,
            told_drained: false,
            dismissed: false,
            peer: Peer::of(peer),
        }
    }

    /// Lists it for the next flush; gives what waits for the peer, which the caller has to compare
    /// with its bound.
    #[inline]
    pub(crate) fn list(&mut self, key: Key, dirty: &mut Vec<Key>) -> usize {
        if !self.dirty {
            self.dirty = true;
            dirty.push(key);
        }
        self.outbox.len()
    }

    /// Lists it for the next flush if something waits there, as [`Connection::list`] does; gives the
    /// outbox's memory back if nothing does.
    #[inline]
    pub(crate) fn settle(&mut self, key: Key, pool: &mut Pool, dirty: &mut Vec<Key>) -> usize {
        if self.outbox.is_empty() {
            self.outbox.clear(pool);
            return 0;
        }
        self.list(key, dirty)
    }

    /// Whether something is to be done once the outbox is empty: usually nothing.
    #[inline]
    pub(crate) fn awaits_flush(&self) -> bool {
        let room = match &self.room {
            Room::WebSocket(room) => room.protocol.owes_reply(),
            Room::Leaving(_) => true,
            Room::Http(_) | Room::Events(_) | Room::Held(_) | Room::Tunnel(_) | Room::Gone => false,
        };
        room || self.paused || self.stalled != Time::NEVER || self.notify == Notify::Waiting
    }

    /// Whether a visit in the next turn would find something.
    #[inline]
    pub(crate) fn wants_visit(&self, limits: &Limits) -> bool {
        self.readiness.readable() && self.read_bytes_max(limits) > 0
            || self.has_leftover() && !self.is_halted()
    }

    /// Whether what comes in can make us say more. If not, reading it costs the peer's silence
    /// nothing, and may bring its end.
    pub(crate) fn may_answer(&self) -> bool {
        match &self.room {
            Room::Http(_) | Room::Tunnel(_) => true,
            Room::WebSocket(room) => !room.is_closing(),
            Room::Events(_) | Room::Held(_) | Room::Leaving(_) | Room::Gone => false,
        }
    }

    /// Whether nobody looks at what comes: its output waits, or the application wants a rest.
    pub(crate) fn is_halted(&self) -> bool {
        self.paused || self.resting != Time::NEVER
    }

    /// Whether a stream is open here, be it closing.
    pub(crate) fn has_stream(&self) -> bool {
        match &self.room {
            Room::WebSocket(_) | Room::Events(_) | Room::Held(_) | Room::Tunnel(_) => true,
            Room::Http(_) | Room::Leaving(_) | Room::Gone => false,
        }
    }

    /// Whether a stream is open here, and not closing.
    pub(crate) fn is_streaming(&self) -> bool {
        match &self.room {
            Room::WebSocket(room) => !room.is_closing(),
            Room::Events(_) | Room::Held(_) | Room::Tunnel(_) => true,
            Room::Http(_) | Room::Leaving(_) | Room::Gone => false,
        }
    }

    /// Whether bytes are here that wait for a turn of their own: it needs no read.
    pub(crate) fn has_leftover(&self) -> bool {
        match &self.room {
            Room::Http(room) => room.has_leftover(),
            Room::WebSocket(room) => room.has_leftover,
            Room::Events(_) | Room::Held(_) | Room::Tunnel(_) | Room::Leaving(_) | Room::Gone => {
                false
            }
        }
    }

    /// How many bytes it makes sense to read: nobody reads for a connection that is over, or for a
    /// peer that does not take what waits for it.
    pub(crate) fn read_bytes_max(&self, limits: &Limits) -> usize {
        if self.is_halted() || self.has_leftover() {
            return 0;
        }
        match &self.room {
            Room::Http(_) | Room::WebSocket(_) | Room::Events(_) | Room::Tunnel(_) => usize::MAX,
            // [server:hold-bounded]
            Room::Held(room) => limits.hold_bytes_max.saturating_sub(room.http.waiting()),
            Room::Leaving(leaving) => {
                if leaving.ended {
                    0
                } else {
                    usize::MAX
                }
            }
            Room::Gone => 0,
        }
    }
}

impl Core {
    /// The connection of an open stream.
    pub(crate) fn stream(&mut self, stream: StreamKey) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(stream.socket)?;
        (connection.serial == stream.serial).then_some(connection)
    }

    /// Lists `key` for the next flush, and cuts it if too much waits for a peer that does not read.
    pub(crate) fn touch(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.list(key, &mut self.dirty) > self.limits.outbox_bytes_max {
            self.overflow(key);
        }
    }

    /// Too much waits for a peer that does not read.
    #[cold]
    pub(crate) fn overflow(&mut self, key: Key) {
        self.stats.overflows += 1;
        self.cut(key, CloseCause::Overflow);
    }

    /// Lists `key` for the next flush if something waits there; gives the outbox's memory back if
    /// nothing does.
    pub(crate) fn settle(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let waiting = connection.settle(key, &mut self.pool, &mut self.dirty);
        if waiting > self.limits.outbox_bytes_max {
            self.overflow(key);
        }
    }

    /// The stream on `key`, if one is open, is over for `cause`.
    pub(crate) fn end_stream(&mut self, key: Key, cause: CloseCause) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let (closed, kind, said) = match &connection.room {
            Room::WebSocket(room) => {
                if room.has_leftover {
                    self.leftovers.remove(&key);
                }
                let said = match room.awaits {
                    Awaits::Close(code) => Some(code),
                    Awaits::Nothing | Awaits::Pong => None,
                };
                (&mut self.stats.websockets_closed, StreamKind::WebSocket, said)
            }
            Room::Events(room) => {
                let said = room.closing_code;
                (&mut self.stats.event_streams_closed, StreamKind::EventStream, said)
            }
            Room::Held(_) => (&mut self.stats.holds_closed, StreamKind::Held, None),
            Room::Tunnel(_) => (&mut self.stats.tunnels_closed, StreamKind::Tunnel, None),
            Room::Http(_) | Room::Leaving(_) | Room::Gone => return,
        };
        *closed += 1;
        self.closes.add(kind, cause, said);
        connection.notify = Notify::No;
        let stream = StreamKey { socket: key, serial: connection.serial };
        self.closed.push((stream, cause));
    }

    /// A stream begins on `key`.
    pub(crate) fn begin_stream(&mut self, key: Key, room: Room) -> Option<StreamKey> {
        let connection = self.connections.get_mut(key)?;
        connection.room = room;
        connection.serial = connection.serial.wrapping_add(1);
        connection.told_drained = false;
        let opened = match &connection.room {
            Room::WebSocket(_) => &mut self.stats.websockets_opened,
            Room::Events(_) => &mut self.stats.event_streams_opened,
            Room::Held(_) => &mut self.stats.holds_opened,
            Room::Tunnel(_) => &mut self.stats.tunnels_opened,
            Room::Http(_) | Room::Leaving(_) | Room::Gone => return None,
        };
        *opened += 1;
        Some(StreamKey { socket: key, serial: connection.serial })
    }

    /// Something was heard of `key`, or was to be: pauses it if it may not ask for more, lists it if
    /// there is more to hear, and sees to its deadline.
    ///
    /// A peer that does not take what it asked for may not ask for more.
    /// [rfc6455:10.4-bounded-output]
    ///
    /// Tells the bytes that wait for the flush.
    pub(crate) fn after_visit(&mut self, key: Key) -> usize {
        let Some(connection) = self.connections.get_mut(key) else { return 0 };
        let waiting = connection.outbox.len();
        let full = waiting > self.limits.outbox_pause_bytes;
        if full && connection.may_answer() && !connection.paused {
            connection.paused = true;
            self.stats.read_pauses += 1;
        }
        if connection.wants_visit(&self.limits) {
            self.again.add(key, &mut connection.readiness);
        }
        let (deadline, _) = connection.deadline(&self.limits);
        self.wheel.arm(&mut connection.timer, key, deadline);
        waiting
    }

    /// Lists `key` for [`App::on_drained`](crate::App::on_drained) if that is waited for and the
    /// outbox has fallen far enough. [server:drained-once]
    pub(crate) fn notice_drained(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.notify != Notify::Waiting {
            return;
        }
        let low = connection.outbox.len() <= self.limits.outbox_refill_bytes;
        // [server:drained-news] Who asks again and sends nothing would otherwise be told in every
        // turn, and no turn would sleep.
        if low && !connection.told_drained {
            connection.notify = Notify::Listed;
            self.drained.push(StreamKey { socket: key, serial: connection.serial });
        }
    }

    /// Whether the application is to be told that the outbox of `stream` has drained: it may have
    /// been filled again since, or the stream may be closing.
    pub(crate) fn take_notice(&mut self, stream: StreamKey) -> bool {
        let mark = self.limits.outbox_refill_bytes;
        let Some(connection) = self.stream(stream) else { return false };
        if connection.notify != Notify::Listed {
            return false;
        }
        let low = connection.outbox.len() <= mark;
        connection.notify = if low { Notify::No } else { Notify::Waiting };
        // [server:drained-open-only]
        if !connection.is_streaming() {
            connection.notify = Notify::No;
            return false;
        }
        connection.told_drained |= low;
        low
    }

    /// Nothing more will be said on `key` than what its outbox holds (RFC 6455 §7.1.1, and the
    /// same for HTTP): flush, end our direction, wait for the peer's end within bounds.
    pub(crate) fn leave(&mut self, key: Key, cause: CloseCause) {
        self.end_stream(key, cause);
        let Some(connection) = self.connections.get_mut(key) else { return };
        if matches!(connection.room, Room::Leaving(_) | Room::Gone) {
            return;
        }
        connection.room = Room::Leaving(Leaving { until: Time::NEVER, discarded: 0, ended: false });
        (connection.paused, connection.resting) = (false, Time::NEVER);
        self.touch(key);
        self.look_again(key);
    }

    /// Takes the connection down without another word.
    pub(crate) fn cut(&mut self, key: Key, cause: CloseCause) {
        self.end_stream(key, cause);
        let Some(connection) = self.connections.get_mut(key) else { return };
        if !matches!(connection.room, Room::Gone) {
            connection.room = Room::Gone;
            self.gone.push(key);
        }
    }

    /// Visits `key` in the next turn if it may still be read.
    pub(crate) fn look_again(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.wants_visit(&self.limits) {
            self.again.add(key, &mut connection.readiness);
        }
    }

    /// The application wants to hear from `key` again. The clocks that stood still go on.
    /// [server:pause-ends]
    pub(crate) fn resume(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.resting = Time::NEVER;
        if connection.stalled == Time::NEVER {
            connection.caught_up(self.now, &self.limits);
        }
        self.look_again(key);
    }

    /// Sees to it that the wheel names `key` by its deadline.
    pub(crate) fn arm(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let (deadline, _) = connection.deadline(&self.limits);
        self.wheel.arm(&mut connection.timer, key, deadline);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::{Connection, Peer};

    /// A crowd of idle connections is made of these.
    #[test]
    fn a_connection_is_small() {
        assert_eq!(size_of::<Connection>(), 224);
        assert_eq!(size_of::<Option<Connection>>(), size_of::<Connection>());
    }

    #[test]
    fn an_address_is_told_as_it_came() {
        let all = [
            "192.0.2.1:80",
            "[::ffff:192.0.2.1]:65535",
            "[2001:db8::1]:1",
            "[fe80::1:2:3:4%7]:9",
            "[fe80::1]:9",
            "[fe81::1]:9",
        ];
        for address in all.map(|text| text.parse::<SocketAddr>().expect("an address")) {
            assert_eq!(Peer::of(address).address(), address);
        }
    }
}
