//! A line that lies whole in the input, and the end of a block.

use super::{Lent, MESSAGE, Parser, Step};
use crate::buffers::Borrowed;
use crate::decode;
use crate::field::Field;
use crate::item::{Comments, Error, MessageEvent};

impl Parser {
    /// Takes a line that lies whole in the input, at the front of `from_line`, without a copy if
    /// possible.
    #[inline(always)]
    pub(super) fn whole_line<'b>(
        &mut self,
        line: &'b [u8],
        from_line: &'b [u8],
        block: &mut Borrowed<'b>,
    ) -> Result<Option<Step<'b>>, Error> {
        let (field, value) = self.split(line);
        if field == Field::Unknown {
            return Ok(None);
        }
        // A value reaches to the end of its line.
        let from_value = from_line.get(line.len().saturating_sub(value.len())..);
        let text = from_value.and_then(|bytes| decode::text_before(bytes, value.len()));
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
    fn has_data(&self, block: &Borrowed<'_>) -> bool {
        block.data.is_some() || !self.buffers.data.is_empty()
    }

    /// The event of a block, from the input where it lies there and from the buffers otherwise.
    #[inline]
    pub(super) fn lend<'a>(&'a self, block: Borrowed<'a>) -> MessageEvent<'a> {
        // [html:9.2.6-dispatch-final-lf] One LF goes, the one of the last line.
        let held = || self.buffers.data.strip_suffix('\n').unwrap_or_default();
        let data = block.data.unwrap_or_else(held);
        let event_type = match block.event_type.unwrap_or(&self.buffers.event_type) {
            // [html:9.2.6-dispatch-type] Empty means the default, also if a line set it empty.
            "" => MESSAGE,
            named => named,
        };
        MessageEvent { event_type, data, last_event_id: &self.buffers.last_event_id }
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
