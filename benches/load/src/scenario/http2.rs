//! The loads over HTTP/2 and TLS.

use super::{Deliver, Echo, Load, Requests, Scenario, Secure, Version, Way};

/// Without TLS.
const PLAIN: &[&str] = &["sockeye", "nghttpd", "nginx", "node-h2"];
/// With it.
const ENCRYPTED: &[&str] = &["tls", "nghttpd-tls", "nginx-tls", "node-tls"];
/// With it, those that speak HTTP/1.1.
const SOCKETS: &[&str] = &["tls", "nginx-tls", "uws-tls"];
const HANDSHAKES: &[&str] = &["tls", "nginx-tls", "uws-tls", "node-tls"];
/// uWebSockets takes no tickets, and Node not always.
const RESUMING: &[&str] = &["tls", "nginx-tls"];
const ECHOES: &[&str] = &["tls", "uws-tls", "node-tls"];

pub(super) fn all() -> Vec<Scenario> {
    let mut all = requests();
    all.extend(streams());
    for (name, title, load, servers) in [
        ("tls-full", "handshakes of TLS 1.3, ECDSA on P-256", Secure::Full, HANDSHAKES),
        ("tls-resumed", "handshakes of TLS 1.3, resumed with tickets", Secure::Resumed, RESUMING),
    ] {
        all.push(Scenario::new(name, title, Load::Secure(load), servers));
    }
    for (name, bytes) in [("tls-echo16", 16), ("tls-echo1k", 1_024)] {
        let title = format!("echo of {bytes} B binary over TLS, 64 connections, 1 in flight");
        all.push(Scenario::new(name, title, Load::Secure(Secure::Echo(bytes)), ECHOES));
    }
    all
}

fn requests() -> Vec<Scenario> {
    let mut all = Vec::new();
    for (kind, what, servers) in [("h2c", "HTTP/2", PLAIN), ("h2", "HTTP/2 and TLS", ENCRYPTED)] {
        for (batch, connections, in_flight) in [("", 64, 1), ("x32", 16, 32)] {
            let title =
                format!("GET over {what}, {connections} connections, {in_flight} in flight");
            let load = Requests { version: Version::Http2, connections, in_flight };
            let name = format!("{kind}-get{batch}");
            all.push(Scenario::new(name, title, Load::Requests(load), servers));
        }
    }
    let load = Requests { version: Version::Http11, connections: 64, in_flight: 1 };
    let title = "GET over HTTP/1.1 and TLS, 64 connections, 1 in flight";
    all.push(Scenario::new("tls-get", title, Load::Requests(load), SOCKETS));
    all
}

/// WebSockets and event streams that share connections.
fn streams() -> Vec<Scenario> {
    let echo = Echo { streams: 10, ..Echo::binary(16, 10, 1) };
    let title =
        "echo of 16 B binary, 10 connections of HTTP/2 with 10 WebSockets each, 1 in flight";
    let servers = &["sockeye", "node-h2"];
    let mut all = vec![Scenario::new("h2c-echo16", title, Load::Echo(echo), servers)];
    let events: &[&str] = &["sockeye", "nginx", "node-h2"];
    for (name, what, way, subscribers, servers) in [
        ("h2c-sse1k", "event streams", Way::Events, 1_000, events),
        ("h2c-sse10k", "event streams", Way::Events, 10_000, events),
        ("h2c-fan10k", "WebSockets", Way::WebSocket, 10_000, &["sockeye"]),
    ] {
        let title = format!("128 B to {subscribers} {what}, 100 on each connection of HTTP/2");
        let deliver =
            Deliver { way, subscribers, streams: 100, bytes: 128, in_flight: 1, deflate: false };
        all.push(Scenario::new(name, title, Load::Deliver(deliver), servers));
    }
    all
}
