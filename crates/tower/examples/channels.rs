//! Channels inside a server of axum: a handler publishes, and an event stream gets it.
//!
//! `cargo run -p sockeye-tower --example channels 127.0.0.1:3000` goes on serving; without an address it plays both sides
//! and ends.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode};
use axum::routing::post;
use http_body_util::Full;
use sockeye_tower::Hub;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

/// Publishes what becomes of an order.
async fn order(State(hub): State<Hub>, Path(number): Path<u32>) -> StatusCode {
    let request = Request::post("http://localhost/v1/channels/orders");
    let request = request.body(Full::from(format!("order {number} is on its way")));
    let Ok(answer) = hub.oneshot(request.expect("the path is one")).await;
    answer.status()
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let hub = Hub::in_memory()?;
    let app = Router::new()
        .route("/order/{number}", post(order))
        .with_state(hub.clone())
        .route_service("/v1/{*path}", hub.clone());
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0")).await?;
    let (here, is_served) = (listener.local_addr()?, address.is_some());
    println!("curl -N 'http://{here}/v1/sse?channel=orders'\ncurl -X POST http://{here}/order/7");
    let played = async move {
        if is_served { std::future::pending().await } else { play(here).await }.expect("it plays");
        hub.drain().await;
    };
    axum::serve(listener, app).with_graceful_shutdown(played).await
}

/// A reader, and somebody who orders.
async fn play(here: std::net::SocketAddr) -> std::io::Result<()> {
    let mut reader = TcpStream::connect(here).await?;
    let ask = format!("GET /v1/sse?channel=orders HTTP/1.1\r\nHost: {here}\r\n\r\n");
    reader.write_all(ask.as_bytes()).await?;
    until(&mut reader, "$sync").await?;
    let mut buyer = TcpStream::connect(here).await?;
    let order = format!("POST /order/7 HTTP/1.1\r\nHost: {here}\r\nConnection: close\r\n\r\n");
    buyer.write_all(order.as_bytes()).await?;
    println!("{}", until(&mut reader, "order 7").await?);
    Ok(())
}

async fn until(reader: &mut TcpStream, text: &str) -> std::io::Result<String> {
    let mut got = Vec::new();
    while !String::from_utf8_lossy(&got).contains(text) {
        if reader.read_buf(&mut got).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(String::from_utf8_lossy(&got).into_owned())
}
