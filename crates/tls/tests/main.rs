//! The tests of this crate.

mod certificates;
mod handshakes;
mod properties;
mod server;
