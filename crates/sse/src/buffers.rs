//! The buffers of a partial block.

use alloc::string::String;

use crate::chunk::Chunk;
use crate::decode::Decoder;
use crate::field::{Digits, Field};
use crate::item::Error;

/// The parts of a partial block that still lie in the input, without a copy.
#[derive(Clone, Copy, Default)]
pub(crate) struct Borrowed<'b> {
    /// The only data line so far.
    pub(crate) data: Option<&'b str>,
    pub(crate) event_type: Option<&'b str>,
}

impl Borrowed<'_> {
    /// Bytes that [`Buffers::hold`] would add.
    #[inline]
    pub(crate) fn held(&self) -> usize {
        let data = self.data.map_or(0, |data| data.len().saturating_add(1));
        data.saturating_add(self.event_type.map_or(0, str::len))
    }
}

/// The buffers of the standard, filled as values arrive. Every line passes through
/// [`begin`](Self::begin), [`push`](Self::push) any number of times, and [`end`](Self::end).
#[derive(Default)]
pub(crate) struct Buffers {
    /// The data buffer: every line with its LF.
    pub(crate) data: String,
    /// Bytes of the last data that were given away: room for the next ones.
    given: usize,
    pub(crate) event_type: String,
    /// The value of an `id` or a reported comment.
    pub(crate) scratch: String,
    /// The last event ID buffer while it differs from the string; empty otherwise.
    id: String,
    id_pending: bool,
    pub(crate) last_event_id: String,
    /// Grows whenever the last event ID string is set.
    pub(crate) id_version: u64,
    decoder: Decoder,
    digits: Digits,
}

/// The capacity that a buffer keeps when its event is done. More is freed, so that one huge event
/// does not cost memory on a connection that idles for hours.
const CAPACITY_KEPT: usize = 64 << 10;

impl Buffers {
    /// Bytes held, all buffers together.
    #[inline]
    pub(crate) fn held(&self) -> usize {
        let block = self.data.len().saturating_add(self.event_type.len());
        let ids = self.id.len().saturating_add(self.last_event_id.len());
        block.saturating_add(ids).saturating_add(self.scratch.len())
    }

    #[cfg(test)]
    pub(crate) fn capacities(&self) -> [usize; 5] {
        [&self.data, &self.event_type, &self.scratch, &self.id, &self.last_event_id]
            .map(String::capacity)
    }

    pub(crate) fn is_between_blocks(&self) -> bool {
        self.data.is_empty() && self.event_type.is_empty() && !self.id_pending
    }

    /// Copies the borrowed parts of the block into the buffers, because the input will not last.
    /// The room was checked when it was borrowed.
    #[inline(always)]
    pub(crate) fn hold(&mut self, block: &mut Borrowed<'_>) {
        if let Some(data) = block.data.take() {
            self.push_data_line(data);
        }
        if let Some(event_type) = block.event_type.take() {
            self.event_type.push_str(event_type);
        }
    }

    /// [html:9.2.6-field-data] The value and one LF. The room was checked before.
    #[inline]
    pub(crate) fn push_data_line(&mut self, text: &str) {
        self.reserve_data();
        self.data.push_str(text);
        self.data.push('\n');
    }

    /// Makes the room for an event as large as the last one that was given away.
    #[inline]
    fn reserve_data(&mut self) {
        if self.data.capacity() == 0 {
            self.data.reserve(self.given);
        }
    }

    /// [html:9.2.6-dispatch-final-lf] The data without their last LF. The buffer itself goes, if it is not much too large.
    pub(crate) fn give_data(&mut self) -> String {
        self.data.pop();
        self.given = self.data.len().saturating_add(1).min(CAPACITY_KEPT);
        if self.data.capacity() / 2 > self.data.len() {
            return self.data.clone();
        }
        core::mem::take(&mut self.data)
    }

    /// [html:9.2.6-field-id] A whole `id` value. It waits for the blank line.
    pub(crate) fn set_id(&mut self, text: &str) {
        if is_id(text) {
            self.id.clear();
            self.id.push_str(text);
            self.id_pending = true;
        }
    }

    /// A line of this field begins its value.
    pub(crate) fn begin(&mut self, field: Field) {
        match field {
            // [html:9.2.6-field-event] The last one wins, also an empty one.
            Field::EventType => self.event_type.clear(),
            Field::Retry => self.digits = Digits::default(),
            Field::Data | Field::Id | Field::Comment | Field::Unknown => {}
        }
    }

    /// A piece of the value; `room` bytes more may be held.
    pub(crate) fn push<'b, C: Chunk<'b>>(
        &mut self,
        field: Field,
        value: C,
        room: usize,
    ) -> Result<(), Error> {
        match field {
            Field::Data => {
                self.reserve_data();
                self.decoder.push(value, room, &mut self.data)
            }
            Field::EventType => self.decoder.push(value, room, &mut self.event_type),
            Field::Id | Field::Comment => self.decoder.push(value, room, &mut self.scratch),
            Field::Retry => {
                self.digits.push(value.bytes());
                Ok(())
            }
            // [sse:limit-skipped] Comments that nobody wants and unknown fields cost no memory.
            Field::Unknown => Ok(()),
        }
    }

    /// The line ends.
    pub(crate) fn end(&mut self, field: Field, room: usize) -> Result<(), Error> {
        match field {
            Field::Data => {
                let before = self.data.len();
                self.decoder.finish(room, &mut self.data)?;
                if self.data.len().saturating_sub(before) >= room {
                    return Err(Error::TooLarge);
                }
                self.push_data_line("");
            }
            Field::EventType => self.decoder.finish(room, &mut self.event_type)?,
            Field::Id => {
                self.decoder.finish(room, &mut self.scratch)?;
                if is_id(&self.scratch) {
                    core::mem::swap(&mut self.id, &mut self.scratch);
                    self.id_pending = true;
                }
                empty(&mut self.scratch);
            }
            Field::Comment => self.decoder.finish(room, &mut self.scratch)?,
            Field::Retry | Field::Unknown => {}
        }
        Ok(())
    }

    /// The value of the `retry` line that just ended, if it is valid.
    pub(crate) const fn retry_ms(&self) -> Option<u64> {
        self.digits.finish()
    }

    /// Sets the last event ID string from the buffer.
    ///
    /// [html:9.2.6-id-buffer-carried] Without an `id` the buffer says what the string says, in the
    /// first block of a later connection too.
    #[inline]
    pub(crate) fn commit_id(&mut self) {
        if self.id_pending {
            self.id_pending = false;
            core::mem::swap(&mut self.id, &mut self.last_event_id);
            empty(&mut self.id);
            self.id_version = self.id_version.wrapping_add(1);
        }
    }

    /// Sets the last event ID string from outside of the stream.
    pub(crate) fn set_last_event_id(&mut self, id: &str) {
        self.last_event_id.clear();
        self.last_event_id.push_str(id);
        self.id_version = self.id_version.wrapping_add(1);
    }

    /// [html:9.2.6-dispatch-clears] Data and event type, but not the ID.
    #[inline]
    pub(crate) fn clear_event(&mut self) {
        empty(&mut self.data);
        empty(&mut self.event_type);
    }

    pub(crate) fn clear_scratch(&mut self) {
        empty(&mut self.scratch);
    }

    /// Drops the unfinished block and line, keeps the last event ID string.
    pub(crate) fn discard_pending(&mut self) {
        self.clear_event();
        self.clear_scratch();
        empty(&mut self.id);
        self.id_pending = false;
        self.decoder = Decoder::default();
        self.digits = Digits::default();
    }
}

/// [html:9.2.6-field-id-nul] An ID with NUL is as if it were not there.
fn is_id(text: &str) -> bool {
    !text.as_bytes().contains(&0)
}

/// Empties a buffer, and frees the capacity of an unusually large event.
#[inline]
fn empty(buffer: &mut String) {
    buffer.clear();
    if buffer.capacity() > CAPACITY_KEPT {
        // Freed and not shrunk: allocators adapt to blocks that are freed, and not to blocks that shrink.
        *buffer = String::new();
    }
}
