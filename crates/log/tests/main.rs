//! The tests of this crate, as one program: each file is a module.

mod damage;
mod model;
mod support;
mod writer;
