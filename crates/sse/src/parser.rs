//! The event stream parser: takes bytes in any pieces, and returns events, borrowed where they lie whole.

mod partial_line;
mod whole_line;

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

use crate::buffers::{Borrowed, Buffers};
use crate::chunk::Chunk;
use crate::field::{Field, HEAD_BYTES};
use crate::item::{Comments, Config, End, Error, Item, MessageEvent};
use crate::scan;

/// Incremental parser of `text/event-stream`, exact to the standard.
///
/// It takes the bytes of one response body after the other, in any pieces. Between
/// connections call [`finish`](Self::finish) or [`reset`](Self::reset): the last event ID string
/// lives on, the rest of the state does not.
///
/// # RFC
/// WHATWG HTML §9.2.5 (parsing) and §9.2.6 (interpretation).
///
/// ```
/// use sockeye_sse::{Item, Parser};
///
/// let mut parser = Parser::default();
/// let mut input: &[u8] = b"data: one\n\nevent: add\ndata: two\n\nda";
/// let mut seen = Vec::new();
/// while let Some(item) = parser.next(&mut input)? {
///     if let Item::Event(event) = item {
///         seen.push(format!("{}={}", event.event_type, event.data));
///     }
/// }
/// assert_eq!(seen, ["message=one", "add=two"]);
/// # Ok::<(), sockeye_sse::Error>(())
/// ```
#[derive(Default)]
pub struct Parser {
    config: Config,
    /// Nothing is held or lent but the last event ID string, and a line begins: the next block may
    /// be a [`Parser::plain_event`].
    plain: bool,
    /// The buffers that the last call lent out. The next call clears them.
    lent: Lent,
    start: Start,
    /// The last byte was a CR: a LF now belongs to that line end.
    after_cr: bool,
    line: Line,
    buffers: Buffers,
    reconnection_ms: Option<u64>,
}

/// Progress at the start of a connection: byte order mark bytes seen, or past it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Mark(usize),
    Past,
}

impl Default for Start {
    fn default() -> Self {
        Self::Mark(0)
    }
}

/// The state of a partial line.
#[derive(Clone, Copy, Debug)]
enum Line {
    /// Its first bytes, too few to decide. None: at a line start.
    Head { bytes: [u8; HEAD_BYTES], len: usize },
    /// The field, whose value is arriving.
    Value(Field),
}

impl Line {
    const START: Self = Self::Head { bytes: [0; HEAD_BYTES], len: 0 };

    const fn is_start(&self) -> bool {
        matches!(self, Self::Head { len: 0, .. })
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::START
    }
}

#[derive(Clone, Copy, Debug, Default)]
enum Lent {
    #[default]
    Nothing,
    Event,
    Comment,
    /// Nothing more will come until a reset.
    Failed(Error),
}

/// The result of one step: an [`Item`] before the buffers are lent to it.
enum Step<'b> {
    Event(Borrowed<'b>),
    Retry(u64),
    Comment,
}

/// [html:9.2.6-dispatch-type] The event type of those that name none.
const MESSAGE: &str = "message";
const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

impl Parser {
    /// A parser at the start of its first connection, without a last event ID.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, ..Self::default() }
    }

    /// Reads on in `input` and returns the next item, or `None` when all input is consumed and more
    /// is needed.
    ///
    /// An event whose data is one line, whole in `input` and valid UTF-8, borrows from `input`;
    /// everything else borrows from the parser's own buffers.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when the peer goes beyond the limits. The rest of `input` is discarded,
    /// and every later call returns the same error until [`reset`](Self::reset).
    #[inline]
    pub fn next<'a, 'b: 'a>(&'a mut self, input: &mut &'b [u8]) -> Result<Option<Item<'a>>, Error> {
        self.next_lent(input)
    }

    /// As [`next`](Self::next), with data that belong to the caller: copied out of the input, or the parser's own
    /// buffer, if they were joined there.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    #[inline]
    pub fn next_owned<'a, 'b: 'a>(
        &'a mut self,
        input: &mut &'b [u8],
    ) -> Result<Option<Item<'a, String>>, Error> {
        self.next_taken(input)
    }

    /// As [`next`](Self::next), for input that is known to be text. Its values are not checked again, and
    /// an event whose data is one line, whole in `input`, borrows from `input`.
    ///
    /// A caller that has many short events in a chunk checks the chunk once by [`text_prefix`](crate::text_prefix),
    /// and saves a check for each of them. Calls of all four methods may alternate within a stream.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    #[inline]
    pub fn next_text<'a, 'b: 'a>(
        &'a mut self,
        input: &mut &'b str,
    ) -> Result<Option<Item<'a>>, Error> {
        self.next_lent(input)
    }

    /// As [`next_text`](Self::next_text), with data that belong to the caller.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    #[inline]
    pub fn next_text_owned<'a, 'b: 'a>(
        &'a mut self,
        input: &mut &'b str,
    ) -> Result<Option<Item<'a, String>>, Error> {
        self.next_taken(input)
    }

    #[inline(always)]
    fn next_lent<'a, 'b: 'a, C: Chunk<'b>>(
        &'a mut self,
        input: &mut C,
    ) -> Result<Option<Item<'a>>, Error> {
        if self.plain
            && let Some(data) = self.plain_event(input)
        {
            let last_event_id = &self.buffers.last_event_id;
            let event = MessageEvent { event_type: MESSAGE, data, last_event_id };
            return Ok(Some(Item::Event(event)));
        }
        Ok(self.next_any(input)?.map(|step| match step {
            Step::Event(block) => Item::Event(self.lend(block)),
            Step::Retry(ms) => Item::Retry(ms),
            Step::Comment => Item::Comment(&self.buffers.scratch),
        }))
    }

    #[inline(always)]
    fn next_taken<'a, 'b: 'a, C: Chunk<'b>>(
        &'a mut self,
        input: &mut C,
    ) -> Result<Option<Item<'a, String>>, Error> {
        if self.plain
            && let Some(data) = self.plain_event(input)
        {
            let (data, last_event_id) = (data.to_owned(), &self.buffers.last_event_id);
            let event = MessageEvent { event_type: MESSAGE, data, last_event_id };
            return Ok(Some(Item::Event(event)));
        }
        Ok(self.next_any(input)?.map(|step| match step {
            Step::Event(block) => Item::Event(self.give(block)),
            Step::Retry(ms) => Item::Retry(ms),
            Step::Comment => Item::Comment(&self.buffers.scratch),
        }))
    }

    /// The data of an event of one data line and a blank line, whole in `input` and ended by LF. Most
    /// events look so. Returns nothing otherwise, and takes nothing.
    #[inline(always)]
    fn plain_event<'b, C: Chunk<'b>>(&self, input: &mut C) -> Option<&'b str> {
        // [html:9.2.6-one-space] [html:9.2.6-field-data] Branches, which a processor predicts: a choice of the place
        // would wait for the byte.
        match input.bytes().strip_prefix(b"data: ") {
            Some(value) => self.plain_value(value, input),
            None => self.plain_value(input.bytes().strip_prefix(b"data:")?, input),
        }
    }

    #[inline(always)]
    fn plain_value<'b, C: Chunk<'b>>(&self, value: &[u8], input: &mut C) -> Option<&'b str> {
        let start = input.bytes().len().wrapping_sub(value.len());
        let len = scan::line_end_of_value(value)?;
        value.get(len..)?.strip_prefix(b"\n\n")?;
        // [sse:limit-borrowed] The line's LF counts too.
        let held = self.buffers.last_event_id.len();
        if len.saturating_add(held) >= self.config.limits.bytes_held_max {
            return None;
        }
        let from_value = input.behind(start)?;
        let text = from_value.text(len)?;
        *input = from_value.behind(len.wrapping_add(2))?;
        Some(text)
    }

    fn is_plain(&self) -> bool {
        let in_use = match self.lent {
            Lent::Nothing | Lent::Event => false,
            Lent::Comment | Lent::Failed(_) => true,
        };
        let begins = self.line.is_start() && self.start == Start::Past && !self.after_cr;
        begins && !in_use && self.buffers.is_between_blocks()
    }

    /// The next item of any kind.
    #[inline(never)]
    fn next_any<'b, C: Chunk<'b>>(&mut self, input: &mut C) -> Result<Option<Step<'b>>, Error> {
        let step = self.step(input);
        self.plain = self.is_plain();
        step.inspect_err(|&error| {
            *input = input.end();
            self.discard_pending();
            self.plain = false;
            self.lent = Lent::Failed(error);
        })
    }

    /// Ends the stream of a connection, and prepares for the next one as [`reset`](Self::reset) does.
    /// Says whether a block was cut off.
    ///
    /// [html:9.2.6-eof-discards] An unfinished block is no event, and its ID is not taken over.
    pub fn finish(&mut self) -> End {
        let failed = self.settle().is_err();
        let between_blocks = self.line.is_start()
            && !matches!(self.start, Start::Mark(1..))
            && !failed
            && self.buffers.is_between_blocks();
        self.reset();
        if between_blocks { End::Clean } else { End::Truncated }
    }

    /// Starts a new connection. Drops the partial block and forgets an error; keeps the last event ID
    /// string and the reconnection time.
    pub fn reset(&mut self) {
        self.discard_pending();
        self.plain = false;
        self.lent = Lent::Nothing;
        self.start = Start::default();
        // [html:9.2.5-crlf-across-chunks] A CR at the end of one connection does not reach the next.
        self.after_cr = false;
    }

    /// The last event ID string: what the next request's `Last-Event-ID` says. Empty: no header.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.buffers.last_event_id
    }

    /// A number that grows whenever the last event ID string is set, also if it is set to what it was. A caller that
    /// keeps a copy of a long ID learns from it, without comparing the two, whether the copy is still right.
    #[must_use]
    pub const fn last_event_id_version(&self) -> u64 {
        self.buffers.id_version
    }

    /// Sets the last event ID string, as known from an earlier run. Best done between connections.
    pub fn set_last_event_id(&mut self, id: &str) {
        self.buffers.set_last_event_id(id);
    }

    /// The last valid `retry`, in milliseconds; `None` if there was none.
    #[must_use]
    pub const fn reconnection_ms(&self) -> Option<u64> {
        self.reconnection_ms
    }

    /// Bytes of decoded text held just now; never above
    /// [`Limits::bytes_held_max`](crate::Limits::bytes_held_max), unless
    /// [`set_last_event_id`](Self::set_last_event_id) put it there.
    #[must_use]
    pub fn bytes_held(&self) -> usize {
        self.buffers.held()
    }

    /// Parses whole lines, then keeps the partial one.
    #[inline]
    fn step<'b, C: Chunk<'b>>(&mut self, input: &mut C) -> Result<Option<Step<'b>>, Error> {
        self.settle()?;
        self.pass_start(input)?;
        if !self.line.is_start() {
            let step = self.finish_line(input)?;
            if step.is_some() || input.bytes().is_empty() {
                return Ok(step);
            }
        }
        let mut block = Borrowed::default();
        // A copy of its own stays in registers; through the reference, every line would wait for
        // the last one's store.
        let mut rest = *input;
        while let Some((line, behind)) = self.cut_line(rest) {
            let from_line = rest;
            rest = behind;
            let step = match line {
                [] => self.dispatch(&mut block),
                // [html:9.2.6-comment] Heartbeats need no further look.
                [b':', ..] if self.config.comments == Comments::Skip => None,
                [_, ..] => self.whole_line(line, from_line, &mut block)?,
            };
            if step.is_some() {
                *input = rest;
                return Ok(step);
            }
            if self.has_data(&block) && rest.bytes().starts_with(b"data: ") {
                rest = self.more_data(rest, &mut block)?;
            }
        }
        *input = rest.end();
        self.buffers.hold(&mut block);
        self.absorb(rest)?;
        Ok(None)
    }

    /// Clears what the last item borrowed.
    #[inline]
    fn settle(&mut self) -> Result<(), Error> {
        match self.lent {
            Lent::Nothing => {}
            Lent::Event => self.buffers.clear_event(),
            Lent::Comment => self.buffers.clear_scratch(),
            Lent::Failed(error) => return Err(error),
        }
        self.lent = Lent::Nothing;
        Ok(())
    }

    /// Skips what may precede a line: the LF of a cut CRLF, and the byte order mark.
    #[inline]
    fn pass_start<'b, C: Chunk<'b>>(&mut self, input: &mut C) -> Result<(), Error> {
        if self.after_cr
            && let Some(&first) = input.bytes().first()
        {
            self.after_cr = false;
            if first == b'\n' {
                *input = input.behind(1).unwrap_or(*input);
            }
        }
        match self.start {
            Start::Past => Ok(()),
            Start::Mark(seen) => self.pass_mark(input, seen),
        }
    }

    /// [html:9.2.5-bom-once] One mark, only at the very start. A part of a mark that goes on
    /// differently belongs to the first line.
    fn pass_mark<'b, C: Chunk<'b>>(&mut self, input: &mut C, seen: usize) -> Result<(), Error> {
        let (before, expected) = BYTE_ORDER_MARK.split_at_checked(seen).unwrap_or_default();
        let bytes = input.bytes();
        let len = bytes.len().min(expected.len());
        if bytes.get(..len) != expected.get(..len) {
            self.start = Start::Past;
            // What lies in the input is read from there.
            return self.absorb(before);
        }
        *input = input.behind(len).unwrap_or(*input);
        let all = len == expected.len();
        self.start = if all { Start::Past } else { Start::Mark(seen.saturating_add(len)) };
        Ok(())
    }

    /// Splits the rest of the partial line from what lies behind its line end.
    #[inline(always)]
    fn cut_line<'b, C: Chunk<'b>>(&mut self, input: C) -> Option<(&'b [u8], C)> {
        let bytes = input.bytes();
        self.cut_at(input, scan::line_end(bytes)?)
    }

    /// The same, for a line whose end was found.
    #[inline(always)]
    fn cut_at<'b, C: Chunk<'b>>(&mut self, input: C, len: usize) -> Option<(&'b [u8], C)> {
        let (line, end) = input.bytes().split_at_checked(len)?;
        // A branch, which a processor predicts: a choice of the place would wait for the byte.
        let end_bytes = if end.first() == Some(&b'\n') { 1 } else { self.cr_bytes(end) };
        Some((line, input.behind(len.wrapping_add(end_bytes))?))
    }

    /// The bytes of a line end that begins with CR.
    #[inline(never)]
    fn cr_bytes(&mut self, end: &[u8]) -> usize {
        match end {
            [_, b'\n', ..] => 2,
            [_] => {
                // [html:9.2.5-cr-ends-line-now] The line does not wait for the next byte.
                // [html:9.2.5-crlf-across-chunks] If that is a LF, it belongs here.
                self.after_cr = true;
                1
            }
            [..] => 1,
        }
    }

    fn discard_pending(&mut self) {
        self.line = Line::START;
        self.buffers.discard_pending();
    }
}

impl fmt::Debug for Parser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parser")
            .field("config", &self.config)
            .field("bytes_held", &self.bytes_held())
            .field("reconnection_ms", &self.reconnection_ms)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "parser/tests.rs"]
mod tests;
