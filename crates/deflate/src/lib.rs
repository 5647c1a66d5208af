#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)
)]

extern crate alloc;

mod client;
mod deflater;
mod deflaters;
mod engine;
pub mod gzip;
mod inflater;
mod parameter;
mod params;
#[cfg(feature = "properties")]
#[doc(hidden)]
pub mod properties;
mod server;
mod session;
mod window;

pub use client::{ClientOffer, ClientWindowOffer};
pub use engine::{Engine, EngineConfig, Level};
pub use gzip::{Gzip, GzipConfig};
pub use parameter::NegotiationError;
pub use params::{EXTENSION_NAME, Params, WindowBits};
pub use server::{ClientWindow, ServerConfig, accept_offer};
pub use session::{Codec, Session};
