//! Echo on sockeye-axum, behind hyper. What is queued goes out in one write before the socket waits for more.

use axum::Router;
use axum::response::Response;
use axum::routing::any;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use load_peers::{MESSAGE_BYTES_MAX, Writes, listen};
use sockeye_axum::ws::{Message, WebSocket, WebSocketUpgrade};
use tokio::net::TcpStream;

fn main() {
    listen(serve);
}

async fn serve(stream: TcpStream, writes: Writes) {
    let answer = async move |upgrade: WebSocketUpgrade| -> Response {
        let upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX);
        upgrade.on_upgrade(async move |socket| echo(socket, writes).await)
    };
    let service = TowerToHyperService::new(Router::new().route("/", any(answer)));
    let http = hyper::server::conn::http1::Builder::new();
    let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}

async fn echo(mut socket: WebSocket, writes: Writes) {
    while let Some(Ok(message)) = socket.next().await {
        let sent = match (&message, writes) {
            (Message::Text(_) | Message::Binary(_), Writes::Each) => socket.send(message).await,
            (Message::Text(_) | Message::Binary(_), Writes::Batched) => socket.feed(message).await,
            _ => Ok(()),
        };
        if sent.is_err() {
            return;
        }
    }
}
