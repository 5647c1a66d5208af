#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)
)]

extern crate alloc;

mod abuse;
mod code;
mod connection;
mod control;
mod error;
mod event;
mod field_block;
mod fields;
mod flow;
pub mod frame;
mod heads;
mod judge;
mod life;
mod limits;
mod malformed;
mod preface;
#[cfg(feature = "properties")]
#[doc(hidden)]
pub mod properties;
mod receive;
mod send;
mod streams;

pub use sockeye_hpack::{Error as FieldBlockError, Field, Limits as FieldLimits};

pub use code::{ErrorCode, StreamId};
pub use connection::{Connection, Role};
pub use error::{ConnectionError, Flood, StreamError, UsageError};
pub use event::{Event, ResetCause};
pub use field_block::{FieldBlock, RequestLine};
pub use fields::{FieldBuffer, FieldReader, Fields};
pub use limits::{Config, ConnectProtocol, Limits, Rate};
pub use malformed::Malformed;
pub use preface::{PREFACE, Sniffed, sniff};
pub use send::{ContentHead, EndStream};
