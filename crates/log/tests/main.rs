//! The tests of this crate, as one program: each file is a module.

mod damage;
mod inspect;
mod model;
mod reader;
mod retention;
mod rules;
mod support;
mod time;
mod transfer;
mod upgrade;
mod writer;
