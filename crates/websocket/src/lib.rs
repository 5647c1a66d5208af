#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)
)]

extern crate alloc;

mod assembler;
mod close;
mod codec;
mod connection;
mod control;
mod error;
mod event;
mod incoming;
mod limits;
mod owned;
#[cfg(feature = "properties")]
#[doc(hidden)]
pub mod properties;
mod receive;
mod send;

pub use sockeye_frame::{
    CloseCode, CloseFrame, CloseFrameError, Error as FrameError, HeaderBytes, MaskKey, Role,
};

pub use assembler::{Appended, Assembler};
pub use close::State;
pub use codec::{CodecError, MessageCodec};
pub use connection::{Closed, Connection, MaskSource};
pub use control::{CloseReason, Control};
pub use error::{MessageError, ProtocolError, UsageError};
pub use event::{Event, Kind, Message, Owned, Piece};
pub use limits::{Compression, Config, Limits};
pub use owned::OwnedMessage;
pub use send::{Fin, FrameStart};
