//! A reload holds no turn: streams are judged and channels move in steps, and nobody gets meanwhile what
//! the new settings do not give.

use sockeye_auth::{Grants, Identity, Keys, Limits as AuthLimits};
use sockeye_hub::{Config, Settings};
use sockeye_service::{Access, Guard, Limits, Namespaces, Readers, Reloaded, Rules};
use sockeye_simnet::Peer;

use crate::common::guarded_by;
use crate::fan_out::{World, frame};
use crate::turns::{open, work_off, world};

const GONE: &str = "a_back_end_s_key_of_a_good_length_01";
const KEPT: &str = "a_back_end_s_key_of_a_good_length_02";

pub(crate) fn access(keys: &[&str]) -> Access {
    let limits = AuthLimits::default();
    let mut all = Keys::new(limits);
    for key in keys {
        let allows = Identity {
            subscribe: Grants::everything(),
            publish: Grants::everything(),
            ..Identity::anonymous()
        };
        all.add_text(&key[key.len() - 2..], key, allows).expect("a good key");
    }
    Access::Guarded(Box::new(Guard { ..guarded_by(all, Identity::anonymous()) }))
}

/// A world in which two keys are good.
fn guarded() -> World {
    let mut world = world();
    reload(&mut world, &[GONE, KEPT]);
    world.server.with_app(|service, _| service.take_reloaded().expect("there are no streams"));
    world
}

fn reload(world: &mut World, keys: &[&str]) {
    let (access, keys) = (access(keys), keys.len());
    world.server.with_app(|service, context| {
        let mut limits = Limits::default();
        limits.poll_messages_max += keys;
        service.reload(access, Namespaces::default(), Config::default(), limits, context);
    });
}

fn reloaded(world: &mut World) -> Option<Reloaded> {
    world.server.with_app(|service, _| service.take_reloaded())
}

/// The bytes that have come; nothing more comes from a connection that has ended.
fn read(peer: &mut Peer) -> String {
    let bytes = peer.read(usize::MAX).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A request that shows a key.
fn request(line: &str, key: &str, rest: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: ApiKey {key}\r\n{rest}\r\n")
}

fn events(key: &str) -> String {
    request("GET /v1/sse?channel=news:1", key, "")
}

fn post(key: &str) -> String {
    request("POST /v1/channels/news:1", key, "Content-Length: 7\r\n") + "\"after\""
}

fn upgrade(key: &str) -> String {
    let rest = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sockeye.v1.json\r\n";
    request("GET /v1/ws", key, rest)
}

/// Streams of the key that goes and, in each fifth place, of the one that stays.
fn streams(world: &mut World, count: usize) -> Vec<(Peer, String)> {
    let mut all = Vec::new();
    for number in 0..count / 50 {
        let key = if number % 5 == 0 { KEPT } else { GONE };
        let peers = world.open(50, &events(key), b"");
        all.extend(peers.into_iter().map(|peer| (peer, key.to_owned())));
    }
    all
}

/// [service:revoked] [service:turn-yields]
#[test]
fn nobody_gets_meanwhile_what_its_key_does_not_give_any_more() {
    const STREAMS: usize = 1_000;
    let mut world = guarded();
    let mut streams = streams(&mut world, STREAMS);
    let mut socket = world.open(1, &upgrade(GONE), b"").remove(0);
    let mut poll = world.net.connect().expect("it listens");
    poll.write(request("GET /v1/poll?channel=news:1&wait=60", GONE, "").as_bytes());
    let (mut publisher, mut other) = (open(&mut world), open(&mut world));
    work_off(&mut world, &mut other, || streams.iter_mut().for_each(|(peer, _)| drop(read(peer))));

    reload(&mut world, &[KEPT]);
    assert_eq!(reloaded(&mut world), None, "it goes on");
    publisher.write(post(KEPT).as_bytes());
    // The last ones would be judged last.
    let command = br#"{"type":"publish","channel":"news:1","data":"stolen"}"#;
    socket.write(&frame(command));
    let (mut heard, mut answers) = (vec![String::new(); STREAMS], [const { String::new() }; 3]);
    let turns = work_off(&mut world, &mut other, || {
        streams.iter_mut().zip(&mut heard).for_each(|((peer, _), heard)| *heard += &read(peer));
        for (peer, answer) in [&mut publisher, &mut socket, &mut poll].into_iter().zip(&mut answers)
        {
            *answer += &read(peer);
        }
    });
    assert!(turns > 10, "{turns} turns");
    for (heard, (_, key)) in heard.iter().zip(&streams) {
        let is_gone = key == GONE;
        assert_eq!(heard.matches("\"code\":4303").count(), usize::from(is_gone), "{heard}");
        assert_eq!(heard.matches("after").count(), usize::from(!is_gone), "{heard}");
        assert!(!heard.contains("stolen"), "{heard}");
    }
    let [published, closed, polled] = &answers;
    assert!(published.contains("\"accepted\""), "{published}");
    assert!(closed.contains("revoked") && !closed.contains("receipt"), "{closed}");
    assert!(polled.contains(" 204 ") && !polled.contains("after"), "{polled}");
    let counted = reloaded(&mut world).expect("it is over");
    assert_eq!((counted.revoked, counted.moved), (STREAMS / 5 * 4 + 2, 0));
    assert_eq!(reloaded(&mut world), None, "it is said once");
    // The WebSocket waits for the Close frame of its client.
    let holdings = world.server.app().holdings();
    assert_eq!((holdings.streams, holdings.due), (STREAMS / 5 + 1, 0));
}

/// [service:revoked] A reload that comes before the last one is done begins anew, and loses nobody.
#[test]
fn a_reload_in_the_middle_of_another_one_begins_anew() {
    const STREAMS: usize = 500;
    let mut world = guarded();
    let (mut streams, mut other) = (streams(&mut world, STREAMS), open(&mut world));
    reload(&mut world, &[KEPT]);
    world.turn();
    assert_eq!(reloaded(&mut world), None, "it goes on");
    // Some streams of this key have been judged already.
    reload(&mut world, &[]);
    assert_eq!(reloaded(&mut world), None, "it begins anew");
    let mut heard = vec![String::new(); STREAMS];
    work_off(&mut world, &mut other, || {
        streams.iter_mut().zip(&mut heard).for_each(|((peer, _), heard)| *heard += &read(peer));
    });
    assert!(heard.iter().all(|heard| heard.matches("\"code\":4303").count() == 1), "each once");
    let counted = reloaded(&mut world).expect("it is over");
    assert_eq!((counted.revoked, counted.moved), (STREAMS, 0));
}

/// Streams of the key that stays, and behind them 50 of the key that goes. Turns judge fewer than stay.
fn crowd(world: &mut World) -> (Vec<Peer>, Vec<Peer>) {
    let mut kept: Vec<Peer> = (0..30).flat_map(|_| world.open(50, &events(KEPT), b"")).collect();
    let mut gone = world.open(50, &events(GONE), b"");
    kept.iter_mut().chain(&mut gone).for_each(|peer| drop(read(peer)));
    (kept, gone)
}

/// [service:revoked] A reload may give back what the one before it has withheld.
#[test]
fn what_was_withheld_comes_once_the_key_is_back() {
    let mut world = guarded();
    let (_kept, mut gone) = crowd(&mut world);
    let (mut publisher, mut other) = (open(&mut world), open(&mut world));
    reload(&mut world, &[KEPT]);
    publisher.write(post(KEPT).as_bytes());
    let mut published = String::new();
    while !published.contains("\"accepted\"") {
        assert_eq!(reloaded(&mut world), None, "the walk is over: {published}");
        world.turn();
        published += &read(&mut publisher);
    }
    assert!(gone.iter_mut().all(|peer| !read(peer).contains("after")), "the key is gone");
    assert_eq!(reloaded(&mut world), None, "they were judged");
    reload(&mut world, &[GONE, KEPT]);
    let mut heard = vec![String::new(); gone.len()];
    work_off(&mut world, &mut other, || {
        gone.iter_mut().zip(&mut heard).for_each(|(peer, heard)| *heard += &read(peer));
    });
    for heard in &heard {
        assert_eq!(
            (heard.matches("after").count(), heard.contains("$goaway")),
            (1, false),
            "{heard}"
        );
    }
}

/// [service:revoked] Reloads that come faster than a walk over all streams keep nobody from being judged.
#[test]
fn reloads_in_each_turn_end_every_stream_that_has_lost_its_key() {
    let mut world = guarded();
    let (mut kept, mut gone) = crowd(&mut world);
    let mut heard = String::new();
    for turn in 0..50 {
        assert_eq!(reloaded(&mut world), None, "the walk was over before turn {turn}");
        reload(&mut world, &[KEPT]);
        world.turn();
        gone.iter_mut().for_each(|peer| heard += &read(peer));
    }
    assert_eq!(heard.matches("\"code\":4303").count(), gone.len(), "{heard}");
    assert!(kept.iter_mut().all(|peer| !read(peer).contains("$goaway")));
}

/// Rules by which everybody may receive in these namespaces. In `room` presence is kept, or not.
fn open_to_all(names: &[&str], presence_ms: Option<u64>) -> Namespaces {
    let mut rules = Rules::default();
    rules.subscribe = Readers::Anyone;
    let mut all: Vec<(String, Rules)> =
        names.iter().map(|name| ((*name).to_owned(), rules.clone())).collect();
    rules.presence_ms = presence_ms;
    all.push(("room".to_owned(), rules));
    Namespaces { rules: Rules::default(), named: all }
}

fn reload_rules(world: &mut World, namespaces: Namespaces) {
    let access = access(&[KEPT]);
    world.server.with_app(|service, context| {
        service.reload(access, namespaces, Config::default(), Limits::default(), context);
    });
}

/// A stream that comes while the walk goes on was admitted by the rules in force. It stays, also in the place of
/// one that has left, which the walk has still to reach. [service:rights-reload]
#[test]
fn those_who_come_by_the_new_rules_stay() {
    let mut world = guarded();
    reload_rules(&mut world, open_to_all(&["news"], None));
    let _kept: Vec<Peer> = (0..30).flat_map(|_| world.open(50, &events(KEPT), b"")).collect();
    let by_rule = "GET /v1/sse?channel=news:1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut before = world.open(50, by_rule, b"");
    let mut other = open(&mut world);
    world.server.with_app(|service, _| service.take_reloaded().expect("nobody had to go"));
    // More may receive now.
    reload_rules(&mut world, open_to_all(&["news", "others"], None));
    before.remove(20).reset();
    world.turn();
    let mut after = world.net.connect().expect("it listens");
    after.write(by_rule.as_bytes());
    (0..2).for_each(|_| world.turn());
    assert!(world.server.app().holdings().streams > 1_549, "it has come");
    assert_eq!(reloaded(&mut world), None, "the walk goes on");
    let (mut heard, mut told) = (vec![String::new(); before.len()], String::new());
    work_off(&mut world, &mut other, || {
        before.iter_mut().zip(&mut heard).for_each(|(peer, heard)| *heard += &read(peer));
        told += &read(&mut after);
    });
    assert!(heard.iter().all(|heard| heard.contains("\"code\":4200")), "{}", heard[0]);
    assert!(told.contains("$sync") && !told.contains("$goaway"), "{told}");
    let counted = reloaded(&mut world).expect("it is over");
    assert_eq!((counted.revoked, counted.moved), (0, before.len()));
}

/// Presence that was switched off is forgotten by the walk, also if another reload comes before it is over.
/// [service:presence-off]
#[test]
fn presence_is_forgotten_though_another_reload_comes() {
    let mut world = guarded();
    reload_rules(&mut world, open_to_all(&[], Some(1_000)));
    let request = "GET /v1/sse?channel=room:1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut members: Vec<Peer> = (0..20).flat_map(|_| world.open(50, request, b"")).collect();
    let mut other = open(&mut world);
    let presence = |world: &World| world.server.app().holdings().presence;
    assert!(presence(&world) >= members.len(), "{}", presence(&world));
    reload_rules(&mut world, open_to_all(&[], None));
    world.turn();
    assert!(presence(&world) > 0, "the walk goes on");
    // These settings say the same.
    reload_rules(&mut world, open_to_all(&[], None));
    let mut newcomers = world.open(1, request, b"");
    work_off(&mut world, &mut other, || ());
    assert_eq!(presence(&world), 0);
    let holdings = world.server.app().holdings();
    assert_eq!((holdings.streams, holdings.due), (members.len() + 1, 0), "all stay");
    members.iter_mut().chain(&mut newcomers).for_each(Peer::reset);
    world.turn_until_idle();
}

/// [hub:bound-drops] [service:turn-yields]
#[test]
fn channels_move_to_their_namespaces_over_turns() {
    const CHANNELS: usize = 8_000;
    let mut world = world();
    let (mut publisher, mut other) = (open(&mut world), open(&mut world));
    for first in (0..CHANNELS).step_by(1_000) {
        let lines: String = (first..first + 1_000)
            .map(|n| format!("{{\"channel\":\"many:{n}\",\"data\":1,\"key\":\"{n}\"}}\n"))
            .collect();
        let head = "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length:";
        publisher.write(format!("{head} {}\r\n\r\n{lines}", lines.len()).as_bytes());
        work_off(&mut world, &mut other, || drop(read(&mut publisher)));
    }
    assert_eq!(world.server.app().hub_stats().channels, CHANNELS);
    let before = (world.server.stats().units, world.server.app().hub_stats().dropped);
    let mut hub = Config::default();
    hub.namespaces.push(("many".to_owned(), Settings::default()));
    world.server.with_app(|service, context| {
        let (access, limits) = (Access::Open, Limits::default());
        let units = context.units_spent();
        service.reload(access, Namespaces::default(), hub, limits, context);
        let steps = service.hub_stats().dropped - before.1;
        assert!((100..=1_024).contains(&steps), "{steps}");
        // They are counted here, and not with the next request of somebody.
        assert!(context.units_spent() - units >= 2 * steps);
    });
    let turns = work_off(&mut world, &mut other, || ());
    let stats = world.server.app().hub_stats();
    let steps = stats.dropped - before.1;
    assert!(turns > 5 && steps >= 3 * CHANNELS as u64, "{turns} turns, {steps} steps");
    assert!(world.server.stats().units - before.0 >= steps, "each is counted");
    assert_eq!((stats.channels, stats.history_messages), (CHANNELS, CHANNELS as u64));
}
