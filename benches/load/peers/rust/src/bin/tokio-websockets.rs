//! Echo on tokio-websockets.

use load_peers::{Heard, MESSAGE_BYTES_MAX, Writes, echo, listen};
use tokio::net::TcpStream;
use tokio_websockets::{Limits, Message, ServerBuilder};

fn main() {
    listen(serve);
}

async fn serve(stream: TcpStream, writes: Writes) {
    let limits = Limits::default().max_payload_len(Some(MESSAGE_BYTES_MAX));
    let Ok((_, socket)) = ServerBuilder::new().limits(limits).accept(stream).await else { return };
    let is_data = |message: &Message| message.is_text() || message.is_binary();
    echo(socket, |result| Heard::of(result, is_data), writes).await;
}
