//! Echo on tokio-websockets.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_websockets::ServerBuilder;

fn main() {
    conformance_peers::listen(serve);
}

async fn serve(stream: TcpStream) {
    let Ok((_, mut socket)) = ServerBuilder::new().accept(stream).await else { return };
    while let Some(received) = socket.next().await {
        // After an error the library still has a Close to send: it wants to be polled to the end.
        let Ok(message) = received else { continue };
        let data = message.is_text() || message.is_binary();
        if data && socket.send(message).await.is_err() {
            return;
        }
    }
}
