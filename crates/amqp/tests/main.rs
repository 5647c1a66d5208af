//! The tests of this crate, as one program: each file is a module.

mod queues;
mod urls;
