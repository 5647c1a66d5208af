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
mod load;
mod measure;
mod opening;
mod pace;
mod payload;
mod process;
mod progress;
mod publications;
mod publisher;
mod report;
mod runs;
mod stamp;
mod target;
mod wire;

pub use args::BenchAction;
pub use runs::run;
