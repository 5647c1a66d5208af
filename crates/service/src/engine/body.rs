//! The body of an entry, as the hub keeps it.

use crate::payload::Payload;

/// A payload, and the encodings that a dialect has made of it.
#[derive(Debug)]
pub struct Body<F> {
    payload: Payload,
    forms: F,
}

impl<F: Default> Body<F> {
    /// A payload that nobody has encoded yet.
    pub(crate) fn new(payload: Payload) -> Self {
        Self { payload, forms: F::default() }
    }
}

impl<F> Body<F> {
    /// The payload.
    pub const fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The encodings.
    pub const fn forms(&self) -> &F {
        &self.forms
    }
}

impl<F> AsRef<Payload> for Body<F> {
    fn as_ref(&self) -> &Payload {
        &self.payload
    }
}
