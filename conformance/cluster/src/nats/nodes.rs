//! Whole nodes that share a log on NATS.

use super::NatsServer;
use crate::common::{station, three};
use crate::faults::{Check, assert_no_gap};
use crate::server::LogServer as _;
use crate::stations::{Station, check, publish, publish_in_step, settle, work};

pub(super) const CHECKS: &[Check] = &[
    ("nats: nodes whose stream is deleted begin a new log, with a gap", deleted),
    ("nats: nodes whose storage is full and has room again have no gap", full),
    ("nats: a log is trimmed, and a node that joins then begins at a horizon", trimmed),
];

fn deleted() {
    let server = NatsServer::start();
    let mut stations = three::<NatsServer>(&server.url());
    publish(&mut stations, 100);
    server.api("STREAM.DELETE.sockeye", "");
    publish(&mut stations, 200);
    settle(&mut stations);
    check(&stations);
    for station in &stations {
        assert!(station.gaps() > 0, "the log was lost");
        assert_eq!(station.receipts, 200);
    }
}

fn full() {
    let settings = "jetstream { store_dir: \"STORE\", max_file_store: 1000000 }\n";
    let server = NatsServer::start_with(settings, "");
    let mut stations = three::<NatsServer>(&server.url());
    publish(&mut stations, 50);
    // Another stream takes the rest, and is deleted.
    server.set_stream("CREATE", "other", "");
    let mut client = server.client();
    while let Some(ack) = client.ask("other.log.1", &"x".repeat(1_000)) {
        if ack.contains("\"error\"") {
            break;
        }
    }
    work(&mut stations, 1_000, "the storage is full for all", |stations| {
        stations.iter().all(|it| it.refusals > 0)
    });
    server.api("STREAM.DELETE.other", "");
    publish(&mut stations, 1_000);
    settle(&mut stations);
    check(&stations);
    assert_no_gap(&stations);
}

fn trimmed() {
    let server = NatsServer::start();
    let mut stations: Vec<Station> =
        ["a", "b"].iter().map(|name| station::<NatsServer>(name, &server.url(), 100)).collect();
    publish_in_step(&mut stations, 2, (0, 1_000));
    let length = server.told("sockeye", "messages").expect("there is a stream");
    assert!(length < 1_500, "{length} entries are left of more than 2,000");
    stations.push(station::<NatsServer>("c", &server.url(), 100));
    publish_in_step(&mut stations, 2, (1_000, 1_400));
    check(&stations);
    assert_eq!(stations[0].gaps() + stations[1].gaps(), 0, "who has read all has no gap");
}
