//! The tests of this crate, as one program: each file is a module.

mod assembling;
mod closing;
mod common;
mod control_frames;
mod corpus;
mod failing;
mod limits;
mod owned;
mod properties;
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod sending;
mod sequence;
mod size;
mod text;
