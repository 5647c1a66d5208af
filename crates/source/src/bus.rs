//! The contract of a bus.

use core::time::Duration;
use std::borrow::Cow;

use sockeye_backbone::Trouble;

/// The name that a bus gives a message: a row's number, an entry's identifier, an offset.
pub type Id = Box<str>;

/// A message of a bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Its name.
    pub id: Id,
    /// A text that tells it from all others of the bus for ever, if its name may come again.
    pub key: Option<Box<str>>,
    /// Its content.
    pub body: Vec<u8>,
    /// Its named fields: columns, fields of an entry, headers.
    pub fields: Vec<(Box<str>, Box<str>)>,
    /// How long it is worth delivering, in milliseconds.
    pub ttl_ms: Option<u64>,
    /// Why it can never be published, if the bus knows.
    pub flaw: Option<Cow<'static, str>>,
    /// Whether the bus has only its name: somebody has deleted it before it was acknowledged.
    pub is_gone: bool,
}

impl Message {
    /// The field with a name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| **field == *name).map(|(_, value)| &**value)
    }

    /// The bytes that it holds.
    pub fn cost(&self) -> usize {
        let fields = self.fields.iter().map(|(name, value)| name.len() + value.len());
        size_of::<Self>() + self.id.len() + self.body.len() + fields.sum::<usize>()
    }
}

/// How much may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Messages.
    pub entries: usize,
    /// Their bytes. A message may exceed them, and is then the last one.
    pub bytes: usize,
}

impl Room {
    /// No room.
    pub const NONE: Self = Self { entries: 0, bytes: 0 };

    /// Whether there is none.
    pub const fn is_none(self) -> bool {
        self.entries == 0 || self.bytes == 0
    }
}

/// The result of opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// Messages can be taken.
    Active,
    /// Another process takes them.
    Standby,
}

/// A queue outside of this process, of which one process at a time takes the messages.
///
/// Each call may block, for the bus's patience at the most. After a [`Trouble`] the owner calls
/// [`open`](Self::open) again.
///
/// # What a bus promises
/// - **At least once.** A message that was not acknowledged comes again after the next [`open`](Self::open).
///   Within a session, too, it may come again.
/// - **In order.** After `open`, messages come from the oldest on that is not acknowledged.
/// - **One owner.** Between `open` and the next trouble nobody else's `open` is [`Opened::Active`]; or somebody else's is, and
///   then [`take`](Self::take) gives a trouble instead of messages that the other one has not.
pub trait Bus {
    /// Connects, if there is no connection, and asks for the messages.
    ///
    /// # Errors
    /// The bus cannot be used now.
    fn open(&mut self) -> Result<Opened, Trouble>;

    /// Appends the next messages, as many as there is room for, to `into`. If there are none, it waits for so long. `known`
    /// are the names of all messages that were taken and not acknowledged. Without room it only shows that it is there.
    ///
    /// # Errors
    /// The session is over.
    fn take(
        &mut self,
        room: Room,
        wait: Duration,
        known: &mut dyn Iterator<Item = &str>,
        into: &mut Vec<Message>,
    ) -> Result<(), Trouble>;

    /// Acknowledges messages: they do not come again. A message that is acknowledged already, or unknown, is no error.
    ///
    /// # Errors
    /// The session is over. They may be acknowledged or not.
    fn acknowledge(&mut self, ids: &[Id]) -> Result<(), Trouble>;

    /// How many messages wait, those that were taken included; `None` if the bus does not tell.
    ///
    /// # Errors
    /// The session is over.
    fn pending(&mut self) -> Result<Option<u64>, Trouble>;
}

impl<B: Bus + ?Sized> Bus for Box<B> {
    fn open(&mut self) -> Result<Opened, Trouble> {
        (**self).open()
    }

    fn take(
        &mut self,
        room: Room,
        wait: Duration,
        known: &mut dyn Iterator<Item = &str>,
        into: &mut Vec<Message>,
    ) -> Result<(), Trouble> {
        (**self).take(room, wait, known, into)
    }

    fn acknowledge(&mut self, ids: &[Id]) -> Result<(), Trouble> {
        (**self).acknowledge(ids)
    }

    fn pending(&mut self) -> Result<Option<u64>, Trouble> {
        (**self).pending()
    }
}
