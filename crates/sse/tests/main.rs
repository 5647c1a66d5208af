//! The tests of this crate, as one program: each file is a module.

mod borrowing;
mod connection_boundaries;
mod corpus;
mod debug_shows_no_payload;
mod limits;
mod properties;
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod standard_vectors;
mod support;
