//! The parser over chunks that somebody else owns.

use std::borrow::Cow;
use std::sync::Arc;

use sockeye_sse::{Config, Error, Item, Limits, Parser};

use super::event::Event;

/// What a chunk tells.
pub(super) enum Told {
    Event(Event),
    Retry(u64),
}

/// A parser, and the chunk that it reads.
pub(super) struct Reader<C> {
    parser: Parser,
    chunk: Option<C>,
    /// So much of the chunk is read.
    read: usize,
    last_event_id: Arc<str>,
}

impl<C: AsRef<[u8]>> Reader<C> {
    pub(super) fn new(event_bytes_max: usize, last_event_id: &str) -> Self {
        let limits = Limits { bytes_held_max: event_bytes_max };
        let mut parser = Parser::new(Config { limits, ..Config::default() });
        parser.set_last_event_id(last_event_id);
        Self { parser, chunk: None, read: 0, last_event_id: last_event_id.into() }
    }

    /// Takes the next chunk. The one before was read to its end.
    pub(super) fn take(&mut self, chunk: C) {
        (self.chunk, self.read) = (Some(chunk), 0);
    }

    /// The next thing that the chunk tells; `None` at its end.
    pub(super) fn next(&mut self) -> Result<Option<Told>, Error> {
        let Some(chunk) = &self.chunk else { return Ok(None) };
        let bytes = chunk.as_ref();
        let mut rest = &bytes[self.read..];
        loop {
            let item = self.parser.next(&mut rest)?;
            self.read = bytes.len() - rest.len();
            return Ok(Some(match item {
                Some(Item::Event(event)) => {
                    if event.last_event_id != &*self.last_event_id {
                        self.last_event_id = event.last_event_id.into();
                    }
                    let event_type = match event.event_type {
                        "message" => Cow::Borrowed("message"),
                        other => Cow::Owned(other.to_owned()),
                    };
                    let (data, id) = (event.data.to_owned(), Arc::clone(&self.last_event_id));
                    Told::Event(Event { event_type, data, last_event_id: id })
                }
                Some(Item::Retry(ms)) => Told::Retry(ms),
                Some(Item::Comment(_)) => continue,
                None => {
                    self.chunk = None;
                    return Ok(None);
                }
            }));
        }
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
}
