//! `sockeye-axum` under test: an echo server. It has the command that `conformance/autobahn/run server --binary` calls.

mod settings;

use std::env;
use std::process::ExitCode;

use axum::Router;
use axum::response::Response;
use axum::routing::any;
use axum::serve::ListenerExt;
use sockeye_axum::ws::{Message, WebSocket, WebSocketUpgrade};
use tokio::net::TcpListener;

use crate::settings::settings;

const USAGE: &str = "usage: sockeye-adapter-axum serve --listen ADDRESS    echoes on /echo";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ["serve", "--listen", address] = arguments[..] else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match serve(address).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sockeye-adapter-axum: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(address: &str) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    println!("adapter listens on http://{}", listener.local_addr()?);
    // A socket that cannot be set will fail soon.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, Router::new().route("/echo", any(open))).await
}

async fn open(ws: WebSocketUpgrade) -> Response {
    ws.settings(settings()).on_upgrade(echo)
}

/// Sends every message back until the connection is over. How a client breaks the rules is for the suite to tell.
async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if let Message::Text(_) | Message::Binary(_) = message {
            // A peer that has closed takes no more messages: receive what is left.
            let _ = socket.send(message).await;
        }
    }
}
