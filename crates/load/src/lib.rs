#![doc = include_str!("../README.md")]

mod args;
mod channels;
mod chart;
mod connection;
mod delivery;
mod echo;
mod fault;
mod histogram;
mod http;
mod idle;
mod line;
mod load;
mod measure;
mod opening;
mod pace;
mod payload;
mod process;
mod progress;
mod publications;
mod publisher;
mod ramp;
mod report;
mod runs;
mod stamp;
mod streams;
mod target;
mod trunk;
mod trust;
mod version;
mod wire;

pub use args::BenchAction;
pub use runs::run;

/// The parts of a load for other programs: connections on one loop, what comes on them, and measurements.
pub mod engine {
    pub use crate::connection::SocketOptions;
    pub use crate::fault::Fault;
    pub use crate::histogram::Histogram;
    pub use crate::line::Outlet;
    pub use crate::load::{Lines, Listener};
    pub use crate::opening::{Deflate, Opener, Purpose};
    pub use crate::payload::frame;
    pub use crate::process::{Process, Usage};
    pub use crate::target::{Scheme, Target};
    pub use crate::wire::{Answer, Heard, Joiner, Part};
}
