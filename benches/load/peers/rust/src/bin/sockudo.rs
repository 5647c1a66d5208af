//! Echo on sockudo-ws, as its own example does.

use load_peers::{Heard, MESSAGE_BYTES_MAX, Writes, echo, listen};
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::protocol::Message;
use sockudo_ws::{Config, WebSocketStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn main() {
    listen(serve);
}

async fn serve(stream: TcpStream, writes: Writes) {
    let Some(stream) = shake_hands(stream).await else { return };
    let config = Config {
        max_message_size: MESSAGE_BYTES_MAX,
        max_frame_size: MESSAGE_BYTES_MAX,
        ..Config::default()
    };
    let socket = WebSocketStream::server(stream, config);
    let is_data = |message: &Message| matches!(message, Message::Text(_) | Message::Binary(_));
    echo(socket, |result| Heard::of(result, is_data), writes).await;
}

async fn shake_hands(mut stream: TcpStream) -> Option<TcpStream> {
    let mut head = Vec::with_capacity(4096);
    loop {
        if stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
        if let Some((request, _)) = parse_request(&head).ok()? {
            let accept_key = generate_accept_key(request.key);
            stream.write_all(&build_response(&accept_key, None, None)).await.ok()?;
            return Some(stream);
        }
    }
}
