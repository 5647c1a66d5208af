//! The tests of this crate.

mod import;
mod loops;
mod memory_engine;
mod node;
mod nodes;
mod presence;
mod simulation;
mod tickets;
mod trims;
mod versions;
