//! The tests of this crate, as one program: each file is a module.

mod client_requests;
mod client_verifies;
mod corpus;
mod debug_shows_no_payload;
mod properties;
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod server_accepts;
mod server_refuses;
mod support;
