//! The commands that talk to a server, against the real one, and those that make keys and tokens.

mod fallback;
mod foreign;
mod goodbyes;
mod guarded;
mod help;
mod http2;
mod output;
mod program;
mod publish;
mod resume;
mod secure;
mod subscribe;
mod subscriber;
