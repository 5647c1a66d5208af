//! The tests of this crate, as one program: each file is a module.

mod lines;
mod queues;
mod urls;
