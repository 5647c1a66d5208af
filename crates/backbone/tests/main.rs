//! The tests of this crate.

mod loops;
mod memory_engine;
mod node;
mod simulation;
mod tickets;
mod versions;
