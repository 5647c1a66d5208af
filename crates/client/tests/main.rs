//! The tests of this crate, as one program: each file is a module.

mod common;
mod corpus;
mod event_source;
mod event_source_contract;
mod event_source_simulation;
mod hostile;
mod http2;
mod peer;
mod properties;
mod proxy;
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod tls;
mod web_socket;
