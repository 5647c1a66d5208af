//! The tests of this crate, as one program: each file is a module.

mod hops;
mod networks;
mod properties;
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod v1;
mod v2;
