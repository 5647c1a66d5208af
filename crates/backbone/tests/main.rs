//! The tests of this crate.

mod loops;
mod memory_engine;
mod node;
mod nodes;
mod simulation;
mod tickets;
mod versions;
