//! The state that all connections of a server share; the start and end of connections and streams.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use sockeye_deflate::{Engine, EngineConfig, Gzip};
use sockeye_http::{Date, RequestHead};
use sockeye_http2::{self as http2, FieldBuffer, FieldReader};
use sockeye_reactor::{Key, Pool, PooledBytes, ReadyList, Slab, Time, UNIX_PEER, Wheel};

use crate::budget::Budget;
use crate::cause::CloseCause;
use crate::closes::Closes;
use crate::connection::{
    Connection, OpenStream, Phase, Rare, UNREAD_ANSWERS_MAX, find, life as connection_life,
};
use crate::hosts::HostsOfSockets;
use crate::key::{StreamIds, StreamKey};
use crate::leftover::Leftover;
use crate::limits::Limits;
use crate::listener::{Listener, Standing};
use crate::partial_message::PartialMessage;
use crate::send_error::SendError;
use crate::stats::Stats;
use crate::stream::{Kind, Notify, Stream, life as stream_life};
use crate::trunk::Branch;

/// The state that connections share, and that a [`Context`](crate::Context) may change.
pub(crate) struct Core {
    pub(crate) connections: Slab<Connection>,
    pub(crate) ids: StreamIds,
    /// The place of each branch, by the index of its key.
    pub(crate) branches: Vec<Option<Branch>>,
    /// How many there are.
    pub(crate) branch_count: usize,
    /// The parts that connections of HTTP/2 share; `None`: HTTP/2 is not spoken.
    pub(crate) http2: Option<Arc<http2::Config>>,
    /// The memory in which fields of HTTP/2 are decoded.
    pub(crate) fields: FieldReader<FieldBuffer>,
    pub(crate) pool: Pool,
    pub(crate) wheel: Wheel,
    pub(crate) limits: Limits,
    /// The hosts for which peers may ask.
    pub(crate) hosts: HostsOfSockets,
    /// The rules of each listener; those that are not here have the defaults.
    pub(crate) listeners: Vec<Listener>,
    pub(crate) stats: Stats,
    pub(crate) budget: Budget,
    pub(crate) closes: Closes,
    pub(crate) engine: Engine,
    pub(crate) gzip: Gzip,
    pub(crate) now: Time,
    pub(crate) date: Date,
    /// The calendar's time in milliseconds since 1970, as of this turn.
    pub(crate) unix_ms: u64,
    /// Connections whose outbox changed since the last flush.
    pub(crate) dirty: Vec<Key>,
    /// Connections to visit in the next turn although the poller will not report them.
    pub(crate) again: ReadyList,
    /// Bytes of streams that were read and wait for the next turn. Few streams have such bytes.
    pub(crate) leftovers: HashMap<StreamKey, Leftover>,
    /// The number of these bytes.
    pub(crate) leftover_bytes: usize,
    /// Connections to take down at the end of the turn.
    pub(crate) gone: VecDeque<Key>,
    /// Streams that are over, and whose end the application has not heard yet.
    pub(crate) closed: VecDeque<(StreamKey, CloseCause)>,
    /// Streams whose outbox has drained and whose application wants to know.
    pub(crate) drained: Vec<StreamKey>,
    /// Memory for a message in parts, kept warm.
    pub(crate) spare: Option<Box<PartialMessage>>,
    /// The large message that the application is looking at. If the application sends it on, the outbox
    /// refers to it.
    pub(crate) delivered: Option<PooledBytes>,
    /// Memory for compressed messages on their way out.
    pub(crate) scratch: Vec<u8>,
    pub(crate) draining: bool,
    /// Work of the application is left for the next turn.
    pub(crate) comes_back: bool,
    /// The least mark above which a connection may have to be paused.
    pub(crate) answers_mark: usize,
}

/// The parts that connections of HTTP/2 share under `limits`.
pub(crate) fn http2_config(limits: &Limits) -> Option<Arc<http2::Config>> {
    let connect_protocol = http2::ConnectProtocol::Accepted;
    limits.http2.map(|limits| Arc::new(http2::Config { limits, connect_protocol }))
}

impl Core {
    pub(crate) fn new(now: Time, unix_ms: u64, limits: Limits) -> Self {
        let answers_mark = UNREAD_ANSWERS_MAX.min(limits.outbox_pause_bytes);
        let gzip = limits.gzip;
        Self {
            connections: Slab::new(),
            ids: StreamIds::default(),
            branches: Vec::new(),
            branch_count: 0,
            http2: http2_config(&limits),
            fields: FieldReader::default(),
            pool: Pool::new(),
            wheel: Wheel::new(now),
            limits,
            hosts: HostsOfSockets::default(),
            listeners: Vec::new(),
            stats: Stats::default(),
            budget: Budget::default(),
            closes: Closes::default(),
            engine: Engine::new(EngineConfig::default()),
            gzip: Gzip::new(gzip),
            now,
            date: Date::from_unix(unix_ms / 1_000),
            unix_ms,
            dirty: Vec::new(),
            again: ReadyList::default(),
            leftovers: HashMap::new(),
            leftover_bytes: 0,
            gone: VecDeque::new(),
            closed: VecDeque::new(),
            drained: Vec::new(),
            spare: None,
            delivered: None,
            scratch: Vec::new(),
            draining: false,
            comes_back: false,
            answers_mark,
        }
    }

    /// The number of the listener of `key`, and the client of the request `head` there: the peer, or the
    /// address that trusted proxies name. From now on it is the connection's peer.
    #[inline]
    pub(crate) fn client(&mut self, key: Key, head: &RequestHead<'_, '_>) -> (usize, SocketAddr) {
        let Some(connection) = self.connections.get_mut(key) else { return (0, UNIX_PEER) };
        let number = connection.peer.listener();
        if connection.peer.standing() == Standing::Forwarding {
            let proxy = connection.proxy();
            let address = proxy.address().ip();
            let listener = self.listeners.get(number);
            let client = listener.map_or(address, |it| it.client(address, head));
            connection.peer = match client == address {
                true => proxy,
                false => proxy.at((client, 0).into()),
            };
        }
        (number, connection.peer.address())
    }

    /// Sets the time, and the `Date` of responses if the second has changed.
    pub(crate) fn tick(&mut self, now: Time, unix_ms: u64) {
        self.now = self.now.max(now);
        if unix_ms / 1_000 != self.unix_ms / 1_000 {
            self.date = Date::from_unix(unix_ms / 1_000);
        }
        self.unix_ms = unix_ms;
    }
}

/// Streams.
impl Core {
    /// Opens a stream of `kind` on the connection `key`.
    #[inline]
    pub(crate) fn begin_stream(&mut self, key: Key, kind: Kind) -> Option<StreamKey> {
        let connection = self.connections.get_mut(key)?;
        let Phase::Single(http) = &mut connection.phase else { return None };
        // On HTTP/1.1 other requests may follow a held request. Nothing follows any other stream.
        if !matches!(kind, Kind::Held(_)) {
            http.requests = None;
        }
        let id = self.ids.take();
        let stream = http.stream.insert(Stream::new(id, kind));
        let (opened, _) = self.stats.streams(stream.stream_kind());
        *opened += 1;
        Some(StreamKey::new(id, key))
    }

    /// The stream is over, and its last byte is in the outbox.
    pub(crate) fn finish_stream(&mut self, stream: StreamKey, cause: CloseCause) {
        let of_connection = connection_life::Input::Close;
        self.end_stream(stream, (stream_life::Input::Finish, of_connection), cause);
    }

    /// The stream is over without another byte.
    pub(crate) fn abort_stream(&mut self, stream: StreamKey, cause: CloseCause) {
        let of_connection = connection_life::Input::Abort;
        self.end_stream(stream, (stream_life::Input::Abort, of_connection), cause);
    }

    /// Ends the connection because its stream ends; no other place does. HTTP/1.1 wants it: a WebSocket
    /// or a tunnel has taken the connection over, and an event stream ends with it (RFC 9112 §6.3).
    /// A held request that is answered does not come here.
    fn end_stream(
        &mut self,
        stream: StreamKey,
        (of_stream, of_connection): (stream_life::Input, connection_life::Input),
        cause: CloseCause,
    ) {
        let Some(open) = find(&mut self.connections, stream) else { return };
        let (_, action) = stream_life::step(open.stream.life(), of_stream);
        if action == stream_life::Action::Report {
            let key = open.connection;
            self.step(key, of_connection, cause);
        }
    }

    /// Counts the end of the stream on `key`, if one is open, and lists it for the application. The
    /// caller takes the stream off its connection.
    pub(crate) fn report_end(&mut self, key: Key, cause: CloseCause) {
        let Some(connection) = self.connections.get(key) else { return };
        let Some(stream) = connection.stream() else { return };
        let ended = StreamKey::new(stream.id, key);
        let (kind, code) = (stream.stream_kind(), stream.closed_with());
        if stream.has_leftover {
            self.take_leftover(ended);
        }
        let (_, closed) = self.stats.streams(kind);
        *closed += 1;
        self.budget.pay_end();
        self.closes.add(kind, cause, code);
        self.closed.push_back((ended, cause));
    }

    /// How many bytes of `stream` wait for another turn.
    pub(crate) fn leftover_len(&self, stream: StreamKey) -> usize {
        self.leftovers.get(&stream).map_or(0, |leftover| leftover.bytes.len() - leftover.used)
    }

    /// Keeps bytes of `stream` for another turn.
    pub(crate) fn keep_leftover(&mut self, stream: StreamKey, leftover: Leftover) {
        self.leftover_bytes += leftover.bytes.len();
        self.leftovers.insert(stream, leftover);
    }

    /// Takes the bytes of `stream` that wait for another turn.
    pub(crate) fn take_leftover(&mut self, stream: StreamKey) -> Option<Leftover> {
        let leftover = self.leftovers.remove(&stream)?;
        self.leftover_bytes -= leftover.bytes.len();
        Some(leftover)
    }

    /// Aborts `stream` if more bytes wait for its peer than their bound allows.
    ///
    /// # Errors
    /// [`SendError::Full`] if it did.
    #[inline]
    pub(crate) fn check_bound(
        &mut self,
        stream: StreamKey,
        waiting: usize,
    ) -> Result<(), SendError> {
        let is_over = waiting > self.limits.outbox_bytes_max;
        if is_over { Err(self.overflow_stream(stream)) } else { Ok(()) }
    }

    #[cold]
    fn overflow_stream(&mut self, stream: StreamKey) -> SendError {
        self.stats.overflows += 1;
        self.abort_stream(stream, CloseCause::Overflow);
        SendError::Full
    }

    /// Lists `stream` for [`App::on_drained`](crate::App::on_drained) if the application waits for it and
    /// the outbox has fallen far enough. [server:drained-once]
    pub(crate) fn notice_drained(&mut self, stream: StreamKey) {
        let Some(open) = find(&mut self.connections, stream) else { return };
        if open.stream.notify != Notify::Waiting {
            return;
        }
        let low = open.outbox.len() <= self.limits.outbox_refill_bytes;
        // [server:drained-news] An application that asks again and sends nothing would otherwise be
        // told in every turn, and no turn would sleep.
        if low && !open.stream.told_drained {
            open.stream.notify = Notify::Listed;
            self.drained.push(stream);
        }
    }

    /// Whether the application is to be told that the outbox of `stream` has drained: it may have
    /// been filled again since, or the stream may be closing.
    pub(crate) fn take_notice(&mut self, stream: StreamKey) -> bool {
        let mark = self.limits.outbox_refill_bytes;
        let Some(OpenStream { stream, outbox, .. }) = find(&mut self.connections, stream) else {
            return false;
        };
        if stream.notify != Notify::Listed {
            return false;
        }
        let low = outbox.len() <= mark;
        if !stream.applies(stream_life::Input::AwaitDrained) {
            stream.notify = Notify::No;
            return false;
        }
        stream.notify = if low { Notify::No } else { Notify::Waiting };
        stream.told_drained |= low;
        low
    }

    /// Ends the pause of `stream`: its time is over, or the application ends it. The clocks that stood
    /// still start afresh. [server:pause-ends]
    pub(crate) fn resume(&mut self, stream: StreamKey) {
        let Some(open) = find(&mut self.connections, stream) else { return };
        open.stream.paused = Time::NEVER;
        let key = open.connection;
        if let Some(connection) = self.connections.get_mut(key)
            && !connection.is_stalled()
        {
            connection.caught_up(self.now, &self.limits);
        }
        self.look_again(key);
    }
}

/// Connections.
impl Core {
    /// Lists `key` for the next flush, and aborts it if too much waits for a peer that does not read.
    pub(crate) fn mark_dirty(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.mark_dirty(key, &mut self.dirty) > self.limits.outbox_bytes_max {
            self.overflow(key);
        }
    }

    /// Too much waits for a peer that does not read.
    #[cold]
    fn overflow(&mut self, key: Key) {
        self.stats.overflows += 1;
        self.abort(key, CloseCause::Overflow);
    }

    /// Ends a visit: lists the connection for the flush if bytes wait, for another visit if input waits,
    /// and arms its timer. Returns how many bytes wait for the flush.
    ///
    /// If too many bytes wait, the connection is not read from: a peer that does not take its answers
    /// may not ask for more. [rfc6455:10.4-bounded-output]
    pub(crate) fn after_visit(&mut self, key: Key) -> usize {
        let Some(connection) = self.connections.get_mut(key) else { return 0 };
        let waiting = connection.settle(key, &mut self.pool, &mut self.dirty);
        let may_be_much = waiting > self.answers_mark || !connection.readiness.writable();
        if may_be_much && waiting > connection.pause_bytes(&self.limits) {
            let is_gone = connection.life() == connection_life::State::Gone;
            if waiting > self.limits.outbox_bytes_max && !is_gone {
                self.overflow(key);
                return waiting;
            }
            if connection.may_answer() && !connection.backpressured {
                connection.backpressured = true;
                self.stats.read_pauses += 1;
            }
        }
        if connection.wants_visit(&self.limits) {
            self.again.add(key, &mut connection.readiness);
        }
        let (deadline, _) = connection.deadline(&self.limits);
        self.wheel.arm(&mut connection.timer, key, deadline);
        waiting
    }

    /// Closes `key` once its outbox is written: flush, end our direction, wait for the peer's end within
    /// bounds (RFC 6455 §7.1.1, and the same for HTTP).
    pub(crate) fn close_gracefully(&mut self, key: Key, cause: CloseCause) {
        self.step(key, connection_life::Input::Close, cause);
    }

    /// Takes the connection down without another byte.
    pub(crate) fn abort(&mut self, key: Key, cause: CloseCause) {
        self.step(key, connection_life::Input::Abort, cause);
    }

    /// Breaks `key` off, because its socket failed.
    #[cold]
    pub(crate) fn fail_socket(&mut self, key: Key, error: &io::Error) {
        let cause = CloseCause::of_failed_socket(error);
        self.stats.timeouts += u64::from(matches!(cause, CloseCause::Timeout(_)));
        self.abort(key, cause);
    }

    /// Closes `key` because the peer has ended its direction. A request in progress stays incomplete; an
    /// answer on its way is still delivered.
    pub(crate) fn peer_ended(&mut self, key: Key) {
        self.close_gracefully(key, CloseCause::Ended);
        self.step(key, connection_life::Input::PeerEnds, CloseCause::Ended);
    }

    /// Carries out the decision of the table about `input`. A connection that leaves `Open` carries
    /// nothing from here on, and a stream on it is over for `cause`.
    fn step(&mut self, key: Key, input: connection_life::Input, cause: CloseCause) {
        let Some(connection) = self.connections.get(key) else { return };
        let (state, action) = connection_life::step(connection.life(), input);
        let is_last = match action {
            connection_life::Action::Flush => false,
            connection_life::Action::Remove => true,
            // `server/out.rs` ends our direction, and `server/input.rs` has asked the request or stream.
            connection_life::Action::ShutDown
            | connection_life::Action::Ask
            | connection_life::Action::Ignore => return,
        };
        if connection.stream().is_some() {
            self.report_end(key, cause);
        } else if let Phase::Rare(Rare::Http2(trunk)) = &connection.phase {
            let branches: Vec<Key> = trunk.branches().collect();
            self.leftover_bytes -= trunk.leftover.as_ref().map_or(0, |it| it.bytes.len());
            self.stats.http2_connections_closed += 1;
            self.count_resets(key);
            // [server:http2-ends-streams]
            branches.into_iter().for_each(|branch| self.abort(branch, cause));
        } else {
            self.end_content(key);
        }
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.close_down(state);
        if is_last {
            return self.gone.push_back(key);
        }
        let waiting = connection.mark_dirty(key, &mut self.dirty);
        if waiting > self.limits.outbox_bytes_max {
            return self.overflow(key);
        }
        if connection.wants_visit(&self.limits) {
            self.again.add(key, &mut connection.readiness);
        }
    }

    /// Visits `key` in the next turn if it may still be read.
    pub(crate) fn look_again(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.wants_visit(&self.limits) {
            self.again.add(key, &mut connection.readiness);
        }
    }

    /// Reads `key` again, whatever waits for its peer.
    pub(crate) fn read_again(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.backpressured = false;
        }
        self.look_again(key);
    }

    /// Arms the wheel for the deadline of `key`.
    pub(crate) fn arm(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let (deadline, _) = connection.deadline(&self.limits);
        self.wheel.arm(&mut connection.timer, key, deadline);
    }
}
