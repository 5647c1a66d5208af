//! The events that an event source reports, borrowed.

use core::fmt;

use sockeye_sse::{Input, Item, MessageEvent, Reconnection};

use crate::{Error, Url, headers};

/// What an event source tells. It may borrow from the input.
pub enum SourceEvent<'e> {
    /// The stream is open, for the first time or again.
    Open(SourceOpened),
    /// An event of the stream.
    Message(MessageEvent<'e>),
    /// A comment, if they were asked for.
    Comment(&'e str),
    /// The stream has set the reconnection time, in milliseconds.
    Retry(u64),
    /// The stream was lost, or could not be had. It is asked for again after the wait.
    Lost {
        /// Why.
        why: Error,
        /// How long, in milliseconds.
        wait_ms: u64,
    },
}

/// Shows lengths in the place of what the stream says.
impl fmt::Debug for SourceEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(opened) => f.debug_tuple("Open").field(opened).finish(),
            Self::Message(message) => f.debug_tuple("Message").field(message).finish(),
            Self::Comment(text) => write!(f, "Comment({} bytes)", text.len()),
            Self::Retry(ms) => f.debug_tuple("Retry").field(ms).finish(),
            Self::Lost { why, wait_ms } => {
                f.debug_struct("Lost").field("why", why).field("wait_ms", wait_ms).finish()
            }
        }
    }
}

/// The head of a response that is an event stream.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceOpened {
    /// Where it came from, after all redirects: the origin of its events.
    pub url: Url,
    /// The header lines, in their order. What is not UTF-8 in a value has been replaced.
    pub headers: Vec<(String, String)>,
}

impl SourceOpened {
    /// The first value of a header, by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        headers::find(&self.headers, name)
    }
}

/// Shows no values: they may hold credentials.
impl fmt::Debug for SourceOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = headers::names(&self.headers);
        f.debug_struct("SourceOpened").field("url", &self.url).field("headers", &names).finish()
    }
}

/// Hands an item of the stream over, as the event that it is.
pub(super) fn tell<R>(
    item: Item<'_>,
    reconnection: &mut Reconnection,
    take: &mut dyn FnMut(SourceEvent<'_>) -> R,
) -> R {
    take(match item {
        Item::Event(event) => SourceEvent::Message(event),
        Item::Comment(text) => SourceEvent::Comment(text),
        Item::Retry(ms) => {
            reconnection.handle(Input::Retry(ms));
            SourceEvent::Retry(ms)
        }
    })
}
