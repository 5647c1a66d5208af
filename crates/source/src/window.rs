//! The messages that were taken from a bus and are not acknowledged: what may be offered next, and what may be acknowledged.
//!
//! ```text
//!  push ─► waiting ─► take_next ─► in flight ─► settle ─► owed ─► acknowledged
//!             ▲                       │   └──► bar: it stays, and holds its channel
//!             └────── put_back ◄──────┘
//! ```
//!
//! A channel has one message in flight, so its messages settle in the order in which they were pushed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use crate::bus::{Id, Room};

/// The number of a message within a window.
pub type Ticket = u64;

/// Bounds of a [`Window`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowLimits {
    /// Messages that were taken and are not acknowledged.
    pub entries_max: usize,
    /// Their bytes.
    pub bytes_max: usize,
}

/// The messages that were taken and are not acknowledged. Pure state.
#[derive(Debug)]
pub struct Window<T> {
    limits: WindowLimits,
    next: Ticket,
    bytes: usize,
    entries: BTreeMap<Ticket, Entry<T>>,
    ids: HashSet<Id>,
    /// The messages of each channel that are not settled, in their order.
    channels: HashMap<Box<str>, VecDeque<Ticket>>,
    /// Those that may be offered: the first ones of their channels.
    ready: BTreeSet<Ticket>,
    in_flight: usize,
    /// Those that may be acknowledged.
    owed: BTreeMap<Ticket, Id>,
}

#[derive(Debug)]
struct Entry<T> {
    id: Id,
    channel: Box<str>,
    bytes: usize,
    is_in_flight: bool,
    message: T,
}

impl<T> Window<T> {
    /// An empty window.
    pub fn new(limits: WindowLimits) -> Self {
        Self {
            limits,
            next: 0,
            bytes: 0,
            entries: BTreeMap::new(),
            ids: HashSet::new(),
            channels: HashMap::new(),
            ready: BTreeSet::new(),
            in_flight: 0,
            owed: BTreeMap::new(),
        }
    }

    /// How much may still be pushed.
    pub fn room(&self) -> Room {
        Room {
            entries: self.limits.entries_max.saturating_sub(self.ids.len()),
            bytes: self.limits.bytes_max.saturating_sub(self.bytes),
        }
    }

    /// Whether a message is here, whatever has become of it.
    pub fn knows(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// The names of all messages.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(|id| &**id)
    }

    /// Adds a message behind all others of its channel. One that is here already is left as it is.
    pub fn push(&mut self, id: Id, channel: &str, bytes: usize, message: T) {
        if !self.ids.insert(id.clone()) {
            return;
        }
        let ticket = self.next_ticket();
        let of_channel = self.channels.entry(channel.into()).or_default();
        if of_channel.is_empty() {
            self.ready.insert(ticket);
        }
        of_channel.push_back(ticket);
        self.bytes += bytes;
        let entry = Entry { id, channel: channel.into(), bytes, is_in_flight: false, message };
        self.entries.insert(ticket, entry);
    }

    /// Adds a message that is acknowledged without an offer.
    pub fn push_settled(&mut self, id: Id) {
        if self.ids.insert(id.clone()) {
            let ticket = self.next_ticket();
            self.owed.insert(ticket, id);
        }
    }

    fn next_ticket(&mut self) -> Ticket {
        self.next += 1;
        self.next
    }

    /// Takes the oldest message that may be offered. It is in flight then.
    pub fn take_next(&mut self) -> Option<(Ticket, &T)> {
        let ticket = self.ready.pop_first()?;
        let entry = self.entries.get_mut(&ticket).expect("what is ready is here");
        entry.is_in_flight = true;
        self.in_flight += 1;
        Some((ticket, &entry.message))
    }

    /// A message in flight has its place in the log, or needs none: it may be acknowledged.
    pub fn settle(&mut self, ticket: Ticket) {
        let Some(Entry { id, channel, bytes, .. }) = self.land(ticket) else { return };
        self.bytes -= bytes;
        self.owed.insert(ticket, id);
        let of_channel = self.channels.get_mut(&channel).expect("a message is in its channel");
        of_channel.pop_front();
        match of_channel.front() {
            Some(&next) => _ = self.ready.insert(next),
            None => _ = self.channels.remove(&channel),
        }
    }

    /// A message in flight was refused for now.
    pub fn put_back(&mut self, ticket: Ticket) {
        if let Some(entry) = self.land(ticket) {
            self.entries.insert(ticket, entry);
            self.ready.insert(ticket);
        }
    }

    /// A message in flight cannot be published, and may not be passed over: it holds back its channel until
    /// [`drop_waiting`](Self::drop_waiting).
    pub fn bar(&mut self, ticket: Ticket) {
        if let Some(entry) = self.land(ticket) {
            self.entries.insert(ticket, entry);
        }
    }

    fn land(&mut self, ticket: Ticket) -> Option<Entry<T>> {
        // An answer comes once.
        let is_in_flight = self.entries.get(&ticket).is_some_and(|entry| entry.is_in_flight);
        let mut entry = is_in_flight.then(|| self.entries.remove(&ticket)).flatten()?;
        entry.is_in_flight = false;
        self.in_flight -= 1;
        Some(entry)
    }

    /// The name of a message that is not settled.
    pub fn id(&self, ticket: Ticket) -> Option<&str> {
        self.entries.get(&ticket).map(|entry| &*entry.id)
    }

    /// Forgets all messages that are neither in flight nor owed: the bus gives them again.
    pub fn drop_waiting(&mut self) {
        let (ids, bytes) = (&mut self.ids, &mut self.bytes);
        self.entries.retain(|_, entry| {
            if !entry.is_in_flight {
                ids.remove(&entry.id);
                *bytes -= entry.bytes;
            }
            entry.is_in_flight
        });
        self.ready.clear();
        for of_channel in self.channels.values_mut() {
            of_channel.retain(|ticket| self.entries.contains_key(ticket));
        }
        self.channels.retain(|_, of_channel| !of_channel.is_empty());
    }

    /// Messages in flight.
    pub const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Messages that were taken and are not acknowledged.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Whether nothing happens any more without another push: nothing is in flight, or could be.
    pub fn is_quiet(&self) -> bool {
        self.in_flight == 0 && self.ready.is_empty()
    }

    /// Whether a message may be offered.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The first `count` messages that may be acknowledged.
    pub fn owed(&self, count: usize) -> Vec<Id> {
        self.owed.values().take(count).cloned().collect()
    }

    /// Forgets messages that were acknowledged: the first ones that [`owed`](Self::owed) gives.
    pub fn acknowledged(&mut self, count: usize) {
        for _ in 0..count {
            let Some((_, id)) = self.owed.pop_first() else { return };
            self.ids.remove(&id);
        }
    }
}
