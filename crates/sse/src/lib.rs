#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)
)]

extern crate alloc;

mod buffers;
mod chunk;
mod decode;
mod encode;
mod field;
mod item;
mod mime;
mod parser;
#[cfg(feature = "properties")]
#[doc(hidden)]
pub mod properties;
mod reconnect;
mod scan;
mod utf8;

pub use encode::{EncodeError, Event, EventId, EventName, encode_comment};
pub use item::{Comments, Config, End, Error, Item, Limits, MessageEvent};
pub use mime::{MIME_TYPE, is_event_stream};
pub use parser::Parser;

pub use reconnect::{Action, Input, OnBusy, Policy, ReadyState, Reconnection, Response};
pub use utf8::text_prefix;
