//! The tests of this crate, as one program: each file is a module.

mod corpus;
mod debug_shows_no_payload;
mod incompressible;
mod negotiation;
mod properties;
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod send;
mod small_windows;
mod warm_deflater;
mod wire_format;
