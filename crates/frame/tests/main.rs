//! The tests of this crate, as one program: each file is a module.

mod chunks;
mod close_payload;
mod corpus;
mod first_violation;
mod headers;
mod masking;
mod properties;
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod utf8_as_it_arrives;
