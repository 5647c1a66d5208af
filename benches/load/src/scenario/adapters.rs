//! The loads of our crates for tokio and axum, beside other crates on the same runtime.

use super::{Before, Echo, Idle, Load, Scenario};

const SERVERS: &[&str] = &[
    "sockeye-tokio",
    "sockeye-axum",
    "axum",
    "tungstenite",
    "yawc",
    "sockudo",
    "tokio-websockets",
    "fastwebsockets",
];

pub(super) fn all() -> Vec<Scenario> {
    let mut all: Vec<Scenario> = [
        ("tokio16", 16, 64, 1),
        ("tokio16x32", 16, 64, 32),
        ("tokio64k", 64 << 10, 16, 1),
    ]
    .map(|(name, bytes, connections, pipeline)| {
        let title = format!(
            "echo of {bytes} B binary on tokio, {connections} connections, {pipeline} in flight"
        );
        Scenario::new(name, title, Load::Echo(Echo::binary(bytes, connections, pipeline)), SERVERS)
    })
    .into();
    for (name, pipeline) in [("tokiodeflate", 1), ("tokiodeflatex32", 32)] {
        let title = format!(
            "echo of 1 KiB text on tokio, compressed, 64 connections, {pipeline} in flight"
        );
        let echo = Echo { content: "text", deflate: true, ..Echo::binary(1024, 64, pipeline) };
        all.push(Scenario::new(name, title, Load::Echo(echo), &["sockeye-tokio", "yawc-deflate"]));
    }
    let before = Before::Echo { bytes: 64, deflate: false };
    let load = Load::Idle(Idle { connections: 10_000, before, hold_s: 0 });
    let title = "10,000 idle WebSockets on tokio after one message";
    all.push(Scenario::new("tokioidle", title, load, SERVERS));
    all
}
