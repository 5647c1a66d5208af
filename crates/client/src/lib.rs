#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod any;
mod backoff;
mod blocking;
mod driver;
mod entropy;
mod error;
mod event_source;
mod exchange;
mod fleet;
mod headers;
mod http2;
mod limits;
mod link;
mod machine;
mod network;
mod out;
#[cfg(feature = "properties")]
#[doc(hidden)]
pub mod properties;
#[cfg(feature = "hub")]
mod requests;
#[cfg(feature = "hub")]
mod subscription;
mod url;
mod web_socket;

pub use any::{AnyEvent, AnyMachine};
pub use backoff::Backoff;
pub use blocking::Blocking;
pub use driver::Driver;
pub use entropy::Entropy;
pub use error::{
    CertificateError, Deadline, Error, Http2Error, ProxyError, Refusal, TlsError, UsageError,
};
pub use event_source::{
    EventSource, EventSourceOptions, OwnedSourceEvent, Reconnect, SourceMessage, SourceOpened,
};
pub use fleet::{Fleet, MemberId, Told};
pub use limits::Limits;
pub use machine::Machine;
pub use network::{HttpVersions, Network, Proxy};
#[cfg(feature = "hub")]
pub use requests::Requests;
/// What a [`Machine`] is given: milliseconds from any moment on.
pub use sockeye_reactor::Time;
pub use sockeye_sse::{Comments, MessageEvent, OnBusy, Policy, ReadyState};
/// The frames and messages of WebSocket.
pub use sockeye_websocket as websocket;
#[cfg(feature = "hub")]
pub use subscription::{
    Credentials, Data, Gap, HubError, Publication, Subscription, SubscriptionEvent,
    SubscriptionOptions, Target, Transport,
};
pub use url::{Peer, Scheme, Url};
pub use web_socket::{ConnectOptions, Delivery, Opened, OwnedMessage, WebSocket};

/// The clients as state machines, without sockets or clocks.
pub mod sans_io {
    pub use crate::event_source::{event::SourceEvent, machine::EventSource};
    pub use crate::exchange::Exchange;
    pub use crate::fleet::{ConnectionId, FleetMachine as Fleet, Order, Protocol};
    pub use crate::http2::{LaneEnd, LaneId, Multiplex};
    #[cfg(feature = "hub")]
    pub use crate::requests::RequestsMachine as Requests;
    #[cfg(feature = "hub")]
    pub use crate::subscription::SubscriptionMachine as Subscription;
    pub use crate::web_socket::{SocketEvent, WebSocketMachine as WebSocket};
}
