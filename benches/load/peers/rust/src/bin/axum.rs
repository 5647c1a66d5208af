//! Echo on axum's own WebSockets, behind hyper.

use axum::Router;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use load_peers::{Heard, MESSAGE_BYTES_MAX, Writes, echo, listen};
use tokio::net::TcpStream;

fn main() {
    listen(serve);
}

async fn serve(stream: TcpStream, writes: Writes) {
    let answer = async move |upgrade: WebSocketUpgrade| -> Response {
        let upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX);
        upgrade.on_upgrade(async move |socket| {
            let is_data =
                |message: &Message| matches!(message, Message::Text(_) | Message::Binary(_));
            echo(socket, |result| Heard::of(result, is_data), writes).await;
        })
    };
    let service = TowerToHyperService::new(Router::new().route("/", any(answer)));
    let http = hyper::server::conn::http1::Builder::new();
    let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}
