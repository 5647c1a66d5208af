#![doc = include_str!("../README.md")]

mod access;
mod body;
mod clock;
mod cors;
mod counters;
mod exposition;
mod health;
mod limits;
mod line;
mod log;
mod metrics;
mod namespaces;
mod notices;
mod polls;
mod presence;
mod publishing;
mod reload;
mod reply;
mod requests;
mod restore;
mod routes;
mod service;
mod session;
mod sockets;
mod streams;
mod tickets;
pub mod wire;

pub use access::{Access, Entropy, Guard};
pub use limits::Limits;
pub use log::{Log, LogState, Record};
pub use namespaces::{Namespaces, Publishers, Readers, Rules};
pub use notices::RefusedCredential;
pub use reload::Reloaded;
use service::Opening;
pub use service::{Holdings, Service};
