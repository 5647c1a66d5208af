#![doc = include_str!("../README.md")]

mod appender;
mod check;
mod config;
mod engine;
mod link;
mod reader;
mod sentinel;
mod shared;
mod stream;
mod trouble;
mod url;

pub use config::{DEFAULT_KEY, RedisConfig, RedisLimits};
pub use engine::RedisEngine;
pub use url::UrlError;
