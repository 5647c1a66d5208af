//! The tests of this crate, as one program: each file is a module.

mod corpus;
mod debug_shows_no_payload;
mod outbox;
#[path = "../../../fuzz/replay.rs"]
mod replay;
