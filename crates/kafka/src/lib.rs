#![doc = include_str!("../README.md")]

mod appender;
mod batch;
mod begin;
mod config;
mod ends;
mod engine;
mod fetch;
mod link;
mod look;
mod range;
mod reader;
mod sasl;
mod session;
mod settings;
mod shared;
mod source;
mod topic;
mod trim;
mod trouble;
mod url;
mod versions;

pub use config::{DEFAULT_TOPIC, KafkaConfig, KafkaLimits, Mechanism};
pub use engine::KafkaEngine;
pub use source::{KafkaSource, KafkaSourceConfig, SourceUrlError};
pub use url::UrlError;

pub use sockeye_backbone::driver::AddressError;
