//! The tests of this crate, as one program: each file is a module.

mod corpus;
mod credentials;
mod jwt;
mod jwt_strict;
mod properties;
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod sign;
mod tickets;
