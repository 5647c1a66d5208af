#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)
)]

#[cfg(feature = "properties")]
extern crate alloc;

mod close;
mod decoder;
mod error;
mod header;
mod inline;
mod mask;
#[cfg(feature = "properties")]
#[doc(hidden)]
pub mod properties;
mod utf8;

pub use close::{CloseBytes, CloseCode, CloseFrame, CloseFrameError};
pub use decoder::{Chunk, Decoder, Front, Rules};
pub use error::Error;
pub use header::{CONTROL_PAYLOAD_LEN_MAX, Header, HeaderBytes, Opcode, Role, Rsv};
pub use inline::InlineBytes;
pub use mask::{MaskKey, apply_mask};
pub use utf8::{Utf8Error, Utf8Validator};
