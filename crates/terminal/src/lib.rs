#![doc = include_str!("../README.md")]

mod failure;
pub mod plain;
pub mod print;
mod secret;
pub mod signals;
pub mod span;
pub mod values;

pub use failure::{Failure, OrFail, notice};
pub use secret::Secret;
