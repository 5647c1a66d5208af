//! Shared messages and shared events that are sent together.

use std::cell::OnceCell;

use sockeye_deflate::Gzip;
use sockeye_deflate::gzip::TextChecksum;
use sockeye_reactor::Shared;

use crate::budget::Budget;
use crate::framing::Framing;
use crate::shared::{CodedBlock, SharedEvent, SharedMessage};

/// WebSocket messages for many streams, in order: [`Context::send_all_shared_below`].
///
/// The plain frames are put together once, when the first recipient takes all of them. All recipients'
/// outboxes then refer to one allocation.
///
/// [`Context::send_all_shared_below`]: crate::Context::send_all_shared_below
#[derive(Debug)]
pub struct SharedMessages {
    messages: Vec<SharedMessage>,
    frames: OnceCell<Joined>,
}

impl SharedMessages {
    /// Messages in their order.
    pub fn new(messages: Vec<SharedMessage>) -> Self {
        Self { messages, frames: OnceCell::new() }
    }

    /// The messages.
    pub fn as_slice(&self) -> &[SharedMessage] {
        &self.messages
    }

    /// The uncompressed frames.
    pub(crate) fn frames(&self) -> &Joined {
        self.frames.get_or_init(|| Joined::new(self.messages.iter().map(SharedMessage::frame)))
    }
}

impl FromIterator<SharedMessage> for SharedMessages {
    fn from_iter<I: IntoIterator<Item = SharedMessage>>(messages: I) -> Self {
        Self::new(messages.into_iter().collect())
    }
}

/// Events for many streams, in order: [`Context::send_all_shared_events_below`].
///
/// The events are put together once for each form that a version of HTTP needs. All recipients' outboxes
/// then refer to one allocation.
///
/// [`Context::send_all_shared_events_below`]: crate::Context::send_all_shared_events_below
#[derive(Debug)]
pub struct SharedEvents {
    events: Vec<SharedEvent>,
    chunks: OnceCell<Joined>,
    blocks: OnceCell<Joined>,
    /// The same in gzip, once a stream wants it.
    coded: OnceCell<Box<CodedEvents>>,
}

/// Events in gzip. Each is a block of its own, so that no length tells what they have in common.
#[derive(Debug)]
pub(crate) struct CodedEvents {
    chunks: OnceCell<Joined>,
    blocks: OnceCell<Joined>,
    /// The checksum of all their texts.
    pub(crate) text: TextChecksum,
}

impl SharedEvents {
    /// Events in their order.
    pub fn new(events: Vec<SharedEvent>) -> Self {
        let (chunks, blocks, coded) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { events, chunks, blocks, coded }
    }

    /// The events.
    pub fn as_slice(&self) -> &[SharedEvent] {
        &self.events
    }

    /// A chunk for each event.
    pub(crate) fn chunks(&self) -> &Joined {
        self.chunks.get_or_init(|| Joined::new(self.events.iter().map(SharedEvent::chunk)))
    }

    /// The blocks without frames.
    pub(crate) fn blocks(&self) -> &Joined {
        self.blocks.get_or_init(|| Joined::new(self.events.iter().map(SharedEvent::block)))
    }

    /// The events in gzip, all in one, with their checksum. The first stream in gzip pays for the
    /// compression, from `budget`.
    pub(crate) fn coded(
        &self,
        framing: Framing,
        gzip: &mut Gzip,
        budget: &mut Budget,
    ) -> (&Joined, &TextChecksum) {
        let coded = self.coded.get_or_init(|| {
            let texts = self.events.iter().map(|event| event.coded(gzip, budget).text);
            let text = texts.fold(TextChecksum::NONE, TextChecksum::then);
            Box::new(CodedEvents { chunks: OnceCell::new(), blocks: OnceCell::new(), text })
        });
        let mut join = |form: fn(&CodedBlock) -> &Shared| {
            let parts: Vec<_> =
                self.events.iter().map(|event| form(event.coded(gzip, budget))).collect();
            Joined::new(parts.into_iter())
        };
        let joined = match framing {
            Framing::Chunked => coded.chunks.get_or_init(|| join(CodedBlock::chunk)),
            Framing::Bare => coded.blocks.get_or_init(|| join(CodedBlock::block)),
        };
        (joined, &coded.text)
    }
}

impl FromIterator<SharedEvent> for SharedEvents {
    fn from_iter<I: IntoIterator<Item = SharedEvent>>(events: I) -> Self {
        Self::new(events.into_iter().collect())
    }
}

/// Encoded parts, one behind the other.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) bytes: Shared,
    last_len: usize,
}

impl Joined {
    fn new<'p>(parts: impl Iterator<Item = &'p Shared> + Clone) -> Self {
        let mut bytes = Vec::with_capacity(parts.clone().map(|part| part.len()).sum());
        let mut last_len = 0;
        for part in parts {
            bytes.extend_from_slice(part);
            last_len = part.len();
        }
        Self { bytes: Shared::new(&bytes), last_len }
    }

    /// Whether an outbox with `waiting` bytes takes every part, one after the other: before each of them
    /// fewer than `waiting_max` bytes wait, and after each at most `bytes_max`.
    #[inline]
    pub(crate) fn fit(&self, waiting: usize, waiting_max: usize, bytes_max: usize) -> bool {
        let before_last = waiting + (self.bytes.len() - self.last_len);
        before_last < waiting_max && before_last + self.last_len <= bytes_max
    }
}
