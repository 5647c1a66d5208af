//! An event that borrows from nothing.

use core::fmt;
use std::sync::Arc;

use sockeye_sse::Parser;

/// One event of an event stream, as the standard dispatches it. An event of the type `message` without an ID is one
/// allocation, its data; a type, an ID or both are one more. Events share an ID of more than 64 bytes; a type is then an
/// allocation of its own.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The data lines, joined by LF.
    pub data: String,
    names: Names,
}

/// The type and the last event ID string of an event.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Names(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    /// The type (nothing for `message`), a LF, and the ID. Empty, without an allocation, if both are the usual ones. No type
    /// has a LF: a line ends there.
    Own(Box<str>),
    /// The ID is too long to be copied for each event.
    Shared(Arc<SharedNames>),
}

#[derive(PartialEq, Eq)]
struct SharedNames {
    event_type: Box<str>,
    last_event_id: Arc<str>,
}

/// An event without names is dropped by a look at two words. The code that frees names is kept out of the loops of
/// callers, where it would take registers.
impl Drop for Names {
    #[inline(always)]
    fn drop(&mut self) {
        if !matches!(&self.0, Kind::Own(names) if names.is_empty()) {
            free(core::mem::replace(&mut self.0, Kind::Own(Box::default())));
        }
    }
}

#[inline(never)]
fn free(names: Kind) {
    drop(names);
}

/// Longer IDs are shared. Otherwise a peer could set a long ID once, and make each of its smallest events hold a copy.
const COPIED_ID_BYTES_MAX: usize = 64;

impl Event {
    #[inline(always)]
    pub(super) const fn new(data: String, names: Names) -> Self {
        Self { data, names }
    }

    /// The event type: `message` unless the stream named another.
    #[must_use]
    pub fn event_type(&self) -> &str {
        match self.names() {
            ("", _) => MESSAGE,
            (named, _) => named,
        }
    }

    /// The last event ID string at this event, which an earlier block may have set; empty if there is none.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        self.names().1
    }

    fn names(&self) -> (&str, &str) {
        match &self.names.0 {
            Kind::Own(names) => names.split_once('\n').unwrap_or_default(),
            Kind::Shared(names) => (&names.event_type, &names.last_event_id),
        }
    }
}

const MESSAGE: &str = "message";

impl Names {
    /// Names with an ID of their own, which is not [long](LongId::is_long).
    #[inline(always)]
    pub(super) fn new(event_type: &str, last_event_id: &str) -> Self {
        if event_type == MESSAGE && last_event_id.is_empty() {
            return Self(Kind::Own(Box::default()));
        }
        Self(Kind::Own(joined(event_type, last_event_id)))
    }
}

/// Kept apart, so that an event without names stays in registers.
#[inline(never)]
fn joined(event_type: &str, last_event_id: &str) -> Box<str> {
    let event_type = if event_type == MESSAGE { "" } else { event_type };
    let mut names = String::with_capacity(event_type.len() + 1 + last_event_id.len());
    names.push_str(event_type);
    names.push('\n');
    // An empty string is not copied. With AVX-512 that is a masked load from its dangling address, which takes a
    // hundred times as long as another.
    if !last_event_id.is_empty() {
        names.push_str(last_event_id);
    }
    names.into()
}

/// The latest long ID of a stream, which its events share.
#[derive(Default)]
pub(super) struct LongId {
    id: Option<Arc<str>>,
    /// The parser's version of it.
    version: u64,
}

impl LongId {
    /// Whether events share the ID, and do not copy it.
    #[inline(always)]
    pub(super) const fn is_long(id: &str) -> bool {
        id.len() > COPIED_ID_BYTES_MAX
    }

    /// Names with the ID that the parser has now, which is long.
    #[inline(never)]
    pub(super) fn names(&mut self, parser: &Parser, event_type: Box<str>) -> Names {
        Names(Kind::Shared(Arc::new(SharedNames { event_type, last_event_id: self.of(parser) })))
    }

    /// The ID that the parser has now. It is copied once.
    fn of(&mut self, parser: &Parser) -> Arc<str> {
        let version = parser.last_event_id_version();
        match &self.id {
            Some(id) if self.version == version => Arc::clone(id),
            Some(_) | None => {
                let id = Arc::from(parser.last_event_id());
                (self.id, self.version) = (Some(Arc::clone(&id)), version);
                id
            }
        }
    }

    /// Frees the copy if the ID was set since.
    pub(super) fn free_old(&mut self, parser: &Parser) {
        if self.version != parser.last_event_id_version() {
            self.id = None;
        }
    }
}

/// A copy of the type that the parser lends; none of the usual one. Kept apart as [`joined`] is.
#[inline(never)]
pub(super) fn boxed(event_type: &str) -> Box<str> {
    if event_type == MESSAGE { Box::default() } else { event_type.into() }
}

/// Shows the length of the data only.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("event_type", &self.event_type())
            .field("data_len", &self.data.len())
            .field("last_event_id", &self.last_event_id())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A third word would be moved along with each event.
    #[test]
    fn names_are_two_words() {
        assert_eq!(size_of::<Names>(), size_of::<Box<str>>());
    }
}
