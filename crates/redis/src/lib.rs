#![doc = include_str!("../README.md")]

mod appender;
mod check;
mod config;
mod engine;
mod link;
mod reader;
#[doc(hidden)]
pub mod resp;
mod sentinel;
mod shared;
mod stream;
mod trouble;
mod url;

#[doc(hidden)]
#[cfg(feature = "properties")]
pub mod properties;

pub use config::{DEFAULT_KEY, RedisConfig, RedisLimits};
pub use engine::RedisEngine;
pub use url::UrlError;
