#![doc = include_str!("../README.md")]

mod appender;
mod begin;
mod config;
mod engine;
mod link;
mod reader;
mod session;
mod shared;
mod source;
mod stream;
mod trim;
mod trouble;
mod url;
mod version;

pub use config::{CredentialsError, DEFAULT_STREAM, NatsConfig, NatsLimits};
pub use engine::NatsEngine;
pub use source::{NatsSource, NatsSourceConfig, SourceUrlError};
pub use url::UrlError;

pub use sockeye_backbone::driver::AddressError;
