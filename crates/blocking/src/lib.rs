#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod hooks;
mod input;
mod opening;
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

pub use opening::{Upgrade, accept, client, connect, server};
pub use web_socket::WebSocket;
