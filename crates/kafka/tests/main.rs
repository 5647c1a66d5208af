//! The tests of this crate, as one program: each file is a module.

mod broker;
mod contract;
mod faults;
mod logins;
mod queues;
mod settings;
mod sources;
mod stops;
mod urls;
