#![doc = include_str!("../README.md")]

mod addresses;
mod answer;
mod app;
mod branches;
mod budget;
mod cause;
mod closes;
mod closing;
mod connection;
mod contents;
mod context;
mod drain;
mod events_head;
mod failed_handshakes;
mod framing;
mod handle;
mod handshakes;
mod histogram;
mod hosts;
mod http;
mod http2;
mod joined;
mod key;
mod leftover;
mod limits;
mod listener;
mod opening;
mod partial_message;
mod peer;
mod proxy_net;
mod request;
mod request_reader;
mod responses;
mod send_error;
mod serve;
mod server;
mod shared;
mod state;
mod stats;
mod stream;
mod timers;
mod trunk;
mod websocket;

pub use addresses::ConnectionQuota;
pub use answer::{Answer, Coding, EventStream, Header, Hold, Origins, Reply, Upgrade, Wording};
pub use app::{App, Holder};
pub use cause::{CloseCause, Deadline};
pub use closes::{Close, ClosedBy, Closes, StreamKind};
pub use context::Context;
pub use failed_handshakes::{FailedHandshake, FailedHandshakes};
pub use handle::Handle;
pub use histogram::Histogram;
pub use joined::{SharedEvents, SharedMessages};
pub use key::StreamKey;
pub use limits::Limits;
pub use listener::Listener;
pub use proxy_net::{ProxyNet, ProxySocket};
pub use request::{Bound, Opened, Refused, Request};
pub use send_error::SendError;
pub use server::Server;
pub use shared::{SharedEvent, SharedMessage};
pub use stats::{Goaways, Stats};

pub use sockeye_deflate::{ClientWindow, Gzip, GzipConfig, Level, ServerConfig, WindowBits, gzip};
pub use sockeye_http::{
    AcceptEncoding, HeaderName, HeaderValue, Headers, Method, QueryPairs, RequestHead, Status,
};
pub use sockeye_http1::Limits as HttpLimits;
pub use sockeye_http2::{FieldLimits, Limits as Http2Limits, Rate};
pub use sockeye_proxy::{
    HopField, Limits as ProxyLimits, Network, NetworkError, Version as ProxyVersion,
};
pub use sockeye_reactor::{
    FairQueue, HandshakeFailure, MioNet, Net, Shared, Time, UNIX_PEER, Waker,
};
pub use sockeye_sse::{Event, EventId, EventName};
pub use sockeye_websocket::{CloseCode, Limits as WebSocketLimits, Message};
