//! The tests of this crate, as one program: each file is a module.

mod abuse;
mod common;
mod corpus;
mod flow_control;
mod frames;
mod going_away;
mod messages;
mod opening;
mod preface;
mod properties;
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod sending;
mod size;
mod streams;
