//! What the hub keeps of a publication.

use std::cell::OnceCell;

use sockeye_hub::Entry;
use sockeye_server::{SharedEvent, SharedMessage};

use crate::engine::session::Envelope;
use crate::wire::{self, CursorText, Payload};

/// A payload and its encodings. Each is made when the first stream wants it, and once for all.
#[derive(Debug)]
pub(crate) struct Body {
    payload: Payload,
    raw: OnceCell<SharedEvent>,
    envelope: OnceCell<SharedEvent>,
    message: OnceCell<SharedMessage>,
    bare: OnceCell<Option<SharedMessage>>,
}

impl Body {
    pub(crate) const fn new(payload: Payload) -> Self {
        Self {
            payload,
            raw: OnceCell::new(),
            envelope: OnceCell::new(),
            message: OnceCell::new(),
            bare: OnceCell::new(),
        }
    }

    pub(crate) fn into_payload(self) -> Payload {
        self.payload
    }

    pub(crate) const fn payload(&self) -> &Payload {
        &self.payload
    }
}

impl AsRef<Payload> for Body {
    fn as_ref(&self) -> &Payload {
        &self.payload
    }
}

/// The entry as an event without a proof in its ID.
pub(crate) fn event(entry: &Entry<Body>, envelope: Envelope) -> &SharedEvent {
    let cell = match envelope {
        Envelope::None => &entry.body.raw,
        Envelope::Json => &entry.body.envelope,
    };
    cell.get_or_init(|| {
        let (cursor, mut text) = (CursorText::new(entry.position), String::new());
        SharedEvent::new(&wire::event(entry, &cursor, wire_form(envelope), &mut text))
    })
}

pub(crate) const fn wire_form(envelope: Envelope) -> wire::Form {
    match envelope {
        Envelope::None => wire::Form::Raw,
        Envelope::Json => wire::Form::Envelope,
    }
}

/// The entry as a message of the subprotocol.
pub(crate) fn message(entry: &Entry<Body>) -> &SharedMessage {
    entry.body.message.get_or_init(|| {
        // A message is its data and its envelope, which seldom has more than that.
        let mut text = String::with_capacity(entry.body.payload.cost() + entry.channel.len() + 160);
        wire::message(entry, &CursorText::new(entry.position), &mut text);
        SharedMessage::text(&text)
    })
}

/// The payload alone; a channel's end has none.
pub(crate) fn bare(entry: &Entry<Body>) -> Option<&SharedMessage> {
    entry.body.bare.get_or_init(|| wire::bare(entry).map(SharedMessage::text)).as_ref()
}
