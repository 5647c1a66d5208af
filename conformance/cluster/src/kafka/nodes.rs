//! Whole nodes that share a log on Kafka's protocol.

use super::KafkaServer;
use crate::common::three;
use crate::faults::Check;
use crate::server::LogServer as _;
use crate::stations::{Station, check, publish, settle, work};

pub(super) const CHECKS: &[Check] = &[
    ("kafka: nodes whose topic is deleted begin a new log, with a gap", deleted),
    ("kafka: nodes whose broker forgets its topics begin a new log, with a gap", forgotten),
];

fn deleted() {
    let server = KafkaServer::start();
    let mut stations = three::<KafkaServer>(&server.url());
    publish(&mut stations, 100);
    // Tansu takes an append to a topic that is just being deleted, and the next topic begins with it.
    settle(&mut stations);
    assert!(server.client().delete("sockeye"), "the topic was there");
    publish(&mut stations, 200);
    assert_new_log(&mut stations, 200);
}

fn forgotten() {
    let mut server = KafkaServer::start();
    let mut stations = three::<KafkaServer>(&server.url());
    publish(&mut stations, 100);
    server.kill();
    work(&mut stations, 110, "the server is away", |it| {
        it.iter().all(|it| !it.node.status().is_up)
    });
    server.run();
    publish(&mut stations, 200);
    assert_new_log(&mut stations, 200);
}

fn assert_new_log(stations: &mut [Station], receipts: u64) {
    settle(stations);
    check(stations);
    for station in stations {
        assert!(station.gaps() > 0, "the log was lost");
        assert_eq!(station.receipts, receipts);
    }
}
