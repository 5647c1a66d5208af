//! The tests of this crate, as one program: each file is a module.

mod abuse;
mod bench;
mod clock;
mod command_line;
mod common;
mod connect;
mod crash;
mod events;
mod fleet;
mod handbook;
mod listeners;
mod operations;
mod pages;
mod signals;
mod start;
mod tls;
mod workers;
