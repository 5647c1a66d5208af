//! The other side of the programs in the pages on migration: each of them is run against it.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use sockeye_tokio::{CloseCode, ConnectOptions, Message, Policy, accept, connect};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The pages, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../crates/tokio/MIGRATION.md")]
struct Pages;

/// Longer than this no program takes.
const PATIENCE: Duration = Duration::from_secs(30);

fn run(play: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("there are threads");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, play).await }).expect("it ends");
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
    let address = listener.local_addr().expect("it is bound");
    (listener, address.to_string())
}

/// Has a server of one connection echo a text.
///
/// # Panics
/// If it does not.
pub fn ask_echo<F: Future<Output = ()> + Send + 'static>(serve: fn(TcpStream) -> F) {
    run(async {
        let (listener, address) = listen().await;
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a client comes");
            serve(stream).await;
        });
        let url = format!("ws://{address}/");
        let mut socket = connect(&url, &ConnectOptions::default()).await.expect("it accepts");
        socket.send("hello").await.expect("it reads");
        let answer = socket.receive().await.expect("it answers").expect("it keeps the rules");
        assert_eq!(answer, Message::Text("hello".into()));
        socket.close(CloseCode::NORMAL, "").await.expect("it answers the Close frame");
        server.await.expect("it has not panicked");
    });
}

/// Has a client greet an echo.
///
/// # Panics
/// If it does not get its greeting back.
pub fn serve_echo<F: Future<Output = Result<String, Box<dyn Error>>>>(greet: fn(String) -> F) {
    run(async {
        let (listener, address) = listen().await;
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a client comes");
            let mut socket = accept(stream, &Policy::default()).await.expect("it asks well");
            while let Some(Ok(message)) = socket.receive().await {
                let _ = socket.send(&message).await;
            }
        });
        let text = greet(format!("ws://{address}/")).await.expect("it is answered");
        assert_eq!(text, "hello");
    });
}

/// Has a client read two events, and refuses it with 204 where it comes back.
///
/// # Panics
/// If it does not read them.
pub fn serve_events<F: Future<Output = Result<Vec<String>, Box<dyn Error>>>>(
    read: fn(String) -> F,
) {
    const EVENTS: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
        Connection: close\r\n\r\nretry: 10\nid: 1\ndata: smolt\n\ndata: ocean\n\n";
    const OVER: &[u8] = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    run(async {
        let (listener, address) = listen().await;
        tokio::spawn(async move {
            for answer in [EVENTS, OVER] {
                let (mut stream, _) = listener.accept().await.expect("a client comes");
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut head).await.expect("it asks") == 0 {
                        return;
                    }
                }
                stream.write_all(answer).await.expect("it reads");
            }
        });
        let texts = read(format!("http://{address}/")).await.expect("it reads to the end");
        assert_eq!(texts, ["smolt", "ocean"]);
    });
}
