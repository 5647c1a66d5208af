//! The tests of this crate, as one program: each file is a module.

mod authority;
mod forgetting;
mod model;
mod properties;
mod reconfigure;
mod resume;
mod search;
mod shares;
mod slow_reader;
mod support;
