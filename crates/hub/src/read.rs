//! Reading a channel without subscribing it.

use std::rc::Rc;

use crate::{ChannelName, Cursor, Entry, Hub, Seq};

/// The state of one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelState {
    /// The newest message, if the hub knows one.
    pub last: Option<Seq>,
    /// The newest message that was, or may have been, dropped. History is complete after this.
    pub floor: Seq,
    /// Whether the newest message ended the channel.
    pub ended: bool,
    /// Messages in its history.
    pub messages: usize,
    /// Bytes in its history.
    pub bytes: u64,
    /// Subscribers by name. Subscribers by pattern do not count.
    pub subscribers: usize,
}

/// A part of a channel's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// The oldest messages after this position.
    After(Seq),
    /// The newest messages before this position, in the order of the log.
    Before(Seq),
}

/// The result of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The hub's position. A subscription from here continues without a hole.
    pub position: Cursor,
    /// History is complete after this position.
    pub floor: Seq,
    /// The query matches more messages than the limit.
    pub more: bool,
}

impl<M> Hub<M> {
    /// The state of a channel. An unknown channel is not created.
    pub fn channel(&self, name: ChannelName<'_>) -> ChannelState {
        let past = self.channels.past(name.as_str(), &self.config);
        let record = self.channels.find(name.as_str()).map(|index| self.channels.record(index));
        ChannelState {
            last: Some(past.last).filter(|last| *last != Seq::ZERO),
            floor: past.floor,
            ended: past.ended,
            messages: record.map_or(0, |record| record.ring.len()),
            bytes: record.map_or(0, |record| record.ring.bytes()),
            subscribers: record.map_or(0, |record| record.members.len()),
        }
    }

    /// Appends a part of a channel's history to `out`, at most `limit` messages.
    pub fn history(
        &mut self,
        name: ChannelName<'_>,
        query: Query,
        limit: usize,
        now_ms: u64,
        out: &mut Vec<Rc<Entry<M>>>,
    ) -> Page {
        self.advance_beside(now_ms);
        let floor = self.channels.past(name.as_str(), &self.config).floor;
        let mut more = false;
        if let Some(index) = self.channels.find(name.as_str()) {
            let ring = &self.channels.record(index).ring;
            let (from, to) = match query {
                Query::After(seq) => (ring.index_after(seq), ring.len()),
                Query::Before(seq) => (0, ring.index_after(seq.previous())),
            };
            let (from, to, all) = match query {
                Query::After(_) => (from, to.min(from.saturating_add(limit)), to - from),
                Query::Before(_) => (to.saturating_sub(limit), to, to - from),
            };
            more = to - from < all;
            out.extend((from..to).filter_map(|at| ring.entry(at)).cloned());
        }
        Page { position: self.position(), floor, more }
    }

    /// The newest position at which one of these channels may have changed. As long as it stays the
    /// same, a poll over them finds nothing new. In an `ETag`, put the epoch before it.
    pub fn changed<'a>(&self, names: impl IntoIterator<Item = ChannelName<'a>>) -> Seq {
        let past = |name: ChannelName<'_>| self.channels.past(name.as_str(), &self.config);
        let pasts = names.into_iter().map(past);
        pasts.map(|past| past.last.max(past.floor)).max().unwrap_or_default()
    }
}
