//! The hub behind HTTP.

pub mod wire;
