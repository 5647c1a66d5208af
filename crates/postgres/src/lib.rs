#![doc = include_str!("../README.md")]

mod appender;
mod begin;
mod check;
mod config;
mod engine;
mod link;
mod reader;
mod session;
mod shared;
mod sql;
mod table;
mod tls;
mod trouble;
mod url;

pub use config::{DEFAULT_TABLE, PostgresConfig, PostgresLimits};
pub use engine::PostgresEngine;
pub use url::UrlError;
