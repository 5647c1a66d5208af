//! Whole nodes that share a log on PostgreSQL.

use super::links::url;
use super::settings::REFUSE;
use super::{PostgresServer, station};
use crate::faults::{Check, assert_no_gap};
use crate::proxy::{Holds, Proxy};
use crate::server::LogServer as _;
use crate::stations::{Station, check, publish, settle, work};

pub(super) const CHECKS: &[Check] = &[
    ("postgres: three nodes decide alike while the server is killed", killed),
    ("postgres: three nodes decide alike while their links are cut and held", cut),
    ("postgres: a node that joins has what the others have", joins),
    ("postgres: nodes whose tables are dropped begin a new log, with a gap", dropped),
    ("postgres: nodes whose standby lacks the tail go on, with a gap", promoted),
    ("postgres: nodes whose disk is full and has room again have no gap", full),
    ("postgres: a log is trimmed, and a node that joins then begins at a horizon", trimmed),
];

/// Entries that are remembered where nothing is trimmed.
const KEEP: u64 = 1_000_000;

fn three(url: &str) -> Vec<Station> {
    ["a", "b", "c"].iter().map(|name| station(name, url, KEEP)).collect()
}

fn killed() {
    let mut server = PostgresServer::start();
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
    let server = PostgresServer::start();
    let proxies: Vec<Proxy> = (0..3).map(|_| Proxy::to(server.port)).collect();
    let nodes = ["a", "b", "c"].iter().zip(&proxies);
    let mut stations: Vec<Station> =
        nodes.map(|(name, proxy)| station(name, &url(proxy), KEEP)).collect();
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
    let server = PostgresServer::start();
    let mut stations = three(&server.url());
    publish(&mut stations, 100);
    // One is gone without a word, another one comes.
    stations.pop();
    stations.push(station("d", &server.url(), KEEP));
    publish(&mut stations, 150);
    settle(&mut stations);
    check(&stations);
    for station in &stations {
        assert_eq!(station.gaps(), 0);
        assert_eq!(station.messages().len(), 100 + 3 * 150);
    }
}

fn dropped() {
    let server = PostgresServer::start();
    let mut stations = three(&server.url());
    publish(&mut stations, 100);
    server.ask("DROP TABLE sockeye, sockeye_head");
    publish(&mut stations, 200);
    settle(&mut stations);
    check(&stations);
    for station in &stations {
        assert!(station.gaps() > 0, "the log was lost");
        assert_eq!(station.receipts, 200);
    }
}

fn promoted() {
    let mut primary = PostgresServer::start();
    let proxy = Proxy::to(primary.port);
    let mut stations = three(&url(&proxy));
    publish(&mut stations, 50);
    primary.stop();
    let mut standby = PostgresServer::copy_of(&primary.data(), "");
    std::fs::write(standby.data().join("standby.signal"), "").expect("a file of our own");
    primary.run();
    standby.run();
    publish(&mut stations, 100);
    primary.kill();
    assert_eq!(standby.ask("SELECT pg_promote()"), "t");
    proxy.lead_to(standby.port);
    publish(&mut stations, 200);
    settle(&mut stations);
    check(&stations);
    for station in &stations {
        assert!(station.gaps() > 0, "the tail was lost");
    }
}

fn full() {
    let server = PostgresServer::start();
    let mut stations = three(&server.url());
    publish(&mut stations, 50);
    server.ask(REFUSE);
    work(&mut stations, 1_000, "the disk is full for all", |stations| {
        stations.iter().all(|it| it.refusals > 0)
    });
    server.ask("DROP TRIGGER refuse ON sockeye");
    publish(&mut stations, 300);
    settle(&mut stations);
    check(&stations);
    assert_no_gap(&stations);
}

fn trimmed() {
    let server = PostgresServer::start();
    let mut stations: Vec<Station> =
        ["a", "b"].iter().map(|name| station(name, &server.url(), 100)).collect();
    publish(&mut stations, 1_000);
    settle(&mut stations);
    let length: u64 = server.ask("SELECT count(*) FROM sockeye").parse().expect("a count");
    assert!(length < 1_500, "{length} entries are left of more than 2,000");
    stations.push(station("c", &server.url(), 100));
    publish(&mut stations[..2], 1_400);
    settle(&mut stations);
    check(&stations);
    assert_eq!(stations[0].gaps() + stations[1].gaps(), 0, "who has read all has no gap");
}
