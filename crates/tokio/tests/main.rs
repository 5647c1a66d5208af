//! The tests of this crate, as one program: each file is a module.

mod backpressure;
mod cancellation;
mod common;
mod compression;
mod deadlines;
mod halves;
mod opening;
mod parts;
mod splits;
