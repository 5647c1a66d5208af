//! A message that is sent, lent or handed over.

use sockeye_websocket::{Message as MessageRef, OwnedMessage as Message};

/// A message to send: lent, or handed over. A message of 8 KiB or more that is handed over is not copied, unless the connection
/// agreed on compression.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outgoing<'m> {
    /// It is lent for the call.
    Lent(MessageRef<'m>),
    /// It is handed over.
    Owned(Message),
}

impl Outgoing<'_> {
    /// The message, to be looked at.
    #[must_use]
    pub fn as_message(&self) -> MessageRef<'_> {
        match self {
            Self::Lent(message) => *message,
            Self::Owned(message) => message.as_message(),
        }
    }
}

macro_rules! lent {
    ($($type:ty),*) => {$(
        impl<'m> From<$type> for Outgoing<'m> {
            fn from(message: $type) -> Self {
                Self::Lent(message.into())
            }
        }
    )*};
}

lent!(MessageRef<'m>, &'m Message, &'m str, &'m String, &'m [u8], &'m Vec<u8>);

macro_rules! owned {
    ($($type:ty),*) => {$(
        impl From<$type> for Outgoing<'_> {
            fn from(message: $type) -> Self {
                Self::Owned(message.into())
            }
        }
    )*};
}

owned!(Message, String, Vec<u8>);
