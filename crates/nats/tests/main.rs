//! The tests of this crate, as one program: each file is a module.

mod creation;
mod lines;
mod queues;
mod server;
mod urls;
