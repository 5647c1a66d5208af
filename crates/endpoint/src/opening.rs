//! Both sides of the opening handshake (RFC 6455 §4), as heads in and heads out.

mod client;
mod server;

pub use client::{INTERIM_MAX, Opening};
#[cfg(feature = "deflate")]
pub use server::compression;
pub use server::{decide, refusal};
