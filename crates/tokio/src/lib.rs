#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod buffers;
mod client;
mod core;
pub mod events;
mod head;
mod server;
mod split;
mod timer;
mod wakers;
mod web_socket;

pub use sockeye_endpoint::{
    Answer, CloseCode, CloseReason, Closed, ConnectOptions, Control, Deadline, Error, Fin,
    HeaderName, HeaderValue, Incoming, Kind, Limits, Message, MessageError, MessageRef, OpenError,
    Origins, Outgoing, Part, Policy, ProtocolError, Reject, RequestHead, Role, Settings, Status,
    UsageError, VerifyError,
};
#[cfg(feature = "deflate")]
pub use sockeye_endpoint::{
    ClientOffer, ClientWindow, ClientWindowOffer, Level, Params, ServerConfig, WindowBits,
};

pub use client::{client, connect};
pub use events::{EventSource, EventStream};
pub use server::{Upgrade, accept};
pub use split::{Receiver, Sender};
pub use web_socket::WebSocket;
