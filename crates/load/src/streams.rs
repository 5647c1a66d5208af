//! The connections of a load that speak HTTP/2, and the lines on their streams.

use std::rc::Rc;
use std::sync::Arc;

use sockeye_http2::{Config, Event, FieldBuffer, FieldReader, StreamId};
use sockeye_reactor::{Net as _, Pool};
use sockeye_tls::Protocol;

use super::connection::{Connection, SocketOptions};
use super::fault::Fault;
use super::line::{Line, Place};
use super::load::{Lines, Listener};
use super::opening::Opener;
use super::trunk::{self, Trunk};
use super::wire::Heard;

/// Marks the number of a connection that carries streams where lines have numbers, too.
pub(super) const TRUNK: usize = 1 << 31;

/// All connections that carry streams.
pub(super) struct Streams {
    /// By number; `None` once it has ended, and while it is visited.
    trunks: Vec<Option<Box<Trunk>>>,
    /// The connections to be flushed.
    dirty: Vec<usize>,
    reader: FieldReader<FieldBuffer>,
    config: Arc<Config>,
}

impl Default for Streams {
    fn default() -> Self {
        let reader = FieldReader::new(FieldBuffer::new());
        Self {
            trunks: Vec::new(),
            dirty: Vec::new(),
            reader,
            config: trunk::config(trunk::WINDOW_BYTES),
        }
    }
}

impl Streams {
    fn get(&mut self, trunk: usize) -> Option<&mut Trunk> {
        self.trunks.get_mut(trunk)?.as_deref_mut()
    }

    /// The socket of a connection.
    pub(super) fn connection(&mut self, trunk: usize) -> Option<&mut Connection> {
        self.get(trunk).map(|trunk| &mut trunk.connection)
    }

    /// Lists a connection to be flushed.
    fn mark(&mut self, trunk: usize) {
        if let Some(it) = self.get(trunk)
            && !core::mem::replace(&mut it.is_dirty, true)
        {
            self.dirty.push(trunk);
        }
    }

    /// Lists line `id`, which is marked as dirty, to be sent.
    pub(super) fn list(&mut self, trunk: usize, id: usize) {
        if let Some(trunk) = self.get(trunk) {
            trunk.ready.push_back(id);
        }
        self.mark(trunk);
    }

    /// Gives back the window for content that came while its line was paused.
    pub(super) fn consume(&mut self, place: &mut Place, pool: &mut Pool) {
        let owed = core::mem::take(&mut place.owed);
        let (Some(trunk), Some(stream)) = (self.get(place.trunk), place.stream) else { return };
        trunk.protocol.consumed(stream, owed, trunk.outbox.tail(pool));
        self.mark(place.trunk);
    }

    /// Forgets the stream of line `id`.
    pub(super) fn drop_line(&mut self, id: usize, place: Place, pool: &mut Pool) {
        let Some(trunk) = self.get(place.trunk) else { return };
        match place.stream {
            Some(stream) => trunk.drop_stream(stream, pool),
            None => trunk.waiting.retain(|waiting| *waiting != id),
        }
        self.mark(place.trunk);
    }
}

impl Lines {
    /// Sets the window of each stream of the connections that are dialled from now on, in bytes.
    pub fn set_stream_window(&mut self, bytes: u32) {
        self.streams.config = trunk::config(bytes);
    }

    /// Opens line `id` as a stream of connection `trunk`, which is dialled if it is not there; the line takes the
    /// place of the last one with this number.
    ///
    /// # Errors
    /// The request cannot be written, the server takes no further stream, or the system gives no socket.
    pub fn connect_stream(
        &mut self,
        id: usize,
        trunk: usize,
        opener: &Rc<Opener>,
        options: SocketOptions,
    ) -> Result<(), Fault> {
        if self.streams.get(trunk).is_none() {
            self.dial_trunk(trunk, opener, options)?;
        }
        self.put(id, Line::on_stream(opener, trunk));
        let Self { streams, all, pool, .. } = self;
        let (Some(carrier), Some(line)) = (streams.get(trunk), all[id].as_mut()) else {
            return Ok(());
        };
        if !carrier.protocol.is_established() {
            carrier.waiting.push(id);
            return Ok(());
        }
        let opened = carrier.open(id, line, pool);
        if opened.is_err() {
            self.close(id);
        }
        self.streams.mark(trunk);
        opened
    }

    /// Starts to connect like [`connect`](Self::connect) for bare bytes that are HTTP/2: TLS offers this version, and no
    /// other one.
    ///
    /// # Errors
    /// The system gives no socket.
    pub fn connect_bare_http2(
        &mut self,
        id: usize,
        opener: &Rc<Opener>,
        options: SocketOptions,
    ) -> Result<(), Fault> {
        self.dial(id, opener, options, &[Protocol::Http2])
    }

    /// Dials line `id`, which has a socket of its own.
    pub(super) fn dial(
        &mut self,
        id: usize,
        opener: &Rc<Opener>,
        options: SocketOptions,
        offered: &'static [Protocol],
    ) -> Result<(), Fault> {
        let key = self.next_key(id);
        let mut connection = Connection::dial(&opener.target, offered, options, key)?;
        self.net.register(connection.system(), key)?;
        let line = Line::on_socket(opener, connection, &mut self.pool)?;
        self.put(id, line);
        Ok(())
    }

    fn dial_trunk(
        &mut self,
        number: usize,
        opener: &Rc<Opener>,
        options: SocketOptions,
    ) -> Result<(), Fault> {
        let key = self.next_key(number | TRUNK);
        let config = Arc::clone(&self.streams.config);
        let mut trunk =
            Trunk::dial(&opener.target, &[Protocol::Http2], options, key, &config, &mut self.pool)?;
        self.net.register(trunk.connection.system(), key)?;
        let trunks = &mut self.streams.trunks;
        if trunks.len() <= number {
            trunks.resize_with(number + 1, || None);
        }
        trunks[number] = Some(Box::new(trunk));
        Ok(())
    }

    /// Flushes all connections with something new.
    pub(super) fn flush_trunks(&mut self) {
        while let Some(number) = self.streams.dirty.pop() {
            let Some(trunk) = self.streams.get(number) else { continue };
            trunk.is_dirty = false;
            self.traffic += trunk.flush(&mut self.all, &mut self.pool) as u64;
            if trunk.connection.write_error.is_some() {
                self.visits.push(number | TRUNK);
            }
        }
    }

    /// Closes all connections.
    pub(super) fn close_trunks(&mut self) {
        for trunk in self.streams.trunks.drain(..).flatten() {
            self.net.close(trunk.connection.into_system());
        }
    }

    /// Reads once from a connection, hands on what came, and writes; `true` if there may be more to read.
    pub(super) fn visit_trunk(&mut self, number: usize, listener: &mut impl Listener) -> bool {
        let slot = self.streams.trunks.get_mut(number);
        let Some(mut trunk) = slot.and_then(Option::take) else { return false };
        let mut buffer = core::mem::take(&mut self.buffer);
        let read = self.read_trunk(&mut trunk, &mut buffer, listener);
        self.buffer = buffer;
        self.traffic += trunk.flush(&mut self.all, &mut self.pool) as u64;
        match read {
            Ok(len) => {
                self.traffic += len as u64;
                let is_broken = trunk.connection.write_error.is_some();
                let goes_on = trunk.connection.readiness.readable() && (len > 0 || is_broken);
                self.streams.trunks[number] = Some(trunk);
                goes_on
            }
            Err(fault) => {
                trunk.lines().into_iter().for_each(|id| self.end(id, &fault, listener));
                self.net.close(trunk.connection.into_system());
                false
            }
        }
    }

    fn read_trunk(
        &mut self,
        trunk: &mut Trunk,
        buffer: &mut [u8],
        listener: &mut impl Listener,
    ) -> Result<usize, Fault> {
        trunk.connection.shake_hands()?;
        if !trunk.connection.readiness.readable() {
            return Ok(0);
        }
        let len = trunk.connection.read(buffer)?;
        let mut input = &mut buffer[..len];
        let now = self.now();
        loop {
            let out = trunk.outbox.tail(&mut self.pool);
            let event = trunk.protocol.receive(&mut input, &mut self.streams.reader, out);
            match event.map_err(Fault::Http2)? {
                Some(event) => self.hear_event(trunk, event, now, listener),
                None => return Ok(len),
            }
        }
    }

    fn hear_event(
        &mut self,
        trunk: &mut Trunk,
        event: Event<'_>,
        now: u64,
        listener: &mut impl Listener,
    ) {
        match event {
            Event::Response { stream, status, end_stream } => {
                self.hear_stream(trunk, stream, listener, |lines, id, line, listener| {
                    let fields = &lines.streams.reader.fields;
                    let (wire, heard) = line.opener.answered(status, fields)?;
                    line.wire = wire;
                    listener.hear(id, heard, now)?;
                    line.is_open = true;
                    lines.opening -= 1;
                    lines.opened += 1;
                    lines.ramp.moved_at = now;
                    listener.answer(id, now, &mut line.outlet(&mut lines.pool));
                    if end_stream { Err(Fault::Ended) } else { Ok(()) }
                });
            }
            Event::Data { stream, data, end_stream } => {
                self.hear_content(trunk, (stream, data, end_stream), now, listener);
            }
            Event::Trailers { stream } => {
                self.hear_stream(trunk, stream, listener, |_, _, _, _| Err(Fault::Ended));
            }
            Event::Reset { stream, cause } => {
                self.hear_stream(trunk, stream, listener, |_, _, _, _| Err(cause.into()));
            }
            Event::Goaway { .. } => {
                for (stream, _) in trunk.gone() {
                    self.hear_stream(trunk, stream, listener, |_, _, _, _| Err(Fault::Ended));
                }
            }
            Event::Settings => self.open_waiting(trunk, listener),
            Event::Writable { stream } => self.wake(trunk, stream),
            Event::Interim { .. }
            | Event::Pong(_)
            | Event::Request { .. }
            | Event::HeadTooLarge { .. }
            | Event::Draining => {}
        }
    }

    /// Has the line of a stream hear its content.
    fn hear_content(
        &mut self,
        trunk: &mut Trunk,
        (stream, data, end_stream): (StreamId, &mut [u8], bool),
        now: u64,
        listener: &mut impl Listener,
    ) {
        let len = data.len();
        let mut owed = 0;
        self.hear_stream(trunk, stream, listener, |lines, id, line, listener| {
            listener.read(id, len);
            if line.is_paused {
                owed = len;
            }
            let Self { engine, pool, .. } = lines;
            let mut hear = |heard: Heard<'_>| listener.hear(id, heard, now);
            line.receive(data, engine, pool, &mut hear)?;
            listener.answer(id, now, &mut line.outlet(pool));
            if let Some(place) = line.place() {
                place.owed += owed;
            }
            if end_stream { Err(Fault::Ended) } else { Ok(()) }
        });
        let out = trunk.outbox.tail(&mut self.pool);
        trunk.protocol.consumed(stream, len - owed, out);
    }

    /// Has the line of a stream hear something, and ends it if that is a fault.
    fn hear_stream<L: Listener>(
        &mut self,
        trunk: &mut Trunk,
        stream: StreamId,
        listener: &mut L,
        hear: impl FnOnce(&mut Self, usize, &mut Line, &mut L) -> Result<(), Fault>,
    ) {
        let Some(id) = trunk.line(stream) else { return };
        let Some(mut line) = self.all.get_mut(id).and_then(Option::take) else { return };
        let heard = hear(self, id, &mut line, listener);
        trunk.list(id, &mut line);
        self.all[id] = Some(line);
        if let Err(fault) = heard {
            self.end(id, &fault, listener);
            trunk.drop_stream(stream, &mut self.pool);
        }
    }

    /// Opens the streams that waited for the settings; the windows of all others may have opened.
    fn open_waiting(&mut self, trunk: &mut Trunk, listener: &mut impl Listener) {
        for id in core::mem::take(&mut trunk.waiting) {
            let Some(Some(line)) = self.all.get_mut(id) else { continue };
            if let Err(fault) = trunk.open(id, line, &mut self.pool) {
                self.end(id, &fault, listener);
            }
        }
        self.wake(trunk, StreamId::CONNECTION);
    }

    /// Lists the line of a stream, or all lines, to be sent.
    fn wake(&mut self, trunk: &mut Trunk, stream: StreamId) {
        let lines = match stream {
            StreamId::CONNECTION => trunk.lines(),
            stream => trunk.line(stream).into_iter().collect(),
        };
        for id in lines {
            if let Some(Some(line)) = self.all.get_mut(id) {
                trunk.list(id, line);
            }
        }
    }
}
