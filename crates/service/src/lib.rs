//! The hub behind HTTP.

mod body;
mod clock;
mod limits;
mod line;
mod log;
mod metrics;
mod polls;
mod publishing;
mod reply;
mod requests;
mod routes;
mod service;
mod session;
mod sockets;
mod streams;
pub mod wire;

pub use limits::Limits;
pub use log::{Log, LogState, Record};
use service::Opening;
pub use service::Service;
