//! Who may do what, from outside: the real process over real sockets, and whoever tries more.

mod injection;
mod origins;
mod peer;
mod tickets;
mod tokens;
mod world;
