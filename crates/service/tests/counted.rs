//! What is counted of publications that wait.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use sockeye_hub::{Config, Epoch};
use sockeye_service::{Limits, Service};

use crate::common::Slow;
use crate::fan_out::{World, read};
use crate::turns::{HEALTH, world_with};

/// A world with a log that takes nothing.
fn full_log(limits: Limits) -> World {
    let mut world = world_with(Limits::default());
    let service = Service::new(Epoch(7), Config::default(), limits);
    *world.server.app_mut() = service.with_log(Box::new(Slow(Arc::new(AtomicU64::new(0)))));
    world
}

/// The names and the key of a publication that waits are counted, and not its data alone.
/// [service:bound-batches]
#[test]
fn names_and_keys_of_publications_that_wait_are_counted() {
    let names: Vec<String> = (0..8).map(|at| format!("\"news:{at:0>150}\"")).collect();
    let many = format!("{{\"channels\":[{}],\"data\":1}}", names.join(","));
    let key = |at: usize| format!("{{\"channel\":\"a\",\"data\":1,\"key\":\"{at:0>120}\"}}");
    let count = |body: &dyn Fn(usize) -> String| {
        let mut limits = Limits::default();
        (limits.batches_bytes_max, limits.publishing_units_max) = (40_000, 1);
        let mut world = full_log(limits);
        let mut publishers = world.open(200, HEALTH, b"");
        for (at, peer) in publishers.iter_mut().enumerate() {
            let body = body(at);
            let head = format!("Host: localhost\r\nContent-Length: {}", body.len());
            peer.write(format!("POST /v1/publish HTTP/1.1\r\n{head}\r\n\r\n{body}").as_bytes());
        }
        (0..50).for_each(|_| world.turn());
        let refused = publishers
            .iter_mut()
            .filter_map(|peer| read(peer).contains("overloaded").then_some(()));
        200 - refused.count()
    };
    let (plain, names, keys) = (
        count(&|_| "{\"channel\":\"a\",\"data\":1}".to_owned()),
        count(&|_| many.clone()),
        count(&key),
    );
    // Half of the bound is for others. Each job takes some 250 bytes itself.
    assert!((60..200).contains(&plain), "{plain}");
    assert!((10..16).contains(&names), "{names}: eight names of 155 bytes each");
    assert!(keys * 5 < plain * 4, "{keys} with a key, {plain} without");
}
