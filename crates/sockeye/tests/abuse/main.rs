//! Who may do what, from outside: the real process over real sockets, and whoever tries more.

#[path = "../common/mod.rs"]
mod common;
mod injection;
mod origins;
mod peer;
mod tickets;
mod tokens;
mod world;
