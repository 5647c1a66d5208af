//! The commands that talk to a server, against the real one, and those that make keys and tokens.

#[path = "../common/mod.rs"]
mod common;
mod fallback;
mod foreign;
mod goodbyes;
mod guarded;
mod help;
mod output;
mod program;
mod publish;
mod resume;
#[path = "../common/scripted.rs"]
mod scripted;
mod secure;
mod subscribe;
mod subscriber;
#[path = "../common/tls.rs"]
mod tls;
