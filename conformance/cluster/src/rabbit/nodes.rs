//! Whole nodes that share a log on RabbitMQ.

use super::RabbitServer;
use crate::common::three;
use crate::faults::Check;
use crate::server::LogServer as _;
use crate::stations::{check, publish, settle};

pub(super) const CHECKS: &[Check] =
    &[("rabbit: nodes whose stream is deleted begin a new log, with a gap", deleted)];

fn deleted() {
    let server = RabbitServer::shared();
    let mut stations = three::<RabbitServer>(&server.url());
    publish(&mut stations, 100);
    assert!(server.client().delete(server.stream()), "the stream was there");
    publish(&mut stations, 200);
    settle(&mut stations);
    check(&stations);
    for station in &stations {
        assert!(station.gaps() > 0, "the log was lost");
        assert_eq!(station.receipts, 200);
    }
}
