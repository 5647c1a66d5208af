//! One line of a load: what it carries, whether on a socket of its own or on a stream of HTTP/2.

use std::rc::Rc;

use sockeye_deflate::Engine;
use sockeye_frame::{Opcode, Rsv};
use sockeye_http2::StreamId;
use sockeye_reactor::{Outbox, Pool, Shared};

use super::connection::Connection;
use super::fault::Fault;
use super::opening::{Opener, Wire};
use super::payload::frame;
use super::wire::Ear;

/// Where a line's bytes go.
pub struct Outlet<'c> {
    outbox: &'c mut Outbox,
    pool: &'c mut Pool,
}

impl<'c> Outlet<'c> {
    pub(super) const fn new(outbox: &'c mut Outbox, pool: &'c mut Pool) -> Self {
        Self { outbox, pool }
    }

    /// Where to append.
    #[inline]
    pub fn tail(&mut self) -> &mut Vec<u8> {
        self.outbox.tail(self.pool)
    }

    /// Appends without copying.
    pub(super) fn push_shared(&mut self, bytes: &Shared) {
        self.outbox.push_shared(bytes, self.pool);
    }
}

/// The carrier of a line's bytes.
pub(super) enum Carrier {
    /// A socket of its own.
    Socket(Connection),
    /// A stream of a connection that speaks HTTP/2.
    Stream(Place),
}

/// The place of a line among the streams.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The number of the connection.
    pub(super) trunk: usize,
    /// The stream, once it is opened.
    pub(super) stream: Option<StreamId>,
    /// Content that came while the line was paused, in bytes: the server may not send as much again yet.
    pub(super) owed: usize,
}

pub(super) struct Line {
    pub(super) carrier: Carrier,
    pub(super) outbox: Outbox,
    pub(super) wire: Wire,
    pub(super) opener: Rc<Opener>,
    pub(super) is_open: bool,
    /// It is on the list of those to be flushed.
    pub(super) is_dirty: bool,
    /// Its input stays with the system, or with the server.
    pub(super) is_paused: bool,
}

impl Line {
    /// A line on a socket that is being dialled.
    pub(super) fn on_socket(
        opener: &Rc<Opener>,
        connection: Connection,
        pool: &mut Pool,
    ) -> Result<Self, Fault> {
        let mut outbox = Outbox::new();
        let wire = opener.begin(outbox.tail(pool)).map_err(Fault::Http)?;
        Ok(Self::new(opener, Carrier::Socket(connection), outbox, wire))
    }

    /// A line on a stream that is not opened yet.
    pub(super) fn on_stream(opener: &Rc<Opener>, trunk: usize) -> Self {
        let place = Place { trunk, stream: None, owed: 0 };
        Self::new(opener, Carrier::Stream(place), Outbox::new(), Wire::Asked)
    }

    fn new(opener: &Rc<Opener>, carrier: Carrier, outbox: Outbox, wire: Wire) -> Self {
        let opener = Rc::clone(opener);
        Self { carrier, outbox, wire, opener, is_open: false, is_dirty: false, is_paused: false }
    }

    /// Whether it is open as soon as it is connected.
    pub(super) const fn opens_unasked(&self) -> bool {
        matches!(self.wire, Wire::Answers(_) | Wire::Bare(_))
    }

    /// Whether it ends with a Close frame.
    pub(super) const fn is_websocket(&self) -> bool {
        matches!(self.wire, Wire::Frames(_))
    }

    pub(super) const fn outlet<'c>(&'c mut self, pool: &'c mut Pool) -> Outlet<'c> {
        Outlet::new(&mut self.outbox, pool)
    }

    /// Its own socket.
    pub(super) const fn socket(&mut self) -> Option<&mut Connection> {
        match &mut self.carrier {
            Carrier::Socket(connection) => Some(connection),
            Carrier::Stream(_) => None,
        }
    }

    /// Its place among the streams.
    pub(super) const fn place(&mut self) -> Option<&mut Place> {
        match &mut self.carrier {
            Carrier::Socket(_) => None,
            Carrier::Stream(place) => Some(place),
        }
    }

    /// Tells of everything in `input`.
    #[inline]
    pub(super) fn receive(
        &mut self,
        mut input: &mut [u8],
        engine: &mut Engine,
        pool: &mut Pool,
        hear: &mut impl Ear,
    ) -> Result<(), Fault> {
        if let Wire::Opening(opening) = &mut self.wire {
            let opened = self.opener.advance(opening, &mut input)?;
            let Some((wire, heard)) = opened else { return Ok(()) };
            self.wire = wire;
            hear(heard)?;
        }
        let mut out = Outlet::new(&mut self.outbox, pool);
        match &mut self.wire {
            Wire::Frames(frames) => frames.receive(input, engine, &mut out, hear),
            Wire::Events(events) => events.receive(input, hear),
            Wire::Answers(answers) => answers.receive(input, hear),
            Wire::Bare(bare) => bare.receive(input, hear),
            // A stream has no content before its answer, and an opening was just taken out of there.
            Wire::Opening(_) | Wire::Asked => Ok(()),
        }
    }

    /// Writes what waits, if it has a socket of its own, and returns how much that was.
    #[inline]
    pub(super) fn flush(&mut self, pool: &mut Pool) -> usize {
        match &mut self.carrier {
            Carrier::Socket(connection) => connection.flush(&mut self.outbox, pool),
            Carrier::Stream(_) => 0,
        }
    }

    /// Whether its own socket refuses to be written to.
    pub(super) const fn has_write_error(&self) -> bool {
        match &self.carrier {
            Carrier::Socket(connection) => connection.write_error.is_some(),
            Carrier::Stream(_) => false,
        }
    }

    /// Appends a Close frame.
    pub(super) fn append_close(&mut self, pool: &mut Pool) {
        let close = frame(Opcode::Close, Rsv::NONE, &1000_u16.to_be_bytes(), self.opener.key);
        self.outbox.tail(pool).extend_from_slice(&close);
    }
}
