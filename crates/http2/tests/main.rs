//! The tests of this crate, as one program: each file is a module.

mod corpus;
mod frames;
mod preface;
mod properties;
#[path = "../../../fuzz/replay.rs"]
mod replay;
