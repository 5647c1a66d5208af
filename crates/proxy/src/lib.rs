#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)
)]

extern crate alloc;

mod decoder;
mod error;
mod hops;
mod network;
#[cfg(feature = "properties")]
#[doc(hidden)]
pub mod properties;
mod v1;
mod v2;

pub use decoder::{Decoder, Header, Limits, Version};
pub use error::{Error, NetworkError};
pub use hops::{HopField, Hops};
pub use network::{Network, trusts};
pub use v1::write_v1;
pub use v2::write_v2;
