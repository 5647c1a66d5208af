#![doc = include_str!("../README.md")]

mod appender;
mod begin;
mod config;
mod engine;
mod link;
mod look;
mod next;
mod reader;
mod session;
mod settings;
mod shared;
mod socket;
mod source;
mod table;
mod trouble;
mod url;

pub use config::{AmqpConfig, AmqpLimits, DEFAULT_STREAM};
pub use engine::AmqpEngine;
pub use source::{AmqpSource, AmqpSourceConfig, SourceUrlError};
pub use url::UrlError;
