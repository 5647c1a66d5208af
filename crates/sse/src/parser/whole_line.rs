//! A line that lies whole in the input, and the end of a block.

use alloc::borrow::ToOwned;
use alloc::string::String;

use super::{Lent, MESSAGE, Parser, Step};
use crate::buffers::Borrowed;
use crate::chunk::Chunk;
use crate::field::Field;
use crate::item::{Comments, Error, MessageEvent};
use crate::scan;

impl Parser {
    /// Takes a line that lies whole in the input, at the front of `from_line`, without a copy if
    /// possible.
    #[inline(always)]
    pub(super) fn whole_line<'b, C: Chunk<'b>>(
        &mut self,
        line: &'b [u8],
        from_line: C,
        block: &mut Borrowed<'b>,
    ) -> Result<Option<Step<'b>>, Error> {
        let (field, value) = self.split(line);
        if field == Field::Unknown {
            return Ok(None);
        }
        // A value reaches to the end of its line.
        let from_value = from_line.behind(line.len().saturating_sub(value.len()));
        let text = from_value.and_then(|from_value| from_value.text(value.len()));
        let Some(text) = text else {
            return self.copied_line(field, value, block);
        };
        match field {
            Field::Data => {
                self.admit(block, text.len().saturating_add(1))?;
                if self.has_data(block) {
                    self.buffers.hold(block);
                    self.buffers.push_data_line(text);
                } else {
                    block.data = Some(text);
                }
            }
            Field::EventType => {
                block.event_type = None;
                self.buffers.begin(field);
                self.admit(block, text.len())?;
                block.event_type = Some(text);
            }
            Field::Id => {
                self.admit(block, text.len())?;
                self.buffers.set_id(text);
            }
            Field::Retry | Field::Comment => return self.copied_line(field, value, block),
            Field::Unknown => {}
        }
        Ok(None)
    }

    /// Joins the data lines that follow the first one, as long as they are whole, end in LF and are UTF-8. Returns what
    /// is behind them.
    #[inline(never)]
    pub(super) fn more_data<'b, C: Chunk<'b>>(
        &mut self,
        mut rest: C,
        block: &mut Borrowed<'b>,
    ) -> Result<C, Error> {
        self.buffers.hold(block);
        let mut room = self.room();
        while let Some((text, behind)) = data_line(rest) {
            room = room.checked_sub(text.len().saturating_add(1)).ok_or(Error::TooLarge)?;
            self.buffers.push_data_line(text);
            rest = behind;
        }
        Ok(rest)
    }

    /// Takes a whole line as if it had come in pieces.
    #[inline(never)]
    fn copied_line<'b>(
        &mut self,
        field: Field,
        value: &[u8],
        block: &mut Borrowed<'_>,
    ) -> Result<Option<Step<'b>>, Error> {
        self.buffers.hold(block);
        self.buffers.begin(field);
        self.push(field, value)?;
        self.end(field)
    }

    /// [html:9.2.6-blank-dispatches] Handles a blank line: dispatch, in the standard's order.
    #[inline]
    pub(super) fn dispatch<'b>(&mut self, block: &mut Borrowed<'b>) -> Option<Step<'b>> {
        // [html:9.2.6-dispatch-id-first] The ID counts even if there is no event to dispatch.
        self.buffers.commit_id();
        let block = core::mem::take(block);
        // [html:9.2.6-dispatch-needs-data] A data line without a value is data; none is none.
        if !self.has_data(&block) {
            self.buffers.event_type.clear();
            return None;
        }
        self.lent = Lent::Event;
        Some(Step::Event(block))
    }

    /// Whether the block has a data line.
    #[inline]
    pub(super) fn has_data(&self, block: &Borrowed<'_>) -> bool {
        block.data.is_some() || !self.buffers.data.is_empty()
    }

    /// The event of a block, from the input where it lies there and from the buffers otherwise.
    #[inline]
    pub(super) fn lend<'a>(&'a self, block: Borrowed<'a>) -> MessageEvent<'a> {
        // [html:9.2.6-dispatch-final-lf] One LF goes, the one of the last line.
        let held = || self.buffers.data.strip_suffix('\n').unwrap_or_default();
        let data = block.data.unwrap_or_else(held);
        let event_type = self.event_type(block);
        MessageEvent { event_type, data, last_event_id: &self.buffers.last_event_id }
    }

    /// The same event with data of its own.
    #[inline]
    pub(super) fn give<'a>(&'a mut self, block: Borrowed<'a>) -> MessageEvent<'a, String> {
        let data = block.data.map_or_else(|| self.buffers.give_data(), str::to_owned);
        let event_type = self.event_type(block);
        MessageEvent { event_type, data, last_event_id: &self.buffers.last_event_id }
    }

    #[inline]
    fn event_type<'a>(&'a self, block: Borrowed<'a>) -> &'a str {
        match block.event_type.unwrap_or(&self.buffers.event_type) {
            // [html:9.2.6-dispatch-type] Empty means the default, also if a line set it empty.
            "" => MESSAGE,
            named => named,
        }
    }

    /// [`Field::split`], with a comment that nobody asked for among the unknown.
    #[inline]
    pub(super) fn split<'l>(&self, line: &'l [u8]) -> (Field, &'l [u8]) {
        match (Field::split(line), self.config.comments) {
            ((Field::Comment, value), Comments::Skip) => (Field::Unknown, value),
            (split, Comments::Skip | Comments::Report) => split,
        }
    }

    /// Bytes that may still be held.
    #[inline]
    pub(super) fn room(&self) -> usize {
        self.config.limits.bytes_held_max.saturating_sub(self.buffers.held())
    }

    /// [sse:limit-borrowed] What an event borrows counts as if it were held, so that no cut of the
    /// input makes a difference.
    #[inline]
    fn admit(&self, block: &Borrowed<'_>, more: usize) -> Result<(), Error> {
        let needed = block.held().saturating_add(more);
        if needed > self.room() { Err(Error::TooLarge) } else { Ok(()) }
    }
}

/// The value of the data line at the front of `rest`, and what is behind its LF.
#[inline(always)]
fn data_line<'b, C: Chunk<'b>>(rest: C) -> Option<(&'b str, C)> {
    // [html:9.2.6-one-space] [html:9.2.6-field-data]
    let value = rest.bytes().strip_prefix(b"data: ")?;
    let len = scan::line_end_of_value(value)?;
    if value.get(len) != Some(&b'\n') {
        return None;
    }
    let from_value = rest.behind(b"data: ".len())?;
    Some((from_value.text(len)?, from_value.behind(len.wrapping_add(1))?))
}
