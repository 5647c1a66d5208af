//! Going away in good order.
//!
//! ```text
//! drain()            window opens                    cut
//!   │ drain_accept_ms │ drain_window_ms │ drain_ms    │
//!   ├─ still accepts ─┼─ streams told ──┼─ the rest ──┤
//! ```

use sockeye_reactor::{Key, Net, Time};
use sockeye_sse::Event;
use sockeye_websocket::CloseCode;

use crate::connection::{Core, Room};
use crate::{App, CloseCause, Context, Server, StreamKey, held};

/// Connections taken out of the system's backlog before it is given up, at the most. It is about
/// what a system keeps there.
const BACKLOG_MAX: usize = 4096;

/// How far a drain is; before one, nothing is due.
pub(crate) struct Drain {
    /// When accepting ends; later, when it did.
    window_at: Time,
    /// Accepting has ended.
    is_open: bool,
    window_ms: u64,
    /// The streams to tell, in the order of telling.
    crowd: Vec<Key>,
    /// So many of them were told.
    told: usize,
    cut_at: Time,
}

impl Default for Drain {
    fn default() -> Self {
        let (window_at, cut_at) = (Time::NEVER, Time::NEVER);
        Self { window_at, is_open: false, window_ms: 0, crowd: Vec::new(), told: 0, cut_at }
    }
}

impl Drain {
    /// When something is due next. [server:drain-wakes]
    pub(crate) fn next(&self) -> Time {
        if self.is_open { self.turn_of(self.told).min(self.cut_at) } else { self.window_at }
    }

    /// When the stream of that number is told; the first one at once. [server:drain-even]
    fn turn_of(&self, number: usize) -> Time {
        if number >= self.crowd.len() {
            return Time::NEVER;
        }
        let ms = u128::from(self.window_ms) * number as u128 / self.crowd.len() as u128;
        self.window_at + u64::try_from(ms).unwrap_or(u64::MAX)
    }

    /// The next stream whose turn has come.
    fn next_told(&mut self, now: Time) -> Option<Key> {
        let due = self.turn_of(self.told) <= now;
        let key = self.crowd.get(self.told).copied().filter(|_| due)?;
        self.told += 1;
        Some(key)
    }
}

impl<N: Net, A: App> Server<N, A> {
    /// Begins to go away, in three steps.
    ///
    /// For [`Limits::drain_accept_ms`](crate::Limits::drain_accept_ms) everything goes on, so that
    /// whoever sends clients here can notice; but responses end their connections, and a stream that
    /// is opened is told at once. Then what waits in the backlog is accepted, the listening socket
    /// closed, kept connections are ended, and over
    /// [`Limits::drain_window_ms`](crate::Limits::drain_window_ms) the streams are told one by one,
    /// at an even rate and in scattered order: [`App::on_goodbye`]. Requests under way are answered
    /// and then their connections ended. What is left
    /// [`Limits::drain_ms`](crate::Limits::drain_ms) later is cut.
    ///
    /// Calling it again changes nothing.
    pub fn drain(&mut self) {
        if self.core.draining {
            return;
        }
        self.core.draining = true;
        self.core.tick(self.net.now(), self.net.unix_seconds());
        self.drain.window_at = self.core.now + self.core.limits.drain_accept_ms;
        self.drain.window_ms = self.core.limits.drain_window_ms;
        self.app.on_drain(&mut Context { core: &mut self.core });
        self.run_drain();
    }

    /// Cuts a drain short, or begins a short one: accepting ends now, every stream that was not told
    /// yet is told now, and what is left [`Limits::drain_ms`](crate::Limits::drain_ms) from now is
    /// cut.
    pub fn drain_now(&mut self) {
        self.drain();
        self.core.tick(self.net.now(), self.net.unix_seconds());
        let now = self.core.now;
        self.drain.window_at = self.drain.window_at.min(now);
        self.drain.window_ms = 0;
        self.drain.cut_at = self.drain.cut_at.min(now + self.core.limits.drain_ms);
        self.run_drain();
    }

    /// Whether a drain has begun.
    pub const fn is_draining(&self) -> bool {
        self.core.draining
    }

    /// Whether a drain has come to where nobody is accepted any more, and streams are told to go.
    pub const fn is_closing(&self) -> bool {
        self.drain.is_open
    }

    /// Whether a drain has begun, nobody is accepted any more, every connection is gone, and the
    /// application has heard of it.
    pub fn is_drained(&self) -> bool {
        self.drain.is_open && self.core.connections.is_empty() && self.core.closed.is_empty()
    }

    /// Does what is due of a drain.
    pub(crate) fn run_drain(&mut self) {
        let now = self.core.now;
        if !self.drain.is_open {
            // [server:drain-accepts]
            if self.drain.window_at > now {
                return;
            }
            self.accept_backlog();
            self.open_window();
        }
        while let Some(key) = self.drain.next_told(now) {
            dismiss(&mut self.core, &mut self.app, key);
        }
        if self.drain.cut_at <= now {
            self.drain.cut_at = Time::NEVER;
            let keys: Vec<Key> = self.core.connections.keys().collect();
            for key in keys {
                self.core.cut(key, CloseCause::Drained);
            }
        }
    }

    /// Whoever waits in the backlog has a connection already, and perhaps sent a request on it:
    /// closing the listening socket would reset it. [server:drain-backlog]
    fn accept_backlog(&mut self) {
        for _ in 0..BACKLOG_MAX {
            if self.core.connections.len() >= self.core.limits.connections_max {
                break;
            }
            // Without descriptors nothing more can be done for them.
            let Ok(Some(accepted)) = self.net.accept() else { break };
            self.admit(accepted);
        }
        self.net.stop_listening();
    }

    /// Ends kept connections and lines up the streams.
    fn open_window(&mut self) {
        let core = &mut self.core;
        let keys: Vec<Key> = core.connections.keys().collect();
        let mut crowd = Vec::new();
        for key in keys {
            let Some(connection) = core.connections.get_mut(key) else { continue };
            match &connection.room {
                Room::Http(room) if room.is_kept() => core.leave(key, CloseCause::Drained),
                _ if connection.is_streaming() => crowd.push(key),
                _ => {}
            }
        }
        // Neighbours in the slab came about the same time, often from the same place.
        crowd.sort_unstable_by_key(|key| scattered(*key));
        let drain = &mut self.drain;
        (drain.crowd, drain.is_open, drain.window_at) = (crowd, true, core.now);
        let cut_at = core.now + drain.window_ms + core.limits.drain_ms;
        drain.cut_at = drain.cut_at.min(cut_at);
    }
}

/// Tells the application that the turn of the stream on `key` has come, if one is open and it was
/// not told before.
pub(crate) fn dismiss<A: App>(core: &mut Core, app: &mut A, key: Key) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    if connection.is_streaming() && !connection.dismissed {
        connection.dismissed = true;
        let stream = StreamKey { socket: key, serial: connection.serial };
        app.on_goodbye(stream, &mut Context { core });
    }
}

/// Says goodbye on `stream`: 1001 on a WebSocket, a reconnection time and the end of the response on
/// an event stream, 503 to a request that is held; a tunnel just ends.
pub(crate) fn say_goodbye(core: &mut Core, stream: StreamKey) {
    let retry = retry_ms(core.limits.drain_retry_ms, stream.socket);
    let Some(connection) = core.stream(stream) else { return };
    match &mut connection.room {
        Room::Http(_) | Room::Leaving(_) | Room::Gone => {}
        // [rfc6455:7.4.1-going-away]
        Room::WebSocket(_) => {
            Context { core }.close(stream, CloseCode::GOING_AWAY, "");
        }
        // [html:9.2.6-drain-retry]
        Room::Events(_) => {
            let event = Event { retry_ms: Some(retry), ..Event::default() };
            let _ = Context { core }.write_block(stream, &event);
            Context { core }.close(stream, CloseCode::GOING_AWAY, "");
        }
        Room::Held(_) => held::give_up(core, stream.socket, CloseCause::Finished),
        Room::Tunnel(_) => core.leave(stream.socket, CloseCause::Finished),
    }
}

/// The wait told to one client of many: between `base` and twice that, spread by its key, so that
/// a crowd does not come back as one.
fn retry_ms(base: u32, key: Key) -> u64 {
    u64::from(base) + ((u64::from(base) * u64::from(scattered(key))) >> 32)
}

/// A number for a key, far from that of its neighbours: multiplying by an odd constant near 2^32/φ
/// scatters indices evenly.
fn scattered(key: Key) -> u32 {
    u32::try_from(key.index()).unwrap_or(0).wrapping_mul(0x9E37_79B1)
}
