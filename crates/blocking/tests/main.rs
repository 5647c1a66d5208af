//! The tests of this crate, as one program: each file is a module.

mod common;
mod conversations;
mod ends;
mod foreign;
mod opening;
mod timeouts;
