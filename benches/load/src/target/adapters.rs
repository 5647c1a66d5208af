//! The targets of our crates for tokio and axum.

use super::{CRATES, Demand, Rule, Target};
use crate::sample::Figure;

const ADAPTERS: [&str; 2] = ["sockeye-tokio", "sockeye-axum"];

/// axum has tokio-tungstenite below, and its own layers above.
const AXUM: &[&str] = &["axum"];

pub(super) fn all() -> Vec<Target> {
    let demand = |ours, scenario, figure, peers, bound| Demand {
        ours,
        ..Demand::new(scenario, figure, Rule::TimesCheapest(peers, bound))
    };
    let each = |scenario, figure, bound| {
        let peers = [CRATES, AXUM];
        let demands = ADAPTERS.iter().zip(peers);
        demands.map(|(ours, peers)| demand(ours, scenario, figure, peers, bound)).collect()
    };
    let deflate =
        |scenario| vec![demand("sockeye-tokio", scenario, Figure::Cpu, &["yawc-deflate"], 1.0)];
    let target = |workload, wanted, demands| Target { workload, wanted, demands };
    vec![
        target(
            "echo of 16 B through the adapters, 1 in flight",
            "≤ 1.0 × best crate on tokio; axum",
            each("tokio16", Figure::Cpu, 1.0),
        ),
        target("the same, 32 in flight", "the same", each("tokio16x32", Figure::Cpu, 1.0)),
        target("the same, 64 KiB, 1 in flight", "the same", each("tokio64k", Figure::Cpu, 1.0)),
        target("echo of 1 KiB, compressed, 1 in flight", "≤ 1.0 × yawc", deflate("tokiodeflate")),
        target("the same, 32 in flight", "the same", deflate("tokiodeflatex32")),
        target(
            "10,000 idle WebSockets through the adapters",
            "≤ 0.5 × best crate on tokio; axum",
            each("tokioidle", Figure::Memory, 0.5),
        ),
    ]
}
