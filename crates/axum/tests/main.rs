//! The tests of this crate, as one program: each file is a module.

mod common;
mod drop_in;
mod event_streams;
mod foreign;
mod handshake;
mod messages;
