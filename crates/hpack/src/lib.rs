#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)
)]

extern crate alloc;

mod count;
mod decoder;
mod encoder;
mod error;
mod field;
mod huffman;
mod limits;
mod prebuilt;
#[cfg(feature = "properties")]
#[doc(hidden)]
pub mod properties;
mod reader;
mod static_table;
mod table;
mod write;

pub use decoder::Decoder;
pub use encoder::Encoder;
pub use error::{Error, ErrorKind};
pub use field::{FIELD_OVERHEAD, Field};
pub use limits::{Limits, TABLE_BYTES_DEFAULT};
pub use prebuilt::Prebuilt;
pub use write::{write_field, write_never_indexed};
