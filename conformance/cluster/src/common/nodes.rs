//! Whole nodes that share a log.

use super::{Check, Tested, station};
use crate::faults::assert_no_gap;
use crate::proxy::{Holds, Proxy};
use crate::stations::{Station, check, publish, settle, work};

/// The checks of a server.
pub(super) fn checks<S: Tested>() -> Vec<Check> {
    let mut checks: Vec<Check> = vec![
        ("three nodes decide alike while their links are cut and held", cut::<S>),
        ("a node that joins has what the others have", joins::<S>),
    ];
    if S::KEEPS {
        checks.push(("three nodes decide alike while the server is killed", killed::<S>));
    }
    checks
}

/// Entries that are remembered where nothing is trimmed.
const KEEP: u64 = 1_000_000;

pub(crate) fn three<S: Tested>(url: &str) -> Vec<Station> {
    ["a", "b", "c"].iter().map(|name| station::<S>(name, url, KEEP)).collect()
}

fn killed<S: Tested>() {
    let mut server = S::start_alone();
    let mut stations = three::<S>(&server.url());
    for round in 1..=S::KILLS.min(4) as u64 {
        publish(&mut stations, 50 * round);
        // Some are on their way.
        stations.iter_mut().for_each(|station| station.offer_more(50 * round + 10));
        server.kill();
        work(&mut stations, 50 * round + 10, "the server is away", |it| {
            it.iter().all(|it| !it.node.status().is_up)
        });
        server.run();
    }
    publish(&mut stations, 250);
    settle(&mut stations);
    check(&stations);
    assert_no_gap(&stations);
}

fn cut<S: Tested>() {
    let server = S::start();
    let proxies: Vec<Proxy> = (0..3).map(|_| Proxy::to(server.port())).collect();
    let nodes = ["a", "b", "c"].iter().zip(&proxies);
    let mut stations: Vec<Station> =
        nodes.map(|(name, proxy)| station::<S>(name, &server.url_at(proxy.port), KEEP)).collect();
    for round in 0..9 {
        publish(&mut stations, 20 * (round as u64 + 1));
        stations.iter_mut().for_each(|station| station.offer_more(20 * (round as u64 + 1) + 1));
        proxies[round % 3].cut();
    }
    proxies[0].hold(Holds::Replies);
    work(&mut stations, 300, "the server is away for one", |it| !it[0].node.status().is_up);
    proxies[0].hold(Holds::Nothing);
    publish(&mut stations, 300);
    settle(&mut stations);
    check(&stations);
    assert_no_gap(&stations);
}

fn joins<S: Tested>() {
    let server = S::start();
    let mut stations = three::<S>(&server.url());
    publish(&mut stations, 100);
    // One is gone without a word, another one comes.
    stations.pop();
    stations.push(station::<S>("d", &server.url(), KEEP));
    publish(&mut stations, 150);
    settle(&mut stations);
    check(&stations);
    for station in &stations {
        assert_eq!(station.gaps(), 0);
        assert_eq!(station.messages().len(), 100 + 3 * 150);
    }
}
