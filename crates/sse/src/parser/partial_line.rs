//! A line that arrives in pieces.

use super::{Lent, Line, Parser, Step};
use crate::chunk::Chunk;
use crate::field::{Field, HEAD_BYTES};
use crate::item::Error;
use crate::scan;

impl Parser {
    /// Continues the partial line, to its end or to the end of the input.
    #[inline(never)]
    pub(super) fn finish_line<'b, C: Chunk<'b>>(
        &mut self,
        input: &mut C,
    ) -> Result<Option<Step<'b>>, Error> {
        let from_line = *input;
        let cut =
            scan::line_end_of_rest(from_line.bytes()).and_then(|len| self.cut_at(from_line, len));
        match cut {
            Some((line, rest)) => {
                *input = rest;
                match from_line.known_text() {
                    Some(text) => self.absorb(text.get(..line.len()).unwrap_or_default())?,
                    None => self.absorb(line)?,
                }
                self.end_line()
            }
            None => {
                *input = from_line.end();
                self.absorb(from_line)?;
                Ok(None)
            }
        }
    }

    /// Takes a piece of the partial line, without a line end.
    #[inline(never)]
    pub(super) fn absorb<'b, C: Chunk<'b>>(&mut self, piece: C) -> Result<(), Error> {
        match &mut self.line {
            Line::Value(field) => {
                let field = *field;
                self.push(field, piece)
            }
            Line::Head { bytes, len } => {
                let before = *len;
                for (to, &byte) in bytes.iter_mut().skip(before).zip(piece.bytes()) {
                    *to = byte;
                    *len = len.saturating_add(1);
                }
                if *len < HEAD_BYTES {
                    return Ok(());
                }
                let (head, taken) = (*bytes, len.saturating_sub(before));
                let field = self.begin(&head)?;
                match piece.behind(taken) {
                    Some(rest) => self.push(field, rest),
                    // The head ends inside a character.
                    None => self.push(field, piece.bytes().get(taken..).unwrap_or_default()),
                }
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

    pub(super) fn push<'b, C: Chunk<'b>>(&mut self, field: Field, value: C) -> Result<(), Error> {
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
