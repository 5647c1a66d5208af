//! The tests of this crate, as one program: each file is a module.

mod backpressure;
mod close_reaches_peer;
mod closes;
mod common;
mod connections_max;
mod debug_shows_no_payload;
mod drain;
mod event_stream;
mod half_close;
mod heartbeat;
mod held;
mod keep_alive;
mod large_messages;
mod limits;
mod pause;
mod phased_drain;
mod ping_deadline;
mod pipelining;
mod shared_sends;
mod simulation;
mod slow_body;
mod slow_head;
mod slow_message;
mod tunnel;
mod upgrade_headers;
mod write_stall;
