//! The buffer of a small message that was sent, for the next one that is received on the thread: an echo or a proxy then
//! allocates nothing for small messages.

use std::cell::Cell;
use std::ops::RangeInclusive;

use sockeye_websocket::{Message as MessageRef, OwnedMessage};

/// A buffer of this capacity is kept, one a thread.
const CAPACITY: RangeInclusive<usize> = 1..=4096;

/// The kept buffer serves a message only if its capacity is at most twice the message's length and this.
const SLACK_BYTES: usize = 16;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Keeps the buffer of a message that nobody needs any more.
pub(crate) fn keep(message: OwnedMessage) {
    let bytes = match message {
        OwnedMessage::Text(text) => text.into_bytes(),
        OwnedMessage::Binary(bytes) => bytes,
    };
    if CAPACITY.contains(&bytes.capacity()) {
        SPARE.set(bytes);
    }
}

/// A copy of the message, in the buffer that is kept if that fits.
pub(crate) fn owned(message: MessageRef<'_>) -> OwnedMessage {
    let len = message.as_bytes().len();
    let mut spare = SPARE.take();
    if !(len..=2 * len + SLACK_BYTES).contains(&spare.capacity()) {
        return message.into();
    }
    spare.clear();
    match message {
        MessageRef::Binary(bytes) => {
            spare.extend_from_slice(bytes);
            OwnedMessage::Binary(spare)
        }
        MessageRef::Text(text) => {
            let mut spare = String::from_utf8(spare).unwrap_or_default();
            spare.push_str(text);
            OwnedMessage::Text(spare)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacity(message: OwnedMessage) -> usize {
        match message {
            OwnedMessage::Text(text) => text.capacity(),
            OwnedMessage::Binary(bytes) => bytes.capacity(),
        }
    }

    #[test]
    fn a_buffer_that_fits_is_used_once() {
        let kept = || {
            let mut bytes = Vec::with_capacity(50);
            bytes.extend_from_slice(b"an older message");
            keep(OwnedMessage::Binary(bytes));
        };
        let lens = [(16, 16), (17, 50), (50, 50), (51, 51)];
        for (len, expected) in lens {
            let text = "é".repeat(len / 2) + &"a".repeat(len % 2);
            for message in [MessageRef::Text(&text), MessageRef::Binary(text.as_bytes())] {
                kept();
                let copy = owned(message);
                assert_eq!(copy.as_message(), message);
                assert_eq!(capacity(copy), expected, "{len} bytes");
                assert_eq!(capacity(owned(message)), len, "it was used");
            }
        }
    }

    #[test]
    fn a_thread_keeps_little() {
        keep(OwnedMessage::Binary(Vec::with_capacity(4097)));
        assert_eq!(SPARE.take().capacity(), 0);
        keep(OwnedMessage::Text(String::with_capacity(4096)));
        assert_eq!(SPARE.take().capacity(), 4096);
    }
}
