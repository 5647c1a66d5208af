#![doc = include_str!("../README.md")]

mod appender;
mod begin;
mod check;
mod config;
mod engine;
mod link;
mod outbox;
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
pub use outbox::{DEFAULT_OUTBOX, Outbox, OutboxConfig, outbox_sql};
pub use url::UrlError;

pub use sockeye_backbone::driver::AddressError;
