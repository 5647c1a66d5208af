//! Echo on tokio-tungstenite with a read buffer of 8 KiB; its default of 128 KiB costs it much.

use load_peers::{Heard, Writes, echo, listen};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Message, protocol::WebSocketConfig};

fn main() {
    listen(serve);
}

async fn serve(stream: TcpStream, writes: Writes) {
    let config = WebSocketConfig::default().read_buffer_size(8192);
    let accepted = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await;
    let Ok(socket) = accepted else { return };
    let is_data = |message: &Message| message.is_text() || message.is_binary();
    echo(socket, |result| Heard::of(result, is_data), writes).await;
}
