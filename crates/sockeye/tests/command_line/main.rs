//! `sockeye publish` and `sockeye subscribe` against the real server.

#[path = "../common/mod.rs"]
mod common;
mod help;
mod program;
mod publish;
mod resume;
mod subscribe;
mod subscriber;
