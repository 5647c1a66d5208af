#![doc = include_str!("../README.md")]

mod addresses;
mod answer;
mod app;
mod cause;
mod closes;
mod closing;
mod connection;
mod context;
mod drain;
mod histogram;
mod http;
mod key;
mod limits;
mod opening;
mod partial_message;
mod peer;
mod request;
mod request_reader;
mod responses;
mod server;
mod shared;
mod state;
mod stats;
mod stream;
mod timers;
mod websocket;

pub use addresses::ConnectionQuota;
pub use answer::{Answer, EventStream, Header, Hold, Origins, Reply, Upgrade, Wording};
pub use app::App;
pub use cause::{CloseCause, Deadline};
pub use closes::{Close, ClosedBy, Closes, StreamKind};
pub use context::{Context, SendError};
pub use histogram::Histogram;
pub use key::StreamKey;
pub use limits::Limits;
pub use request::{Opened, Refused, Request};
pub use server::Server;
pub use shared::{SharedEvent, SharedMessage};
pub use stats::Stats;

pub use sockeye_deflate::ServerConfig;
pub use sockeye_http::{RequestHead, Status};
pub use sockeye_reactor::{MioNet, Net, Shared, Time, Waker};
pub use sockeye_sse::Event;
pub use sockeye_websocket::{CloseCode, Message};
