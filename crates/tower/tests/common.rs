//! A server of axum with a hub, and a client that speaks HTTP in plain text.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use sockeye_tower::Hub;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Serves a hub, also to operators.
pub(crate) async fn serve(hub: Hub) -> SocketAddr {
    let hub = hub.with_peer(|it| it.get::<ConnectInfo<SocketAddr>>().map(|it| it.0));
    let app = Router::new()
        .route_service("/v1/{*path}", hub.clone())
        .route_service("/metrics", hub)
        .into_make_service_with_connect_info::<SocketAddr>();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async { axum::serve(listener, app).await });
    address
}

pub(crate) async fn in_memory() -> (Hub, SocketAddr) {
    let hub = Hub::in_memory().expect("it has a thread");
    let address = serve(hub.clone()).await;
    (hub, address)
}

/// A client's connection.
pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    host: SocketAddr,
    pub(crate) got: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(host: SocketAddr) -> Self {
        let socket = TcpStream::connect(host).await.expect("it listens");
        Self { socket, host, got: Vec::new() }
    }

    /// One from another address of this machine.
    pub(crate) async fn connect_from(address: [u8; 4], host: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("there is a descriptor");
        socket.bind((address, 0).into()).expect("it is this machine's");
        let socket = socket.connect(host).await.expect("it listens");
        Self { socket, host, got: Vec::new() }
    }

    /// One whose system takes little before it reads.
    pub(crate) async fn with_little_room(host: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("there is a descriptor");
        socket.set_recv_buffer_size(8_192).expect("it may be small");
        let socket = socket.connect(host).await.expect("it listens");
        Self { socket, host, got: Vec::new() }
    }

    /// Sends a request with further fields and a body.
    pub(crate) async fn ask(&mut self, line: &str, fields: &str, body: &str) {
        let len = match body.len() {
            0 => String::new(),
            len => format!("Content-Length: {len}\r\n"),
        };
        let text = format!("{line} HTTP/1.1\r\nHost: {}\r\n{fields}{len}\r\n{body}", self.host);
        self.socket.write_all(text.as_bytes()).await.expect("it reads");
    }

    /// Reads until what came has this text, and returns all of it.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        let find = async {
            let mut searched = 0;
            loop {
                // Megabytes may come in small pieces: only the new one is searched.
                if String::from_utf8_lossy(&self.got[searched..]).contains(text) {
                    return String::from_utf8_lossy(&self.got).into_owned();
                }
                searched = self.got.len().saturating_sub(text.len());
                let len = self.socket.read_buf(&mut self.got).await.expect("it is open");
                assert!(len > 0, "{text:?} did not come, and the end did: {:.400?}", self.got);
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(20), find).await;
        found.unwrap_or_else(|_| panic!("{text:?} did not come, but {:.400?}", self.got))
    }

    /// Reads until the end.
    pub(crate) async fn read_to_end(&mut self) -> String {
        let all = self.socket.read_to_end(&mut self.got);
        let all = tokio::time::timeout(Duration::from_secs(20), all).await.expect("it ends");
        all.expect("it ends in good order");
        String::from_utf8_lossy(&self.got).into_owned()
    }
}

/// One request on a connection of its own, and its whole answer.
pub(crate) async fn request(host: SocketAddr, line: &str, fields: &str, body: &str) -> String {
    let mut client = Client::connect(host).await;
    client.ask(line, &format!("{fields}Connection: close\r\n"), body).await;
    client.read_to_end().await
}

pub(crate) async fn publish(host: SocketAddr, channel: &str, text: &str) {
    let answer = request(host, &format!("POST /v1/channels/{channel}"), "", text).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
