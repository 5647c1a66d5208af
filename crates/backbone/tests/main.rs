//! The tests of this crate.

mod memory_engine;
mod simulation;
