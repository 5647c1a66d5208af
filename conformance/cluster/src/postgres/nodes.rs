//! Whole nodes that share a log on PostgreSQL.

use super::PostgresServer;
use super::settings::REFUSE;
use crate::common::{Tested as _, station, three};
use crate::faults::{Check, assert_no_gap};
use crate::proxy::Proxy;
use crate::server::LogServer as _;
use crate::stations::{Station, check, publish, publish_in_step, settle, work};

pub(super) const CHECKS: &[Check] = &[
    ("postgres: nodes whose tables are dropped begin a new log, with a gap", dropped),
    ("postgres: nodes whose standby lacks the tail go on, with a gap", promoted),
    ("postgres: nodes whose disk is full and has room again have no gap", full),
    ("postgres: a log is trimmed, and a node that joins then begins at a horizon", trimmed),
];

fn dropped() {
    let server = PostgresServer::start();
    let mut stations = three::<PostgresServer>(&server.url());
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
    let mut stations = three::<PostgresServer>(&primary.url_at(proxy.port));
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
    let mut stations = three::<PostgresServer>(&server.url());
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
        ["a", "b"].iter().map(|name| station::<PostgresServer>(name, &server.url(), 100)).collect();
    publish_in_step(&mut stations, 2, (0, 1_000));
    let length: u64 = server.ask("SELECT count(*) FROM sockeye").parse().expect("a count");
    assert!(length < 1_500, "{length} entries are left of more than 2,000");
    stations.push(station::<PostgresServer>("c", &server.url(), 100));
    publish_in_step(&mut stations, 2, (1_000, 1_400));
    check(&stations);
    assert_eq!(stations[0].gaps() + stations[1].gaps(), 0, "who has read all has no gap");
}
