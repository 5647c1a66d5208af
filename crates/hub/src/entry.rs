//! Messages: as they are handed in, and as they stand in the log.

use std::rc::Rc;

use crate::{ChannelName, Cursor, Epoch, Seq};

/// What a message is to its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One of any number.
    Message,
    /// The last one: the channel takes no more, and subscribers learn that it has ended.
    End,
}

/// A message on its way into the log.
///
/// `M` is the body: whatever the layer above has encoded once for all subscribers.
#[derive(Clone, Copy, Debug)]
pub struct Publication<'a, M> {
    /// Where to.
    pub channel: ChannelName<'a>,
    /// What.
    pub body: M,
    /// Bytes that the body holds, for the bounds on history.
    pub cost: usize,
    /// Whether it is the channel's last.
    pub kind: Kind,
    /// The publisher's idempotency key: a repeat is answered with the first one's position.
    pub key: Option<&'a str>,
    /// Refuse unless this is the newest message of the channel that the hub knows of;
    /// [`Seq::ZERO`] if it is to know of none.
    pub expect: Option<Seq>,
}

impl<'a, M> Publication<'a, M> {
    /// A message without conditions.
    pub const fn new(channel: ChannelName<'a>, body: M, cost: usize) -> Self {
        Self { channel, body, cost, kind: Kind::Message, key: None, expect: None }
    }
}

/// A message in the log, shared by everybody who still needs it.
#[derive(Debug)]
pub struct Entry<M> {
    /// Its place, and so the cursor of who has received it.
    pub position: Cursor,
    /// The message before it in the same channel, if the hub knows: a client that saw another one
    /// last has missed something.
    pub previous: Option<Seq>,
    /// Its channel.
    pub channel: Rc<str>,
    /// When it was admitted, in the caller's milliseconds.
    pub time_ms: u64,
    /// Whether it is the channel's last.
    pub kind: Kind,
    /// The body.
    pub body: M,
    cost: usize,
}

impl<M> Entry<M> {
    /// What an entry is counted as, besides its body: itself, its count of owners, its slot.
    pub const OVERHEAD_BYTES: usize = size_of::<Self>() + 32;

    /// What it is counted as.
    pub const fn bytes(&self) -> usize {
        self.cost.saturating_add(Self::OVERHEAD_BYTES)
    }

    /// Its place in the log.
    pub const fn seq(&self) -> Seq {
        self.position.seq
    }
}

/// What makes an [`Entry`] as soon as its place is certain.
#[derive(Debug)]
pub(crate) struct Draft<M> {
    pub(crate) body: M,
    pub(crate) cost: usize,
    pub(crate) kind: Kind,
    pub(crate) time_ms: u64,
}

impl<M> Draft<M> {
    pub(crate) fn enter(
        self,
        epoch: Epoch,
        seq: Seq,
        channel: Rc<str>,
        previous: Option<Seq>,
    ) -> Rc<Entry<M>> {
        let position = Cursor { epoch, seq };
        let Self { body, cost, kind, time_ms } = self;
        Rc::new(Entry { position, previous, channel, time_ms, kind, body, cost })
    }
}
