//! The errors between a subscription and its hub.

use core::fmt;

/// Why a hub has ended a connection, or cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HubError {
    /// The hub has ended the stream with this code, and the word for it.
    Goaway {
        /// Its range says what to do; see the table of the protocol.
        code: u16,
        /// A word of the protocol.
        reason: Box<str>,
    },
    /// The hub has refused the subscription.
    Refused {
        /// A word of the protocol.
        code: Box<str>,
        /// The same for people.
        message: Box<str>,
    },
    /// The server has sent a message that no hub sends.
    Strange,
    /// An answer is over the limit.
    TooLarge,
    /// The server does not speak `sockeye.v1.json`.
    Subprotocol,
    /// A ticket opens one stream: the next one needs another ticket.
    TicketUsed,
}

impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Goaway { code, reason } => {
                write!(f, "the hub ended the stream: {reason} ({code})")
            }
            Self::Refused { code, message } => write!(f, "the hub refused: {message} ({code})"),
            Self::Strange => f.write_str("the hub says what no hub says"),
            Self::TooLarge => f.write_str("an answer of the hub is over the limit"),
            Self::Subprotocol => f.write_str("the server does not speak sockeye.v1.json"),
            Self::TicketUsed => f.write_str("the ticket has been used"),
        }
    }
}

impl core::error::Error for HubError {}
