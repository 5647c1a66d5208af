//! The contract of every engine, on stand-ins: also what the broker of the cluster suite cannot do.

use std::thread;
use std::time::Duration;

use kafka_protocol::messages::{FetchRequest, MetadataRequest, ProduceRequest};
use kafka_protocol::protocol::Request as _;
use sockeye_backbone::Engine;
use sockeye_backbone::suite::{self, Rig};

use crate::broker::Brokers;

struct StandIn(Brokers);

impl Rig for StandIn {
    fn open(&mut self) -> Box<dyn Engine> {
        Box::new(self.0.engine())
    }

    fn pass(&mut self) {
        thread::sleep(Duration::from_millis(2));
    }

    fn patience(&self) -> u32 {
        5_000
    }

    fn erase(&mut self) -> bool {
        self.0.change(|state| assert!(state.topic.take().is_some(), "the log was there"));
        true
    }

    fn cut(&mut self) -> bool {
        self.0.cut();
        true
    }
}

#[test]
fn an_engine_keeps_its_contract() {
    suite::run(|_| Box::new(StandIn(Brokers::start(1))));
}

#[test]
fn an_engine_keeps_its_contract_where_servers_are_old() {
    suite::run(|_| {
        let brokers = Brokers::start(1);
        brokers.change(|state| {
            // Requests that name the topic, and no identifiers of topics.
            let keys = [(ProduceRequest::KEY, 8), (FetchRequest::KEY, 11)];
            state.versions = keys.into_iter().chain([(MetadataRequest::KEY, 9)]).collect();
        });
        Box::new(StandIn(brokers))
    });
}
