#![doc = include_str!("../README.md")]

mod addresses;
mod app;
mod closes;
mod connection;
mod context;
mod drain;
mod events;
mod held;
mod histogram;
mod http;
mod limits;
mod server;
mod shared;
mod stats;
mod timers;
mod tunnel;
mod under_way;
mod websocket;

pub use addresses::SharedRoom;
pub use app::{
    Answer, App, CloseCause, Deadline, EventStream, Header, Hold, Opened, Origins, Refused, Reply,
    Request, StreamKey, Upgrade, Wording,
};
pub use closes::{Close, ClosedBy, Closes, StreamKind};
pub use context::{Context, SendError};
pub use histogram::Histogram;
pub use limits::Limits;
pub use server::Server;
pub use shared::{SharedEvent, SharedMessage};
pub use stats::Stats;

pub use sockeye_deflate::ServerConfig;
pub use sockeye_http1::{RequestHead, Status};
pub use sockeye_reactor::{MioNet, Net, Shared, Time, Waker};
pub use sockeye_sse::Event;
pub use sockeye_websocket::{CloseCode, Message};
