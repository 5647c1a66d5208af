//! One connection and the state that all of them share.

use std::net::SocketAddr;

use sockeye_deflate::{Engine, Session};
use sockeye_http1::Date;
use sockeye_reactor::{Key, Outbox, Pool, Readiness, ReadyList, Slab, Time, Timer, Wheel};
use sockeye_websocket::{Assembler, CloseCode, Connection as Protocol};

use crate::events::EventsRoom;
use crate::held::HeldRoom;
use crate::http::HttpRoom;
use crate::tunnel::TunnelRoom;
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
    pub(crate) peer: SocketAddr,
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
    pub(crate) message_bytes_max: u64,
    /// Present while a message is under way that did not come whole.
    pub(crate) under_way: Option<Box<UnderWay>>,
    pub(crate) session: Option<Box<Session>>,
    /// What was read and has to wait for the next turn; rarely there.
    pub(crate) leftover: Option<Box<Leftover>>,
    /// When the unanswered ping was sent; `NEVER` without one.
    pub(crate) pinged: Time,
    /// Until when the peer may answer our Close, once that is out; `NEVER` while we have sent none.
    pub(crate) closing: Time,
    /// The code of our Close.
    pub(crate) closing_code: CloseCode,
}

/// Bytes that were read and not used yet.
pub(crate) struct Leftover {
    pub(crate) bytes: Vec<u8>,
    /// So many of them are used.
    pub(crate) used: usize,
}

/// A message that arrives in parts.
pub(crate) struct UnderWay {
    pub(crate) assembler: Assembler,
    /// When its first part came.
    pub(crate) since: Time,
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
    /// Connections to take down at the end of the turn.
    pub(crate) gone: Vec<Key>,
    /// Streams that are over and of which the application has not heard yet.
    pub(crate) closed: Vec<(StreamKey, CloseCause)>,
    /// Streams whose outbox has drained and whose application wants to know.
    pub(crate) drained: Vec<StreamKey>,
    /// Room for a message in parts, kept warm.
    pub(crate) spare: Option<Box<UnderWay>>,
    /// Room for compressed messages on their way out.
    pub(crate) scratch: Vec<u8>,
    pub(crate) draining: bool,
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
            peer,
        }
    }

    /// Whether what comes in can make us say more. If not, reading it costs the peer's silence
    /// nothing, and may bring its end.
    pub(crate) fn may_answer(&self) -> bool {
        match &self.room {
            Room::Http(_) | Room::Tunnel(_) => true,
            Room::WebSocket(room) => room.closing == Time::NEVER,
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
            Room::WebSocket(room) => room.closing == Time::NEVER,
            Room::Events(_) | Room::Held(_) | Room::Tunnel(_) => true,
            Room::Http(_) | Room::Leaving(_) | Room::Gone => false,
        }
    }

    /// Whether bytes are here that wait for a turn of their own: it needs no read.
    pub(crate) fn has_leftover(&self) -> bool {
        match &self.room {
            Room::Http(room) => room.has_leftover(),
            Room::WebSocket(room) => room.leftover.is_some(),
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
        if !connection.dirty {
            connection.dirty = true;
            self.dirty.push(key);
        }
        if connection.outbox.len() > self.limits.outbox_bytes_max {
            self.stats.overflows += 1;
            self.cut(key, CloseCause::Overflow);
        }
    }

    /// Whether more waits for the peer than it may leave unread while it asks for more.
    pub(crate) fn is_full(&self, key: Key) -> bool {
        let waiting = self.connections.get(key).map_or(0, |connection| connection.outbox.len());
        waiting > self.limits.outbox_pause_bytes
    }

    /// Lists `key` for the next flush if something waits there; gives the outbox's memory back if
    /// nothing does.
    pub(crate) fn settle(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.outbox.is_empty() {
            connection.outbox.clear(&mut self.pool);
        } else {
            self.touch(key);
        }
    }

    /// The stream on `key`, if one is open, is over for `cause`.
    pub(crate) fn end_stream(&mut self, key: Key, cause: CloseCause) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let (closed, kind, said) = match &connection.room {
            Room::WebSocket(room) => {
                let said = (room.closing != Time::NEVER).then_some(room.closing_code);
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

    /// A peer that does not take what it asked for may not ask for more.
    /// [rfc6455:10.4-bounded-output]
    pub(crate) fn pause_if_full(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let full = connection.outbox.len() > self.limits.outbox_pause_bytes;
        if full && connection.may_answer() && !connection.paused {
            connection.paused = true;
            self.stats.read_pauses += 1;
        }
    }

    /// Lists `key` for [`App::on_drained`](crate::App::on_drained) if that is waited for and the
    /// outbox has fallen far enough. [server:drained-once]
    pub(crate) fn notice_drained(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let low = connection.outbox.len() <= self.limits.outbox_refill_bytes;
        // [server:drained-news] Who asks again and sends nothing would otherwise be told in every
        // turn, and no turn would sleep.
        if low && !connection.told_drained && connection.notify == Notify::Waiting {
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
        if connection.has_leftover() && !connection.is_halted()
            || connection.readiness.readable() && connection.read_bytes_max(&self.limits) > 0
        {
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
