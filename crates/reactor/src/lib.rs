#![doc = include_str!("../README.md")]

mod either;
mod fair_queue;
mod handshake_error;
mod key;
mod memory;
mod mio_net;
mod net;
mod outbox;
mod pool;
mod readiness;
mod round_queue;
mod segment_queue;
mod socket;
mod time;
mod wheel;

#[doc(hidden)]
#[cfg(feature = "properties")]
pub mod properties;

pub use either::EitherSocket;
pub use fair_queue::FairQueue;
pub use handshake_error::{HandshakeError, HandshakeFailure};
pub use key::{Key, Slab};
pub use memory::PooledBytes;
pub use mio_net::{MioNet, Waker};
pub use net::{Accepted, Net, Ready, UNIX_PEER};
pub use outbox::{Flushed, Outbox, Shared};
pub use pool::Pool;
pub use readiness::{Readiness, ReadyList};
pub use round_queue::RoundQueue;
pub use socket::{Announced, Hosts, Socket};
pub use time::Time;
pub use wheel::{Timer, Wheel};
