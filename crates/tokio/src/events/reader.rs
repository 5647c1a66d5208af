//! The parser over chunks that somebody else owns.

use std::sync::Arc;

use sockeye_sse::{Config, Error, Item, Limits, MessageEvent, Parser};

use super::event::Event;

/// A parser, and the chunk that it reads.
pub(super) struct Reader<C> {
    parser: Parser,
    chunk: Option<C>,
    /// So much of the chunk is read.
    read: usize,
    /// That of the latest event, if it is not empty.
    last_event_id: Option<Arc<str>>,
}

impl<C: AsRef<[u8]>> Reader<C> {
    pub(super) fn new(event_bytes_max: usize, last_event_id: &str) -> Self {
        let mut limits = Limits::default();
        limits.bytes_held_max = event_bytes_max;
        let mut parser = Parser::new(Config { limits, ..Config::default() });
        parser.set_last_event_id(last_event_id);
        Self { parser, chunk: None, read: 0, last_event_id: None }
    }

    /// Takes the next chunk. The one before was read to its end.
    pub(super) fn take(&mut self, chunk: C) {
        (self.chunk, self.read) = (Some(chunk), 0);
    }

    /// The next event of the chunk; `None` at its end.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Event>, Error> {
        self.next_by(owned)
    }

    /// What `act` makes of the next event of the chunk and of the ID of the one before; `None` at the end of the chunk.
    #[inline]
    pub(super) fn next_by<R>(
        &mut self,
        act: impl FnOnce(MessageEvent<'_>, &mut Option<Arc<str>>) -> R,
    ) -> Result<Option<R>, Error> {
        let Some(chunk) = &self.chunk else { return Ok(None) };
        let bytes = chunk.as_ref();
        let mut rest = &bytes[self.read..];
        while let Some(item) = self.parser.next(&mut rest)? {
            match item {
                Item::Event(event) => {
                    self.read = bytes.len() - rest.len();
                    return Ok(Some(act(event, &mut self.last_event_id)));
                }
                // The parser keeps the reconnection time.
                Item::Retry(_) | Item::Comment(_) => {}
            }
        }
        self.chunk = None;
        Ok(None)
    }

    /// The parser, for the ends of streams.
    pub(super) const fn parser(&mut self) -> &mut Parser {
        &mut self.parser
    }

    /// Drops what is left of the chunk.
    pub(super) fn drop_chunk(&mut self) {
        self.chunk = None;
    }

    pub(super) fn last_event_id(&self) -> &str {
        self.parser.last_event_id()
    }

    /// The last valid `retry`, in milliseconds.
    pub(super) const fn reconnection_ms(&self) -> Option<u64> {
        self.parser.reconnection_ms()
    }
}

#[inline]
pub(super) fn owned(event: MessageEvent<'_>, last_event_id: &mut Option<Arc<str>>) -> Event {
    let id = event.last_event_id;
    // Empty strings are not compared. With AVX-512 that is a masked load from their dangling address, which takes a
    // hundred times as long as another.
    match last_event_id {
        None if id.is_empty() => {}
        Some(known) if !id.is_empty() && **known == *id => {}
        Some(_) | None => *last_event_id = (!id.is_empty()).then(|| id.into()),
    }
    let event_type = (event.event_type != "message").then(|| event.event_type.into());
    Event { data: event.data.to_owned(), event_type, last_event_id: last_event_id.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events of one ID share it, and the usual type costs nothing.
    #[test]
    fn what_is_usual_costs_nothing() {
        let mut reader = Reader::new(1000, "");
        reader.take("data: a\n\nid: 1\ndata: b\n\ndata: c\n\nevent: x\nid\ndata: d\n\n");
        let mut next = || reader.next().unwrap().unwrap();
        let (a, b, c, d) = (next(), next(), next(), next());
        assert_eq!((a.event_type, a.last_event_id), (None, None));
        let shared = b.last_event_id.as_ref().zip(c.last_event_id.as_ref());
        assert!(shared.is_some_and(|(b, c)| Arc::ptr_eq(b, c)));
        assert_eq!((c.event_type(), c.last_event_id()), ("message", "1"));
        assert_eq!((d.event_type(), d.last_event_id()), ("x", ""));
    }
}
