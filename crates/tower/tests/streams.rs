//! Channels over all transports, and resume.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt as _;
use rustix::net::sockopt::set_tcp_user_timeout;
use sockeye_hub::{Config, Epoch};
use sockeye_tower::{Hub, Limits, ServerLimits, Service};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::common::{Client, in_memory, publish, request, serve};

/// A WebSocket's first frames of a client: masked with zeros, which leaves the text as it is.
fn text_frame(text: &str) -> Vec<u8> {
    let len = u8::try_from(text.len()).expect("it is short");
    assert!(len < 126);
    [&[0x81, 0x80 | len, 0, 0, 0, 0], text.as_bytes()].concat()
}

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sockeye.v1.json\r\n";

#[tokio::test]
async fn a_message_reaches_all_transports_and_a_cursor_resumes_on_each() {
    let (_hub, host) = in_memory().await;
    let mut events = Client::connect(host).await;
    events.ask("GET /v1/sse?channel=news", "", "").await;
    events.until("$sync").await;
    let mut socket = Client::connect(host).await;
    socket.ask("GET /v1/ws", UPGRADE, "").await;
    socket.until("HTTP/1.1 101 ").await;
    let mut poll = Client::connect(host).await;
    poll.ask("GET /v1/poll?channel=news&wait=20", "", "").await;

    publish(host, "news", "the first").await;
    let seen = events.until("data: the first").await;
    poll.until("\"data\":\"the first\"").await;
    let cursor = seen.rsplit("id: ").next().and_then(|it| it.lines().next()).expect("it has one");
    drop((events, poll));
    publish(host, "news", "the second").await;

    let mut again = Client::connect(host).await;
    again.ask("GET /v1/sse?channel=news", &format!("Last-Event-ID: {cursor}\r\n"), "").await;
    let got = again.until("data: the second").await;
    assert!(!got.contains("the first"), "{got}");
    let path = format!("GET /v1/poll?channel=news&cursor={cursor}");
    let got = request(host, &path, "", "").await;
    assert!(got.contains("the second") && !got.contains("the first"), "{got}");
    let ask = format!("{{\"type\":\"subscribe\",\"channels\":[\"news\"],\"cursor\":\"{cursor}\"}}");
    socket.socket.write_all(&text_frame(&ask)).await.expect("it reads");
    let got = socket.until("the second").await;
    assert!(!got.contains("the first"), "{got}");
}

#[tokio::test]
async fn a_stream_whose_client_has_gone_is_over() {
    let (_hub, host) = in_memory().await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut events = Client::connect(host).await;
        events.ask("GET /v1/sse?channel=news", "", "").await;
        events.until("$sync").await;
        let mut poll = Client::connect(host).await;
        poll.ask("GET /v1/poll?channel=news&wait=25", "", "").await;
        let mut socket = Client::connect(host).await;
        socket.ask("GET /v1/ws", UPGRADE, "").await;
        socket.until("HTTP/1.1 101 ").await;
        clients.extend([events, poll, socket]);
    }
    drop(clients);
    while open_connections(host).await > 1 {
        tokio::task::yield_now().await;
    }
}

/// The connections inside the hub, with that of the request for the figures.
async fn open_connections(host: SocketAddr) -> u32 {
    let figures = request(host, "GET /metrics", "", "").await;
    let open = figures.lines().find_map(|it| it.strip_prefix("sockeye_connections "));
    open.and_then(|open| open.trim().parse().ok()).expect("it is told")
}

#[tokio::test]
async fn a_reader_that_stops_holds_nobody_and_misses_nothing() {
    let make = || {
        let mut config = Config::default();
        config.settings.history_messages_max = 1_000;
        config.settings.history_bytes_max = 64 << 20;
        Service::new(Epoch(1), config, Limits::default())
    };
    let host = serve(Hub::start(ServerLimits::default(), make).expect("it has a thread")).await;
    let mut slow = Client::with_little_room(host).await;
    slow.ask("GET /v1/sse?channel=news", "", "").await;
    slow.until("$sync").await;
    let mut quick = Client::connect(host).await;
    quick.ask("GET /v1/sse?channel=news", "", "").await;
    quick.until("$sync").await;
    // More than the pipe and both sockets hold, and less than the history.
    let filler = "x".repeat(16_000);
    for number in 0..400 {
        publish(host, "news", &format!("{number}:{filler}")).await;
        if number % 50 == 0 {
            quick.until(&format!("data: {number}:")).await;
            quick.got.clear();
        }
    }
    let got = slow.until("data: 399:").await;
    let numbers =
        got.split("data: ").skip(1).filter_map(|it| it.split_once(':')?.0.parse::<u32>().ok());
    assert!(numbers.eq(0..400_u32), "in order, and each once");
}

#[tokio::test]
async fn a_request_of_the_program_itself_is_answered() {
    use http_body_util::{BodyExt as _, Full};
    use tower::ServiceExt as _;

    let hub = Hub::in_memory().expect("it has a thread");
    let post = http::Request::post("http://localhost/v1/channels/news");
    let Ok(answer) = hub.clone().oneshot(post.body(Full::from("hello")).unwrap()).await;
    assert_eq!(answer.status(), 200);
    let get = http::Request::get("http://localhost/v1/channels/news/history");
    let Ok(answer) = hub.oneshot(get.body(Full::<bytes::Bytes>::default()).unwrap()).await;
    let body = answer.into_body().collect().await.expect("it is whole").to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("\"data\":\"hello\""));
}

/// Its answer is never asked for more while its socket takes nothing, so only the socket ends it.
#[tokio::test]
async fn a_reader_that_takes_nothing_is_ended_by_its_socket() {
    let make = || Service::new(Epoch(1), Config::default(), Limits::default());
    let mut limits = ServerLimits::default();
    limits.write_stall_ms = 3_600_000;
    let hub = Hub::start(limits, make).expect("it has a thread");
    let app = Router::new().route_service("/v1/{*path}", hub.clone());
    let app = app.route_service("/metrics", hub);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let host = listener.local_addr().expect("it is bound");
    let listener = listener.tap_io(|socket| {
        set_tcp_user_timeout(&*socket, 300).expect("it is a socket");
    });
    tokio::spawn(async { axum::serve(listener, app).await });
    let mut stuck = Client::with_little_room(host).await;
    stuck.ask("GET /v1/sse?channel=news", "", "").await;
    stuck.until("$sync").await;
    let filler = "x".repeat(60_000);
    let ends = async {
        while open_connections(host).await > 1 {
            publish(host, "news", &filler).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ends).await.expect("it ends");
}
