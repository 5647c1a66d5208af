//! A server of axum on a loopback port, and its clients.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use sockeye_axum::ws::{WebSocket, WebSocketUpgrade};
use sockeye_tokio::{ConnectOptions, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Far above what any of these conversations takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a test on a runtime of two threads.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().expect("a runtime can be made");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("in time") })
}

/// Serves an application for as long as the runtime lives.
pub(crate) async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Serves `/ws`: each request is set up by `set`, and each WebSocket handled by `handle`.
pub(crate) async fn serve_sockets<Fut: Future<Output = ()> + Send + 'static>(
    set: impl Fn(WebSocketUpgrade) -> WebSocketUpgrade + Clone + Send + Sync + 'static,
    handle: impl Fn(WebSocket) -> Fut + Clone + Send + Sync + 'static,
) -> SocketAddr {
    let handler = move |ws: WebSocketUpgrade| {
        let (set, handle) = (set.clone(), handle.clone());
        async move { set(ws).on_upgrade(handle) }
    };
    serve(Router::new().route("/ws", any(handler))).await
}

/// Sends every message back.
pub(crate) async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            return;
        }
    }
}

/// Our client at `/ws`.
pub(crate) async fn client(
    address: SocketAddr,
    options: &ConnectOptions,
) -> sockeye_tokio::WebSocket<TcpStream> {
    connect(&format!("ws://{address}/ws"), options).await.unwrap()
}

/// The head of the answer to a request, and the text behind it that has come with it.
pub(crate) async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut piece).await.unwrap() {
            0 => break,
            len => answer.extend_from_slice(&piece[..len]),
        }
    }
    String::from_utf8(answer).unwrap()
}
