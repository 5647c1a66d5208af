//! The tests of this crate, as one program: each file is a module.

mod against_httparse;
mod body_framing;
mod chunked_coding;
mod corpus;
mod debug_shows_no_payload;
mod head_end;
mod properties;
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod request_head;
mod writing;
