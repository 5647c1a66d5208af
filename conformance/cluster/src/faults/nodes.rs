//! Whole nodes that share a log.

use super::Check;
use crate::proxy::{Holds, Proxy};
use crate::server::{LogServer as _, Server};
use crate::stations::{Station, check, publish, publish_in_step, settle, work};

pub(super) const CHECKS: &[Check] = &[
    ("three nodes decide alike while Redis is killed", killed),
    ("three nodes decide alike while their links are cut and held", cut),
    ("a node that joins has what the others have", joins),
    ("nodes whose log is flushed begin a new one, with a gap", flushed),
    ("nodes whose log has lost its tail go on, with a gap", lost_tail),
    ("a log is trimmed, and a node that joins then begins at a horizon", trimmed),
];

/// Entries that are remembered where nothing is trimmed.
const KEEP: u64 = 1_000_000;

fn three(url: &str) -> Vec<Station> {
    ["a", "b", "c"].iter().map(|name| Station::new(name, url, KEEP)).collect()
}

pub(crate) fn assert_no_gap(stations: &[Station]) {
    for station in stations {
        let notices = || stations.iter().map(|it| &it.notices).collect::<Vec<_>>();
        assert_eq!(station.gaps(), 0, "nothing was lost: {:?}", notices());
        let receipts: u64 = stations.iter().map(|it| it.receipts).sum();
        assert_eq!(station.messages().len() as u64, receipts, "{:?}", notices());
    }
}

fn killed() {
    // With `everysec`, what was read may be lost.
    let mut server = Server::start(&["--appendfsync", "always"]);
    let mut stations = three(&server.url());
    for round in 1..=4 {
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

fn cut() {
    let server = Server::start(&[]);
    let proxies: Vec<Proxy> = (0..3).map(|_| Proxy::to(server.port)).collect();
    let nodes = ["a", "b", "c"].iter().zip(&proxies);
    let mut stations: Vec<Station> =
        nodes.map(|(name, proxy)| Station::new(name, &proxy.url(), KEEP)).collect();
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

fn joins() {
    let server = Server::start(&[]);
    let mut stations = three(&server.url());
    publish(&mut stations, 100);
    // One is gone without a word, another one comes.
    stations.pop();
    stations.push(Station::new("d", &server.url(), KEEP));
    publish(&mut stations, 150);
    settle(&mut stations);
    check(&stations);
    for station in &stations {
        assert_eq!(station.gaps(), 0);
        assert_eq!(station.messages().len(), 100 + 3 * 150);
    }
}

fn flushed() {
    let server = Server::start(&[]);
    let mut stations = three(&server.url());
    publish(&mut stations, 100);
    server.set(&["FLUSHALL"]);
    publish(&mut stations, 200);
    settle(&mut stations);
    check(&stations);
    for station in &stations {
        assert!(station.gaps() > 0, "the log was lost");
        assert_eq!(station.receipts, 200);
    }
}

fn lost_tail() {
    let mut primary = Server::start(&[]);
    let replica = Server::start(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    let proxy = Proxy::to(primary.port);
    let mut stations = three(&proxy.url());
    publish(&mut stations, 50);
    // A port where nobody answers: the replica keeps what it has.
    replica.set(&["REPLICAOF", "127.0.0.1", "9"]);
    publish(&mut stations, 100);
    primary.kill();
    replica.set(&["REPLICAOF", "NO", "ONE"]);
    proxy.lead_to(replica.port);
    publish(&mut stations, 200);
    settle(&mut stations);
    check(&stations);
    for station in &stations {
        assert!(station.gaps() > 0, "the tail was lost");
    }
}

fn trimmed() {
    let server = Server::start(&[]);
    let mut stations: Vec<Station> =
        ["a", "b"].iter().map(|name| Station::new(name, &server.url(), 100)).collect();
    publish_in_step(&mut stations, 2, (0, 1_000));
    let length: u64 = server.ask(&["XLEN", "sockeye"]).parse().expect("a length");
    assert!(length < 1_500, "{length} entries are left of more than 2,000");
    stations.push(Station::new("c", &server.url(), 100));
    publish_in_step(&mut stations, 2, (1_000, 1_400));
    check(&stations);
    assert_eq!(stations[0].gaps() + stations[1].gaps(), 0, "who has read all has no gap");
}
