#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod agreed;
mod compressor;
mod endpoint;
pub mod entropy;
mod error;
pub mod opening;
mod outgoing;
mod output;
mod settings;
mod spare;

#[cfg(feature = "deflate")]
pub use sockeye_deflate::{
    ClientOffer, ClientWindow, ClientWindowOffer, Level, Params, ServerConfig, WindowBits,
};
pub use sockeye_handshake::{Origins, Reject, VerifyError};
pub use sockeye_http::{HeaderName, HeaderValue, Status};
pub use sockeye_http1::RequestHead;
pub use sockeye_websocket::{
    CloseCode, CloseReason, Closed, Control, Fin, Kind, Limits, Message as MessageRef,
    MessageError, OwnedMessage as Message, ProtocolError, Role, State, UsageError,
};

pub use address::Address;
pub use agreed::Agreed;
pub use endpoint::partial::Partial;
pub use endpoint::{Dropped, Endpoint, Incoming, Part, Take};
pub use error::{Answer, Deadline, Error, OpenError};
pub use outgoing::Outgoing;
pub use output::Output;
pub use settings::{ConnectOptions, Policy, Settings};
