#![doc = include_str!("../README.md")]

mod address;
mod buffers;
mod client;
mod compressor;
mod core;
mod endpoint;
mod entropy;
mod error;
pub mod events;
mod head;
mod server;
mod settings;
mod split;
mod timer;
mod wakers;
mod web_socket;

#[cfg(feature = "deflate")]
pub use sockeye_deflate::{
    ClientOffer, ClientWindow, ClientWindowOffer, Level, Params, ServerConfig, WindowBits,
};
pub use sockeye_handshake::Origins;
pub use sockeye_http::{HeaderName, HeaderValue, Status};
pub use sockeye_http1::RequestHead;
pub use sockeye_websocket::{
    CloseCode, CloseReason, Closed, Control, Fin, Kind, Limits, Message as MessageRef,
    OwnedMessage as Message, Role,
};

pub use client::{client, connect};
pub use endpoint::{Incoming, Part};
pub use error::{Answer, Deadline, Error, OpenError};
pub use events::{EventSource, EventStream};
pub use server::{Upgrade, accept};
pub use settings::{ConnectOptions, Policy, Settings};
pub use split::{Receiver, Sender};
pub use web_socket::WebSocket;
