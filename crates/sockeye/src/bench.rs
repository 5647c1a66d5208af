//! `sockeye bench`: load for any server, on one thread, and what it cost.
//!
//! All connections are on one reactor. What is sent is made once; what comes is compared with it. The
//! server's own figures are read from the system, so that client and neighbours are not counted as server.

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

pub(crate) use args::BenchAction;
pub(crate) use runs::run;
