//! A line that arrives in pieces.

use super::{Lent, Line, Parser, Step};
use crate::field::Field;
use crate::item::Error;

impl Parser {
    /// Continues the partial line, to its end or to the end of the input.
    #[inline(never)]
    pub(super) fn finish_line<'b>(&mut self, input: &mut &[u8]) -> Result<Option<Step<'b>>, Error> {
        match self.cut_line(input) {
            Some((line, rest)) => {
                *input = rest;
                self.absorb(line)?;
                self.end_line()
            }
            None => {
                self.absorb(core::mem::take(input))?;
                Ok(None)
            }
        }
    }

    /// Takes a piece of the partial line, without a line end.
    #[inline(never)]
    pub(super) fn absorb(&mut self, piece: &[u8]) -> Result<(), Error> {
        match &mut self.line {
            Line::Value(field) => {
                let field = *field;
                self.push(field, piece)
            }
            Line::Head { bytes, len } => {
                let mut piece = piece;
                for to in bytes.iter_mut().skip(*len) {
                    let Some((&byte, rest)) = piece.split_first() else { return Ok(()) };
                    (*to, piece) = (byte, rest);
                    *len = len.saturating_add(1);
                }
                let head = *bytes;
                let field = self.begin(&head)?;
                self.push(field, piece)
            }
        }
    }

    /// Finds the field of the partial line by its head, and begins its value.
    fn begin(&mut self, head: &[u8]) -> Result<Field, Error> {
        let (field, value) = self.split(head);
        self.line = Line::Value(field);
        self.buffers.begin(field);
        self.push(field, value)?;
        Ok(field)
    }

    pub(super) fn push(&mut self, field: Field, value: &[u8]) -> Result<(), Error> {
        self.buffers.push(field, value, self.room())
    }

    /// Ends the partial line: its field counts from now on.
    fn end_line<'b>(&mut self) -> Result<Option<Step<'b>>, Error> {
        let field = match core::mem::take(&mut self.line) {
            Line::Value(field) => field,
            Line::Head { bytes, len } => self.begin(bytes.get(..len).unwrap_or_default())?,
        };
        self.line = Line::START;
        self.end(field)
    }

    pub(super) fn end<'b>(&mut self, field: Field) -> Result<Option<Step<'b>>, Error> {
        let room = self.room();
        self.buffers.end(field, room)?;
        Ok(match field {
            // [html:9.2.6-retry-at-line-end] No blank line is needed, nor data.
            Field::Retry => self.buffers.retry_ms().map(|ms| {
                self.reconnection_ms = Some(ms);
                Step::Retry(ms)
            }),
            Field::Comment => {
                self.lent = Lent::Comment;
                Some(Step::Comment)
            }
            Field::Data | Field::EventType | Field::Id | Field::Unknown => None,
        })
    }
}
