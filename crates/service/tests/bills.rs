//! Who pays for what: nobody for what others publish.

use std::net::IpAddr;
use std::sync::Arc;

use sockeye_hub::{Config, Epoch, Kind};
use sockeye_service::sequencing::{
    Backbone, LoopBackbone, LoopBackboneLimits, Member, Offer, Sequencer,
};
use sockeye_service::wire::{Data, Payload};
use sockeye_service::{Limits, Service};
use sockeye_simnet::Peer;

use crate::fan_out::{UPGRADE, World, frame, read};
use crate::turns::{HEALTH, open};

const SUBSCRIBE: &[u8] = br#"{"type":"subscribe","channels":["news:1"]}"#;

/// A world with small turns.
fn world_of(service: Service) -> World {
    let mut server = sockeye_server::Limits::default();
    (server.turn_units_max, server.connection_units_max) = (2_000, 200);
    World::of(service, server)
}

fn service() -> Service {
    Service::new(Epoch(7), Config::default(), Limits::default())
}

/// Another service of the process, whose publications this one hears of.
struct Other {
    backbone: Arc<LoopBackbone>,
    sequencer: Sequencer,
    member: Member,
    tickets: u64,
}

impl Other {
    /// The other service, and one that has been told nothing yet.
    fn beside(service: Service) -> (Self, Service) {
        let limits = LoopBackboneLimits { entries_max: 1_000, bytes_max: 1 << 20 };
        let backbone = LoopBackbone::new(2, limits);
        let service = service.with_backbone(Box::new(backbone.member(0)));
        let sequencer = Sequencer::new(Epoch(7), Config::default());
        (Self { member: backbone.member(1), backbone, sequencer, tickets: 0 }, service)
    }

    fn publish(&mut self, world: &World, channel: &str, count: usize) {
        for _ in 0..count {
            self.tickets += 1;
            let payload = Payload::new(Data::text("hello"));
            let (channel, kind) = (channel.into(), Kind::Message);
            let offer = Offer { channel, payload, kind, key: None, expect: None };
            self.member.append(self.tickets, offer).expect("there is room");
        }
        self.backbone.step(&mut self.sequencer, world.server.app().log_time().ms);
        while self.member.next().is_some() {}
    }
}

/// Others always have requests, and the visit of one client is the first after each publication of another
/// service: its next visit does not wait for that. [service:follow-bill]
#[test]
fn a_visit_does_not_pay_for_the_publications_of_another_service() {
    let (mut other, service) = Other::beside(service());
    let mut world = world_of(service);
    let mut sockets = world.open(10, UPGRADE, &frame(SUBSCRIBE));
    let mut modest = open(&mut world);
    let address = |number: u8| IpAddr::from([10, 0, 1, number]);
    let connect = |number| world.net.connect_from(address(number)).expect("it listens");
    let mut crowd: Vec<Peer> = (0..20).map(connect).collect();
    crowd.iter_mut().for_each(|peer| peer.write(HEALTH.repeat(2_000).as_bytes()));
    let (mut turns, mut heard) = (0, 0);
    for round in 0..40 {
        (0..20).for_each(|_| world.turn());
        modest.write(HEALTH.as_bytes());
        other.publish(&world, "news:1", 100);
        while !read(&mut modest).ends_with("ok\n") {
            world.turn();
            turns += usize::from(round >= 5);
            crowd.iter_mut().for_each(|peer| drop(read(peer)));
            heard += sockets.iter_mut().map(|it| read(it).matches("hello").count()).sum::<usize>();
        }
    }
    assert!(world.server.is_busy(), "the others have requests");
    assert!(heard > 30 * 1_000, "{heard} messages");
    assert!(turns <= 2 * 35, "{turns} turns for 35 requests");
}
