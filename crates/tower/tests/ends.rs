//! A hub that ends, and one that is full.

use sockeye_hub::{Config, Epoch};
use sockeye_tower::{Hub, Limits, ServerLimits, Service};

use crate::common::{Client, in_memory, request, serve};

#[tokio::test]
async fn a_drain_tells_the_streams_to_go_and_waits_for_them() {
    let (hub, host) = in_memory().await;
    let mut events = Client::connect(host).await;
    events.ask("GET /v1/sse?channel=news", "Connection: close\r\n", "").await;
    events.until("$sync").await;
    let mut poll = Client::connect(host).await;
    poll.ask("GET /v1/poll?channel=news&wait=25", "Connection: close\r\n", "").await;
    // The loop holds it.
    while !request(host, "GET /metrics", "", "")
        .await
        .contains("sockeye_streams{transport=\"poll\"} 1")
    {
        tokio::task::yield_now().await;
    }
    hub.drain().await;
    events.read_to_end().await;
    let answer = poll.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    let late = request(host, "GET /v1/position", "", "").await;
    assert!(
        late.starts_with("HTTP/1.1 503 ") && late.contains("the hub is shutting down"),
        "{late}"
    );
}

#[tokio::test]
async fn an_address_has_its_share_of_connections() {
    let mut limits = ServerLimits::default();
    limits.connections_per_address_max = 2;
    let make = || Service::new(Epoch(1), Config::default(), Limits::default());
    let host = serve(Hub::start(limits, make).expect("it has a thread")).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut events = Client::connect(host).await;
        events.ask("GET /v1/sse?channel=news", "", "").await;
        events.until("$sync").await;
        open.push(events);
    }
    let refused = request(host, "GET /v1/sse?channel=news", "", "").await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    let mut neighbour = Client::connect_from([127, 0, 0, 2], host).await;
    neighbour.ask("GET /v1/position", "Connection: close\r\n", "").await;
    assert!(neighbour.read_to_end().await.starts_with("HTTP/1.1 200 "));
    open.clear();
    // A request is answered again once the loop has seen them go.
    while !request(host, "GET /v1/position", "", "").await.starts_with("HTTP/1.1 200 ") {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_service_that_cannot_be_made_is_an_error() {
    let failed = Hub::start(ServerLimits::default(), || panic!("on purpose"));
    assert_eq!(failed.unwrap_err().to_string(), "the service was not made");
}
