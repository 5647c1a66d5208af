//! An event stream: a response that does not end.

use sockeye_deflate::Gzip;
use sockeye_deflate::gzip::{self, Checksum};
use sockeye_http1::chunked;
use sockeye_reactor::{Outbox, Pool, Shared, Time};

use crate::answer::Coding;
use crate::budget::Budget;
use crate::framing::Framing;
use crate::joined::{Joined, SharedEvents};
use crate::shared::SharedEvent;

/// A `text/event-stream` response under way.
pub(crate) struct EventsStream {
    form: Form,
    /// When something was last written.
    pub(crate) wrote: Time,
}

/// The form of the body on the wire.
enum Form {
    /// Text in chunks.
    Chunked,
    /// Text as it is.
    Bare,
    /// One member of gzip, with the checksum of the text in it so far.
    Gzip(Framing, Checksum),
}

/// A comment without text. With it proxies keep the stream, and a dead connection shows (HTML 9.2.7).
const HEARTBEAT: &[u8] = b":\n\n";

/// The same as a stored block of gzip.
const CODED_HEARTBEAT: &[u8] = b"\x00\x03\x00\xfc\xff:\n\n";

impl EventsStream {
    /// A stream whose head has just been written. A first comment follows the head at once, so that
    /// every proxy on the way passes it on.
    pub(crate) fn open(framing: Framing, coding: Coding, now: Time, out: &mut Vec<u8>) -> Self {
        let form = match (coding, framing) {
            (Coding::Identity, Framing::Chunked) => Form::Chunked,
            (Coding::Identity, Framing::Bare) => Form::Bare,
            (Coding::Gzip, framing) => {
                framing.write(&gzip::HEADER, out);
                Form::Gzip(framing, Checksum::NONE)
            }
        };
        let mut stream = Self { form, wrote: now };
        stream.write_comment(out, now);
        stream
    }

    /// Writes one encoded block that no other stream gets.
    pub(crate) fn write(&mut self, block: &[u8], out: &mut Vec<u8>, now: Time) {
        self.wrote = now;
        match &mut self.form {
            Form::Chunked => Framing::Chunked.write(block, out),
            Form::Bare => Framing::Bare.write(block, out),
            Form::Gzip(framing, checksum) => write_stored(*framing, checksum, block, out),
        }
    }

    /// Writes a block that many streams share. [server:shared-same]
    pub(crate) fn write_shared(
        &mut self,
        event: &SharedEvent,
        (outbox, pool): (&mut Outbox, &mut Pool),
        (gzip, budget): (&mut Gzip, &mut Budget),
        now: Time,
    ) {
        self.wrote = now;
        let bytes = match &mut self.form {
            Form::Chunked => event.chunk(),
            Form::Bare => event.block(),
            Form::Gzip(framing, checksum) => coded_form(*framing, checksum, event, gzip, budget),
        };
        outbox.push_shared(bytes, pool);
    }

    /// The form of shared events for this stream, all in one.
    pub(crate) fn joined<'e>(
        &self,
        events: &'e SharedEvents,
        gzip: &mut Gzip,
        budget: &mut Budget,
    ) -> &'e Joined {
        match self.form {
            Form::Chunked => events.chunks(),
            Form::Bare => events.blocks(),
            Form::Gzip(framing, _) => events.coded(framing, gzip, budget).0,
        }
    }

    /// Notes that [`joined`](Self::joined) was written.
    pub(crate) fn note_joined(
        &mut self,
        events: &SharedEvents,
        gzip: &mut Gzip,
        budget: &mut Budget,
        now: Time,
    ) {
        self.wrote = now;
        if let Form::Gzip(framing, checksum) = &mut self.form {
            let (_, text) = events.coded(*framing, gzip, budget);
            gzip.add(text, checksum);
        }
    }

    /// Writes a comment, a sign of life.
    pub(crate) fn write_comment(&mut self, out: &mut Vec<u8>, now: Time) {
        self.wrote = now;
        match &mut self.form {
            Form::Chunked => Framing::Chunked.write(HEARTBEAT, out),
            Form::Bare => Framing::Bare.write(HEARTBEAT, out),
            Form::Gzip(framing, checksum) => {
                checksum.update(HEARTBEAT);
                framing.write(CODED_HEARTBEAT, out);
            }
        }
    }

    /// Ends the response. [gzip:trailer]
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        let framing = match self.form {
            Form::Chunked => Framing::Chunked,
            Form::Bare => Framing::Bare,
            Form::Gzip(framing, checksum) => {
                framing.write(&checksum.trailer(), out);
                framing
            }
        };
        match framing {
            Framing::Chunked => out.extend_from_slice(chunked::LAST),
            Framing::Bare => {}
        }
    }
}

/// Writes text of one stream as a stored block. It may hold the stream's own secrets, so no length may
/// depend on its content. [gzip:own-text]
#[cold]
fn write_stored(framing: Framing, checksum: &mut Checksum, text: &[u8], out: &mut Vec<u8>) {
    checksum.update(text);
    let mut block = Vec::with_capacity(text.len() + 16);
    gzip::store(text, &mut block);
    framing.write(&block, out);
}

/// The form of an event for a stream in gzip, to whose checksum it is added.
#[inline(never)]
fn coded_form<'e>(
    framing: Framing,
    checksum: &mut Checksum,
    event: &'e SharedEvent,
    gzip: &mut Gzip,
    budget: &mut Budget,
) -> &'e Shared {
    let coded = event.coded(gzip, budget);
    gzip.add(&coded.text, checksum);
    match framing {
        Framing::Chunked => coded.chunk(),
        Framing::Bare => coded.block(),
    }
}
