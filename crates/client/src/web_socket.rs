//! The WebSocket client: its machine, and the machine with a loop of its own.

mod blocking;
mod kept;
mod machine;
mod opening;
mod options;
mod session;

pub use blocking::WebSocket;
pub use machine::{SocketEvent, WebSocket as WebSocketMachine};
pub use opening::Opened;
pub use options::{ConnectOptions, Delivery};
pub use sockeye_websocket::OwnedMessage;

#[cfg(test)]
#[path = "web_socket/tests.rs"]
mod tests;
