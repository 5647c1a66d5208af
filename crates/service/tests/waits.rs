//! How long clients are to wait that a limit refuses, and streams that ping too often.

use sockeye_auth::{Grants, Identity, Keys, Limits};
use sockeye_hub::{Config, Epoch};
use sockeye_service::{Access, Service};
use sockeye_simnet::Peer;

use crate::common::{Events, ask, guarded_by, start};
use crate::fan_out::{UPGRADE, World, read};
use crate::limits::{get, guard, refused, retry_seconds, ticket, turned_away};

/// Tries this often, and gives the longest time that it was told to wait, in seconds.
fn longest_wait(mut waits: impl FnMut() -> Option<u64>) -> u64 {
    (0..30).filter_map(|_| waits()).max().expect("it is refused")
}

/// One may come in a second. Thirty that do not wait for their turn are told to wait for each other. Even if some
/// seconds pass meanwhile, the last ones wait for several. [service:places-wait] [service:rates-wait]
#[test]
fn the_more_are_refused_the_longer_they_are_to_wait() {
    let server = start(|setup| {
        guard(setup);
        let limits = &mut setup.limits;
        limits.connections_per_user = 1;
        (limits.address_handshakes_per_second, limits.address_handshakes_burst) = (1, 100);
        (limits.messages_per_second, limits.messages_burst) = (1, 1);
        (limits.requests_per_second, limits.requests_burst) = (1, 40);
    });
    let _first = Events::open(
        server.addr,
        &format!("/v1/sse?channel=a&ticket={}", ticket(&server, "ann")),
        "",
    );
    let of_events = || {
        let target = format!("/v1/sse?channel=a&ticket={}", ticket(&server, "ann"));
        let (goaway, _) = turned_away(&mut Events::open(server.addr, &target, ""))?;
        assert_eq!(goaway["code"], 4102);
        goaway["retry_ms"].as_u64().map(|ms| ms / 1_000)
    };
    assert!(longest_wait(of_events) >= 5);
    let mut session = String::new();
    let of_polls = || {
        session = ticket(&server, "ann");
        let target = format!("/v1/poll?channel=a&wait=9&ticket={session}");
        let answered = ask(server.addr, "GET", &target, "", "");
        assert_eq!(refused(&answered), (429, "too_many_connections".into()));
        retry_seconds(&answered)
    };
    assert!(longest_wait(of_polls) >= 5);
    let of_publications = || retry_seconds(&ask(server.addr, "POST", "/v1/channels/a", "", "x"));
    assert!(longest_wait(of_publications) >= 5);
    let of_requests = || retry_seconds(&get(&server, "/v1/position"));
    assert!(longest_wait(|| (0..3).filter_map(|_| of_requests()).max()) >= 5);
}

/// [service:places-wait]
#[test]
fn the_more_find_the_server_full_the_longer_they_are_to_wait() {
    let server = start(|setup| {
        setup.hub.limits.subscribers_max = 1;
        (setup.limits.handshakes_per_second, setup.limits.handshakes_burst) = (1, 100);
    });
    let _first = Events::open(server.addr, "/v1/sse?channel=a", "");
    let of_events = || {
        let (goaway, _) = turned_away(&mut Events::open(server.addr, "/v1/sse?channel=a", ""))?;
        goaway["retry_ms"].as_u64().map(|ms| ms / 1_000)
    };
    assert!(longest_wait(of_events) >= 5);
    let of_polls = || retry_seconds(&get(&server, "/v1/poll?channel=a"));
    assert!(longest_wait(of_polls) >= 5);
}

/// A ping is a request like any other: a stream above its rate is left unread, and others of other addresses are not.
/// [service:ping-rate] [server:pings-told]
#[test]
fn pings_of_a_stranger() {
    let mut limits = sockeye_service::Limits::default();
    (limits.requests_per_second, limits.requests_burst) = (1, 3);
    let everybody = Identity { subscribe: Grants::everything(), ..Identity::anonymous() };
    let guard = guarded_by(Keys::new(Limits::default()), everybody);
    let service = Service::new(Epoch(7), Config::default(), limits);
    let service = service.with_access(Access::Guarded(Box::new(guard)));
    let mut world = World::of(service, sockeye_server::Limits::default());
    let mut socket = world.open(1, UPGRADE, b"").remove(0);
    let mut other = world.net.connect_from([10, 0, 0, 9].into()).expect("it listens");
    other.write(UPGRADE.as_bytes());
    world.turn_until_idle();
    let _ = (read(&mut socket), read(&mut other));
    let ping = b"\x89\x80\0\0\0\0";
    socket.write(&ping.repeat(10));
    other.write(ping);
    let pongs = |world: &mut World, peer: &mut Peer| {
        // The clock stands still in these turns, so a stream that is left unread stays so.
        (0..20).for_each(|_| world.turn());
        peer.read(usize::MAX).expect("it is open").chunks(2).filter(|it| *it == b"\x8a\0").count()
    };
    assert_eq!(pongs(&mut world, &mut socket), 4, "three, and the one that was too many");
    assert_eq!(pongs(&mut world, &mut other), 1);
    let mut all = 4;
    for second in 1..=6 {
        world.net.advance(1_000);
        all += pongs(&mut world, &mut socket);
        assert!(all <= 4 + 2 * second, "{all} after {second} s");
    }
    assert_eq!(all, 10, "none is lost");
}
