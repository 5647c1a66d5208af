#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)
)]

extern crate alloc;

mod code;
pub mod frame;
mod preface;
#[cfg(feature = "properties")]
#[doc(hidden)]
pub mod properties;

pub use code::{ErrorCode, StreamId};
pub use preface::{PREFACE, Sniffed, sniff};
