#![doc = include_str!("../README.md")]

mod blocking;
mod driver;
mod entropy;
mod error;
mod event_source;
mod exchange;
mod limits;
mod link;
mod machine;
mod url;

pub use blocking::Blocking;
pub use driver::Driver;
pub use entropy::Entropy;
pub use error::{Deadline, Error, Refusal, TlsError, UsageError};
pub use event_source::{
    EventSource, EventSourceOptions, OwnedSourceEvent, Reconnect, SourceMessage, SourceOpened,
};
pub use limits::Limits;
pub use machine::Machine;
pub use sockeye_sse::{Comments, MessageEvent, OnBusy, Policy, ReadyState};
pub use url::{Peer, Scheme, Url};

/// The clients as state machines, without sockets or clocks.
pub mod sans_io {
    pub use crate::event_source::{event::SourceEvent, machine::EventSource};
}
