//! The tests of this crate, as one program: each file is a module.

mod properties;
mod queues;
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod resp;
mod urls;
