//! Counts what a block decodes to.

use crate::{Error, FIELD_OVERHEAD, Limits};

/// The number and the bytes of a block's fields so far.
pub(crate) struct Count {
    limits: Limits,
    fields: usize,
    bytes: usize,
    /// The first limit of the message that was passed.
    over: Option<Error>,
}

impl Count {
    pub(crate) const fn new(limits: Limits) -> Self {
        Self { limits, fields: 0, bytes: 0, over: None }
    }

    /// Counts a field, before it is copied or visited.
    pub(crate) fn add(&mut self, name_len: usize, value_len: usize) -> Result<(), Error> {
        let len = name_len.saturating_add(value_len).saturating_add(FIELD_OVERHEAD);
        self.fields = self.fields.saturating_add(1);
        self.bytes = self.bytes.saturating_add(len);
        // [hpack:limit-decoded] The work for a block ends with the bytes that it decodes to.
        if self.bytes > self.limits.decoded_bytes_max {
            return Err(Error::DecodedTooLong);
        }
        if self.over.is_none() {
            // [hpack:limit-fields] Each field counts, an empty one and each crumb of a cookie, too.
            // [hpack:limit-list] Decoded bytes count, and 32 for each field.
            self.over = if self.fields > self.limits.fields_max {
                Some(Error::TooManyFields)
            } else if self.bytes > self.limits.list_bytes_max {
                Some(Error::ListTooLong)
            } else {
                None
            };
        }
        Ok(())
    }

    /// Whether the block is within the limits of a message so far.
    pub(crate) const fn is_within(&self) -> bool {
        self.over.is_none()
    }

    pub(crate) fn verdict(&self) -> Result<(), Error> {
        // [hpack:limit-table-kept] The block was decoded to its end: later blocks decode right.
        self.over.map_or(Ok(()), Err)
    }
}
