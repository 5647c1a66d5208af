//! An event stream: a response that does not end.

use sockeye_http1::chunked;
use sockeye_reactor::{Outbox, Pool, Time};

use crate::joined::{Joined, SharedEvents};
use crate::shared::SharedEvent;

/// A `text/event-stream` response under way.
pub(crate) struct EventsStream {
    framing: Framing,
    /// When something was last written.
    pub(crate) wrote: Time,
}

/// How the body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// By chunks (RFC 9112 §7.1).
    Chunked,
    /// By nothing in the body: an HTTP/1.0 client, whose connection ends with it (RFC 9112 §6.3), or a
    /// stream of HTTP/2.
    Bare,
}

/// A comment without text. With it proxies keep the stream, and a dead connection shows (HTML 9.2.7).
const HEARTBEAT: &[u8] = b":\n\n";

impl EventsStream {
    /// A stream whose head has just been written. A first comment follows the head at once, so that
    /// every proxy on the way passes it on.
    pub(crate) fn open(framing: Framing, now: Time, out: &mut Vec<u8>) -> Self {
        let mut stream = Self { framing, wrote: now };
        stream.write(HEARTBEAT, out, now);
        stream
    }

    /// Writes one encoded block.
    pub(crate) fn write(&mut self, block: &[u8], out: &mut Vec<u8>, now: Time) {
        self.wrote = now;
        match self.framing {
            Framing::Chunked => chunked::encode(block, out),
            Framing::Bare => out.extend_from_slice(block),
        }
    }

    /// Writes a block that many streams share. [server:shared-same]
    pub(crate) fn write_shared(
        &mut self,
        event: &SharedEvent,
        outbox: &mut Outbox,
        pool: &mut Pool,
        now: Time,
    ) {
        self.wrote = now;
        match self.framing {
            Framing::Chunked => outbox.push_shared(event.chunk(), pool),
            Framing::Bare => outbox.push_shared(event.block(), pool),
        }
    }

    /// The form of shared events for this stream, all in one.
    pub(crate) fn joined<'e>(&self, events: &'e SharedEvents) -> &'e Joined {
        match self.framing {
            Framing::Chunked => events.chunks(),
            Framing::Bare => events.blocks(),
        }
    }

    /// Writes a comment, a sign of life.
    pub(crate) fn write_comment(&mut self, out: &mut Vec<u8>, now: Time) {
        self.write(HEARTBEAT, out, now);
    }

    /// Ends the response.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        match self.framing {
            Framing::Chunked => out.extend_from_slice(chunked::LAST),
            Framing::Bare => {}
        }
    }
}
