#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)
)]

extern crate alloc;

mod client;
mod error;
mod extension;
mod fields;
mod key;
mod origin;
#[cfg(feature = "properties")]
#[doc(hidden)]
pub mod properties;
mod reject;
mod server;
mod subprotocol;
mod version;

pub use client::{Accepted, Challenge, ClientRequest, VerifyError};
pub use error::UsageError;
pub use extension::{EXTENSIONS_MAX, Extension, Extensions, ExtensionsError, PARAMS_MAX};
pub use key::accept_key;
pub use origin::Origins;
pub use reject::Reject;
pub use server::{Accept, Policy, Terms, decide, decide_connect, decide_parts};
pub use version::supported_versions;
