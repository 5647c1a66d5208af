//! The parser over chunks that somebody else owns.

use sockeye_sse::{Config, End, Error, Item, Limits, MessageEvent, Parser, text_prefix};

use super::event::{Event, LongId, Names, boxed};

/// A parser, and the chunk that it reads.
///
/// The bytes of a chunk become events in one of two ways. Where events are short, a stretch of the chunk is checked
/// and copied as a whole, so that no event needs a check of its own. Where they are long, and where the
/// bytes are not UTF-8, the parser reads them in the chunk, and no event is copied for the check.
///
/// ```text
/// text   data: one\n\ndata: two\n\ndata: thr          chunk   ee\n\ndata: …
///                     ^ text_read    ^ text_end              ^ read
/// ```
pub(super) struct Reader<C> {
    parser: Parser,
    long_id: LongId,
    chunk: Option<C>,
    /// So much of the chunk is read, or copied into `text`.
    read: usize,
    text: String,
    text_read: usize,
    /// Here a line begins that the stretch cut. It waits for its end.
    text_end: usize,
    /// The latest event was short.
    is_short: bool,
    /// Up to here the chunk was searched for text, and has broken bytes or begins with a cut character: the parser
    /// reads it in the chunk.
    broken_end: usize,
    /// Bytes that were searched for text, in all.
    #[cfg(test)]
    searched: usize,
}

/// An event with more data is long: the copy would cost more than the check.
const SHORT_BYTES: usize = 1024;

/// Bytes that are checked and copied at a time.
const STRETCH_BYTES: usize = 8 << 10;

/// The longest beginning of a character that lacks its last byte.
const CUT_CHARACTER_BYTES: usize = 3;

/// A longer line does not wait for its end: the parser takes the parts.
const CUT_LINE_BYTES: usize = 256;

/// Takes an event, and keeps what it makes of it. To return it would copy it in each layer.
pub(super) trait Take {
    /// Takes the next event of `input`, and returns the length of its data.
    fn take(
        &mut self,
        parser: &mut Parser,
        long_id: &mut LongId,
        input: &mut impl Input,
    ) -> Result<Option<usize>, Error>;
}

/// The input of the parser: text, or bytes that may not be text.
pub(super) trait Input {
    /// The next item, which is lent.
    fn next<'a>(&mut self, parser: &'a mut Parser) -> Result<Option<Item<'a>>, Error>
    where
        Self: 'a;

    /// The next item, with data of its own.
    fn next_owned<'a>(&mut self, parser: &'a mut Parser) -> Result<Option<Item<'a, String>>, Error>
    where
        Self: 'a;
}

impl<C: AsRef<[u8]>> Reader<C> {
    pub(super) fn new(event_bytes_max: usize, last_event_id: &str) -> Self {
        let mut limits = Limits::default();
        limits.bytes_held_max = event_bytes_max;
        let mut parser = Parser::new(Config { limits, ..Config::default() });
        parser.set_last_event_id(last_event_id);
        Self {
            parser,
            long_id: LongId::default(),
            chunk: None,
            read: 0,
            text: String::new(),
            text_read: 0,
            text_end: 0,
            is_short: true,
            broken_end: 0,
            #[cfg(test)]
            searched: 0,
        }
    }

    /// Takes the next chunk. The one before was read to its end.
    pub(super) fn take(&mut self, chunk: C) -> Result<(), Error> {
        let is_rest = |byte: &&u8| **byte & 0xC0 == 0x80;
        let rest = chunk.as_ref().iter().take(3).take_while(is_rest).count();
        if rest > 0 {
            // The last chunk ended inside a character. No line ends in the rest of it, so there is no item.
            self.free_text()?;
            self.parser.next(&mut &chunk.as_ref()[..rest])?;
        }
        (self.chunk, self.read, self.broken_end) = (Some(chunk), rest, 0);
        Ok(())
    }

    /// Lets `to` take the next event of the chunk. Says whether there was one.
    #[inline]
    pub(super) fn next(&mut self, to: &mut impl Take) -> Result<bool, Error> {
        loop {
            if let Some(mut rest) = self.text.get(self.text_read..self.text_end)
                && !rest.is_empty()
            {
                let taken = to.take(&mut self.parser, &mut self.long_id, &mut rest)?;
                self.text_read = self.text_end - rest.len();
                if let Some(len) = taken {
                    self.is_short = len <= SHORT_BYTES;
                    return Ok(true);
                }
            }
            if !self.is_short || !self.copy_stretch() {
                return self.next_of_bytes(to);
            }
        }
    }

    /// Copies the next stretch of the chunk as text, behind the cut line of the last one. Says whether there is one.
    fn copy_stretch(&mut self) -> bool {
        let Some(chunk) = &self.chunk else { return false };
        if self.read < self.broken_end {
            return false;
        }
        let rest = &chunk.as_ref()[self.read..];
        let searched = &rest[..rest.len().min(STRETCH_BYTES)];
        #[cfg(test)]
        {
            self.searched += searched.len();
        }
        let stretch = text_prefix(searched);
        // Up to three bytes behind the text may be a cut character. If there are more, some are broken: this stretch is not
        // searched again.
        if stretch.is_empty() || searched.len() - stretch.len() > CUT_CHARACTER_BYTES {
            self.broken_end = self.read + searched.len();
        }
        if stretch.is_empty() {
            return false;
        }
        self.text.drain(..self.text_end);
        self.text.push_str(stretch);
        self.read += stretch.len();
        let mut last = self.text.bytes().rev().take(CUT_LINE_BYTES);
        let cut_line = last.position(|byte| matches!(byte, b'\r' | b'\n'));
        (self.text_read, self.text_end) = (0, self.text.len() - cut_line.unwrap_or(0));
        true
    }

    /// Lets `to` take the next event in the chunk itself.
    fn next_of_bytes(&mut self, to: &mut impl Take) -> Result<bool, Error> {
        let Some(chunk) = &self.chunk else { return Ok(false) };
        if self.read == chunk.as_ref().len() {
            self.chunk = None;
            return Ok(false);
        }
        if !self.text.is_empty() {
            self.free_text()?;
        }
        let Some(chunk) = &self.chunk else { return Ok(false) };
        let bytes = chunk.as_ref();
        let mut rest = &bytes[self.read..];
        if let Some(len) = to.take(&mut self.parser, &mut self.long_id, &mut rest)? {
            self.read = bytes.len() - rest.len();
            self.is_short = len <= SHORT_BYTES;
            return Ok(true);
        }
        self.chunk = None;
        Ok(false)
    }

    /// Ends a body, with what is left of its chunk.
    pub(super) fn finish(&mut self) -> Result<End, Error> {
        self.chunk = None;
        let freed = self.free_text();
        let end = self.parser.finish();
        freed.map(|()| end)
    }

    /// Gives the cut line to the parser and frees the copies of text and ID: who waits for the next chunk holds no more than is
    /// needed.
    #[inline(never)]
    pub(super) fn free_text(&mut self) -> Result<(), Error> {
        self.long_id.free_old(&self.parser);
        let text = core::mem::take(&mut self.text);
        let cut_line = text.get(self.text_end..).unwrap_or_default();
        (self.text_read, self.text_end) = (0, 0);
        if !cut_line.is_empty() {
            // No line ends in it, so there is no item.
            self.parser.next_text(&mut &*cut_line)?;
        }
        Ok(())
    }

    pub(super) fn last_event_id(&self) -> &str {
        self.parser.last_event_id()
    }

    /// The last valid `retry`, in milliseconds.
    pub(super) const fn reconnection_ms(&self) -> Option<u64> {
        self.parser.reconnection_ms()
    }
}

impl Input for &str {
    #[inline]
    fn next<'a>(&mut self, parser: &'a mut Parser) -> Result<Option<Item<'a>>, Error>
    where
        Self: 'a,
    {
        parser.next_text(self)
    }

    #[inline]
    fn next_owned<'a>(&mut self, parser: &'a mut Parser) -> Result<Option<Item<'a, String>>, Error>
    where
        Self: 'a,
    {
        parser.next_text_owned(self)
    }
}

impl Input for &[u8] {
    #[inline]
    fn next<'a>(&mut self, parser: &'a mut Parser) -> Result<Option<Item<'a>>, Error>
    where
        Self: 'a,
    {
        parser.next(self)
    }

    #[inline]
    fn next_owned<'a>(&mut self, parser: &'a mut Parser) -> Result<Option<Item<'a, String>>, Error>
    where
        Self: 'a,
    {
        parser.next_owned(self)
    }
}

/// Makes an event that borrows from nothing.
#[derive(Default)]
pub(super) struct Own(pub(super) Option<Event>);

impl Take for Own {
    #[inline]
    fn take(
        &mut self,
        parser: &mut Parser,
        long_id: &mut LongId,
        input: &mut impl Input,
    ) -> Result<Option<usize>, Error> {
        while let Some(item) = input.next_owned(parser)? {
            match item {
                Item::Event(event) => {
                    let MessageEvent { event_type, data, last_event_id } = event;
                    let len = data.len();
                    let names = if LongId::is_long(last_event_id) {
                        let event_type = boxed(event_type);
                        long_id.names(parser, event_type)
                    } else {
                        Names::new(event_type, last_event_id)
                    };
                    self.0 = Some(Event::new(data, names));
                    return Ok(Some(len));
                }
                // The parser keeps the reconnection time.
                Item::Retry(_) | Item::Comment(_) => {}
            }
        }
        Ok(None)
    }
}

/// Lets a function look at an event, once, and keeps what it returns.
pub(super) enum Look<F, R> {
    Will(F),
    Has(R),
    Looks,
}

impl<F, R> Take for Look<F, R>
where
    F: FnOnce(MessageEvent<'_>) -> R,
{
    #[inline]
    fn take(
        &mut self,
        parser: &mut Parser,
        _: &mut LongId,
        input: &mut impl Input,
    ) -> Result<Option<usize>, Error> {
        while let Some(item) = input.next(parser)? {
            match item {
                Item::Event(event) => {
                    let Self::Will(look) = core::mem::replace(self, Self::Looks) else {
                        unreachable!("the poll that finds an event is the last one");
                    };
                    *self = Self::Has(look(event));
                    return Ok(Some(event.data.len()));
                }
                Item::Retry(_) | Item::Comment(_) => {}
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next event, which is there.
    fn next<C: AsRef<[u8]>>(reader: &mut Reader<C>) -> Event {
        let mut own = Own::default();
        assert!(reader.next(&mut own).unwrap());
        own.0.unwrap()
    }

    #[test]
    fn an_event_says_its_type_and_its_id() {
        let mut reader = Reader::new(1000, "");
        let events =
            "data: a\n\nid: 1\ndata: b\n\nevent: x\ndata: c\n\nid\ndata: d\n\nevent: x\ndata\n\n";
        reader.take(events).unwrap();
        for expected in [("message", ""), ("message", "1"), ("x", "1"), ("message", ""), ("x", "")]
        {
            let event = next(&mut reader);
            assert_eq!((event.event_type(), event.last_event_id()), expected);
        }
    }

    /// A peer that sets a long ID once cannot make each of its events hold a copy.
    #[test]
    fn events_share_a_long_id() {
        let [long, other] = ["1", "2"].map(|id| id.repeat(1 << 20));
        let text = format!("id: {long}\ndata: a\n\ndata: b\n\nevent: x\ndata: c\n\n");
        let mut reader = Reader::new(4 << 20, "");
        reader.take(text).unwrap();
        let events = [(); 3].map(|()| next(&mut reader));
        for event in &events {
            assert!(core::ptr::eq(event.last_event_id(), events[0].last_event_id()));
            assert_eq!(event.last_event_id(), long);
        }
        assert_eq!(events.map(|event| event.event_type().to_owned()), ["message", "message", "x"]);

        reader.take(format!("id: {other}\n\nid: {long}\n\nid: {other}\ndata: d\n\n")).unwrap();
        assert_eq!(next(&mut reader).last_event_id(), other);
        reader.take("id: 3\ndata: e\n\n".to_owned()).unwrap();
        assert_eq!(next(&mut reader).last_event_id(), "3");
    }

    /// Where bytes are broken, the search for text does not look at them again for each event.
    #[test]
    fn each_byte_is_searched_for_text_once_or_twice() {
        let event = |data: &[u8]| [b"data: ", data, b"\n\n"].concat();
        let mixed = [event(b"a").repeat(40), event(b"\xFF")].concat();
        let cut = "data: \u{1F600}\n\n".as_bytes().to_vec();
        for bytes in [event(b"\xFF"), event(b"caf\xE9"), mixed, cut, event(b"text"), vec![0xFF]] {
            let body = bytes.repeat((64 << 10) / bytes.len());
            for chunk_bytes in [1, 2, 3, 5, 1448, 10_000, body.len()] {
                let mut reader = Reader::new(1 << 20, "");
                let mut events = 0;
                for chunk in body.chunks(chunk_bytes) {
                    reader.take(chunk).unwrap();
                    while reader.next(&mut Own::default()).unwrap() {
                        events += 1;
                    }
                }
                assert_eq!(events, body.windows(2).filter(|end| end == b"\n\n").count());
                assert!(
                    reader.searched <= 2 * body.len(),
                    "{} of {} bytes, by {chunk_bytes}",
                    reader.searched,
                    body.len()
                );
            }
        }
    }
}
