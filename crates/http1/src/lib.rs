#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)
)]

extern crate alloc;

pub mod chunked;

mod error;
mod framing;
mod head_end;
mod limits;
mod lines;
#[cfg(feature = "properties")]
#[doc(hidden)]
pub mod properties;
mod request;
mod response;
mod storage;
mod target;
mod words;
mod write;

pub use error::Error;
pub use framing::{BodyFraming, ResponseFraming};
pub use head_end::{HeadEnd, ScannedHead};
pub use limits::{HEADERS_MAX, Limits};
pub use request::{RequestHead, Version};
pub use response::ResponseHead;
pub use storage::HeaderStorage;
pub use write::{Body, HeadWriter, Persistence, RequestLine, RequestWriter, Response};
