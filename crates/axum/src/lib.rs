#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod sse;
pub mod ws;

pub use sockeye_tokio as tokio_adapter;
pub use sse::Sse;
pub use ws::WebSocketUpgrade;

/// The pages and programs of MIGRATION.md, compiled.
#[cfg(doctest)]
#[doc = include_str!("../MIGRATION.md")]
struct Migration;
