#![doc = include_str!("../README.md")]

mod appender;
mod check;
mod config;
mod engine;
mod link;
mod reader;
mod sentinel;
mod shared;
mod source;
mod stream;
mod trouble;
mod url;

pub use config::{DEFAULT_KEY, RedisConfig, RedisLimits};
pub use engine::RedisEngine;
pub use source::{RedisSource, RedisSourceConfig, SourceUrlError};
pub use url::UrlError;

pub use sockeye_backbone::driver::AddressError;
