#![doc = include_str!("../README.md")]

mod appender;
mod begin;
mod config;
mod engine;
mod frame;
mod link;
mod look;
mod method;
mod reader;
mod session;
mod settings;
mod shared;
mod trouble;
mod url;
mod wire;

pub use config::{AmqpConfig, AmqpLimits, DEFAULT_STREAM};
pub use engine::AmqpEngine;
pub use url::UrlError;
