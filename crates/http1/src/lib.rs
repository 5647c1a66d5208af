#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)
)]

extern crate alloc;

pub mod chunked;

mod date;
mod error;
mod field;
mod framing;
mod grammar;
mod head_end;
mod headers;
mod limits;
#[cfg(feature = "properties")]
#[doc(hidden)]
pub mod properties;
mod query;
mod request;
mod response;
mod status;
mod target;
mod write;

pub use date::Date;
pub use error::{Error, UsageError};
pub use field::{HeaderName, HeaderValue};
pub use framing::{BodyFraming, ResponseFraming};
pub use grammar::is_tchar;
pub use head_end::{HeadEnd, ScannedHead};
pub use headers::{HeaderStorage, Headers};
pub use limits::{HEADERS_MAX, Limits};
pub use query::QueryPairs;
pub use request::{RequestHead, Version};
pub use response::ResponseHead;
pub use status::Status;
pub use target::Target;
pub use write::{Body, Persistence, RequestWriter, Response};
