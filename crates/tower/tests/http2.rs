//! Streams of HTTP/2, as a server of hyper hands them over.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::SendRequest;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use sockeye_tower::Hub;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A client of a hub behind a server of HTTP/2, in memory.
async fn connect(hub: Hub) -> SendRequest<Full<Bytes>> {
    let (near, far) = tokio::io::duplex(16 * 1024);
    tokio::spawn(async move {
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder.enable_connect_protocol();
        builder.serve_connection(TokioIo::new(far), TowerToHyperService::new(hub)).await
    });
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(near));
    let (sender, connection) = handshake.await.expect("it speaks HTTP/2");
    tokio::spawn(connection);
    sender
}

#[tokio::test]
async fn a_websocket_is_a_stream_of_http2() {
    let mut sender = connect(Hub::in_memory().expect("it has a thread")).await;
    let open = Request::builder()
        .method(Method::CONNECT)
        .uri("http://localhost/v1/ws")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "sockeye.v1.json")
        .extension(Protocol::from_static("websocket"))
        .body(Full::default())
        .expect("it is a request");
    // The server says that it takes them in its first frame.
    sender.ready().await.expect("it is open");
    let mut opened = sender.send_request(open).await.expect("it is answered");
    assert_eq!(opened.status(), StatusCode::OK);
    assert_eq!(opened.headers()["sec-websocket-protocol"], "sockeye.v1.json");
    assert!(!opened.headers().contains_key("sec-websocket-accept"));
    let mut socket = TokioIo::new(hyper::upgrade::on(&mut opened).await.expect("it is open"));
    let command = b"{\"type\":\"subscribe\",\"channels\":[\"news\"]}";
    let head = [0x81, 0x80 | u8::try_from(command.len()).expect("it is short"), 0, 0, 0, 0];
    socket.write_all(&[&head[..], command].concat()).await.expect("it reads");
    let mut got = Vec::new();
    let subscribed = async {
        while !String::from_utf8_lossy(&got).contains("\"type\":\"subscribed\"") {
            assert!(socket.read_buf(&mut got).await.expect("it is open") > 0, "the end");
        }
    };
    tokio::time::timeout(Duration::from_secs(20), subscribed).await.expect("it comes");
}

#[tokio::test]
async fn requests_come_with_their_authority() {
    let hub = Hub::in_memory().expect("it has a thread");
    let mut sender = connect(hub).await;
    for (host, status) in [("localhost", 200), ("hub.example", 403)] {
        let uri = format!("http://{host}/v1/channels/news");
        let request = Request::post(uri).body(Full::from("hello")).expect("it is a request");
        let answer = sender.send_request(request).await.expect("it is answered");
        assert_eq!(answer.status(), status, "{host}");
        let _ = answer.into_body().collect().await.expect("it is whole");
    }
}
