#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)
)]

extern crate alloc;

mod accept_encoding;
mod date;
mod error;
pub mod grammar;
mod header;
mod headers;
mod method;
#[cfg(feature = "properties")]
#[doc(hidden)]
pub mod properties;
mod query;
mod request;
mod status;
mod target;

pub use accept_encoding::AcceptEncoding;
pub use date::Date;
pub use error::{HeaderError, UsageError};
pub use header::{HeaderName, HeaderValue};
pub use headers::{HeaderLine, Headers};
pub use method::Method;
pub use query::QueryPairs;
pub use request::RequestHead;
pub use status::Status;
pub use target::{Target, host, is_authority};
