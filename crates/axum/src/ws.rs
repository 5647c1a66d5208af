//! WebSockets: the extractor, the socket and its messages, with the names that axum has in `axum::extract::ws`.

mod message;
pub mod rejection;
mod request;
mod socket;
mod text;
mod upgrade;

pub use sockeye_tokio::{ClientWindow, Level, Limits, Origins, ServerConfig, Settings, WindowBits};

pub use message::{CloseCode, CloseFrame, Message, close_code};
pub use socket::{Stream, WebSocket};
pub use text::Utf8Bytes;
pub use upgrade::{DefaultOnFailedUpgrade, OnFailedUpgrade, WebSocketUpgrade};
