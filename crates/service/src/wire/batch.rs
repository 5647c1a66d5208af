//! Reads a batch: many publications in one body, a line each.

use super::fields::Fields;
use super::json::utf8;
use super::publish::publish_one;
use super::{Code, Limits, Problem, Publish};

/// The lines of `POST /v1/batch`: each an object as of `POST /v1/publish`, with one channel.
///
/// An iterator over the number of each line that is not blank, counted from one, and what it is. A
/// line that is wrong does not stop the others.
#[derive(Clone, Debug)]
pub struct Batch<'t> {
    rest: &'t [u8],
    line: u64,
    limits: Limits,
}

impl<'t> Batch<'t> {
    /// Counts the lines, and reads none yet.
    ///
    /// # Errors
    /// [`Code::TooManyItems`] or, for a body without a line, [`Code::BadRequest`].
    pub fn new(body: &'t [u8], limits: &Limits) -> Result<Self, Problem> {
        let items = body.split(|&byte| byte == b'\n').filter(|line| !is_blank(line)).count();
        // [service:bound-batch] Before the first of them is published.
        if items > limits.batch_items_max {
            let message = format!("the batch has more than {} lines", limits.batch_items_max);
            return Err(Problem::new(Code::TooManyItems, message));
        }
        if items == 0 {
            return Err(Problem::new(Code::BadRequest, "the batch is empty"));
        }
        Ok(Self { rest: body, line: 0, limits: *limits })
    }

    /// Goes on behind the line with the number `line`: `rest` is what was left.
    pub(crate) const fn resume(rest: &'t [u8], line: u64, limits: &Limits) -> Self {
        Self { rest, line, limits: *limits }
    }

    /// What is left, and the number of the line before it.
    pub(crate) const fn rest(&self) -> (&'t [u8], u64) {
        (self.rest, self.line)
    }
}

impl<'t> Iterator for Batch<'t> {
    type Item = (u64, Result<Publish<'t>, Problem>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let end = self.rest.iter().position(|&byte| byte == b'\n');
            let (line, rest) = match end {
                Some(at) => (&self.rest[..at], &self.rest[at + 1..]),
                None => (self.rest, &[][..]),
            };
            self.rest = rest;
            self.line += 1;
            if !is_blank(line) {
                // [service:batch-goes-on]
                return Some((self.line, item(line, &self.limits)));
            }
        }
        None
    }
}

fn item<'t>(line: &'t [u8], limits: &Limits) -> Result<Publish<'t>, Problem> {
    let text = utf8(line, "the line")?;
    let (fields, read) = Fields::read(text, Code::BadRequest);
    read?;
    publish_one(fields, limits)
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}
