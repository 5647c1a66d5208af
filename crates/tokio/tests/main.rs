//! The tests of this crate, as one program: each file is a module.

mod backpressure;
mod cancellation;
mod common;
mod compression;
mod deadlines;
mod event_body;
mod event_source;
mod event_stream;
mod halves;
mod opening;
mod parts;
mod reads;
mod splits;
#[path = "../../sse/tests/support/mod.rs"]
mod support;
