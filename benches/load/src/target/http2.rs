//! The targets over HTTP/2 and TLS.

use super::{Demand, Rule, Target};
use crate::sample::Figure;

/// Nanoseconds of a delivery to one of ten thousand on a hundred connections.
const DELIVERY_NS: f64 = 300.0;

impl Demand {
    /// The same on Sockeye with TLS.
    fn encrypted(self) -> Self {
        Self { ours: "tls", ..self }
    }
}

pub(super) fn all() -> Vec<Target> {
    let demand = |name: &str, rule| Demand::new(name, Figure::Cpu, rule);
    let times = |name: &str, peers, bound| demand(name, Rule::TimesCheapest(peers, bound));
    let target = |workload, wanted, demands| Target { workload, wanted, demands };
    let each = |names: [&str; 2], peers, bound| names.map(|name| times(name, peers, bound)).into();
    let encrypted =
        |names: [&str; 2], peers, bound| names.map(|it| times(it, peers, bound).encrypted()).into();
    let plain_gets = ["h2c-get", "h2c-getx32"];
    let gets = ["h2-get", "h2-getx32"];
    let events = ["h2c-sse1k", "h2c-sse10k"];
    vec![
        target(
            "GET over HTTP/2, 1 and 32 in flight",
            "≤ 1.0 × nghttpd",
            each(plain_gets, &["nghttpd"], 1.0),
        ),
        target("the same", "≤ 0.5 × Node's http2", each(plain_gets, &["node-h2"], 0.5)),
        target("the same over TLS", "≤ 1.0 × nghttpd", encrypted(gets, &["nghttpd-tls"], 1.0)),
        target("the same", "≤ 0.5 × Node's http2", encrypted(gets, &["node-tls"], 0.5)),
        target(
            "echo of 16 B on WebSockets over HTTP/2",
            "≤ 0.5 × Node's http2",
            vec![times("h2c-echo16", &["node-h2"], 0.5)],
        ),
        target(
            "fan-out to 1,000 and 10,000 event streams over HTTP/2",
            "≤ 0.85 × nchan",
            each(events, &["nginx"], 0.85),
        ),
        target("the same", "≤ 0.45 × Node's http2", each(events, &["node-h2"], 0.45)),
        target(
            "fan-out to 10,000 WebSockets over HTTP/2",
            "≤ 300 ns each",
            vec![demand("h2c-fan10k", Rule::AtMost(DELIVERY_NS))],
        ),
        target(
            "handshakes of TLS 1.3, full and resumed",
            "≤ 1.0 × nginx",
            encrypted(["tls-full", "tls-resumed"], &["nginx-tls"], 1.0),
        ),
        target(
            "GET over HTTP/1.1 and TLS",
            "≤ 1.0 × nginx",
            vec![times("tls-get", &["nginx-tls"], 1.0).encrypted()],
        ),
        target(
            "echo of 16 B and 1 KiB over TLS",
            "≤ 1.0 × uWebSockets",
            encrypted(["tls-echo16", "tls-echo1k"], &["uws-tls"], 1.0),
        ),
    ]
}
