//! The tests of this crate.

mod certificates;
mod corpus;
mod handshakes;
mod misdirected;
mod properties;
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod server;
