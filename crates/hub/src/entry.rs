//! Messages: on their way into the log, and in it.

use std::rc::Rc;

use crate::{ChannelName, Cursor, Seq};

/// Whether a message ends its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Another message may follow.
    Message,
    /// The last message: the channel takes no more, and its subscribers learn that it has ended.
    End,
}

/// A message on its way into the log.
///
/// `M` is the body, which the layer above defines.
#[derive(Clone, Copy, Debug)]
pub struct Publication<'a, M> {
    /// The channel.
    pub channel: ChannelName<'a>,
    /// The body.
    pub body: M,
    /// The bytes of the body, for the bounds on history.
    pub cost: usize,
    /// Whether it ends its channel.
    pub kind: Kind,
    /// The publisher's idempotency key: a repeat is answered with the first one's position.
    pub key: Option<&'a str>,
    /// The expected newest message of the channel, or [`Seq::ZERO`] for none. If the hub knows of
    /// another one, it refuses the publication.
    pub expect: Option<Seq>,
}

impl<'a, M> Publication<'a, M> {
    /// A message without conditions.
    pub const fn new(channel: ChannelName<'a>, body: M, cost: usize) -> Self {
        Self { channel, body, cost, kind: Kind::Message, key: None, expect: None }
    }
}

/// A message in the log.
#[derive(Debug)]
pub struct Entry<M> {
    /// Its position, which is the cursor of a subscriber that has received it.
    pub position: Cursor,
    /// The message before it in the same channel, if the hub knows it. If the client's last message
    /// of this channel is another one, it has missed some.
    pub previous: Option<Seq>,
    /// Its channel.
    pub channel: Rc<str>,
    /// When it was admitted, in the caller's milliseconds.
    pub time_ms: u64,
    /// Whether it ends its channel.
    pub kind: Kind,
    /// The body.
    pub body: M,
    cost: usize,
}

impl<M> Entry<M> {
    /// The bytes that an entry counts as, besides its body.
    pub const OVERHEAD_BYTES: usize = size_of::<Self>() + 32;

    /// The bytes that it counts as.
    pub const fn bytes(&self) -> usize {
        self.cost.saturating_add(Self::OVERHEAD_BYTES)
    }

    /// Its sequence number.
    pub const fn seq(&self) -> Seq {
        self.position.seq
    }
}

/// The rest of an [`Entry`] while its publication is pending.
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
        position: Cursor,
        channel: Rc<str>,
        previous: Option<Seq>,
    ) -> Rc<Entry<M>> {
        let Self { body, cost, kind, time_ms } = self;
        Rc::new(Entry { position, previous, channel, time_ms, kind, body, cost })
    }
}
