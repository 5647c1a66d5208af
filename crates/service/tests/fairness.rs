//! What one address, one user and one namespace can take from all others: their share, and no more.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use sockeye_auth::{Grants, Identity, Keys};
use sockeye_hub::{Config, Epoch, Settings};
use sockeye_server::Server;
use sockeye_service::{Access, Guard, Holdings, Limits, Service};
use sockeye_simnet::{Faults, Peer, SimNet};

use crate::common::{guarded_by, tickets};

const KEY: &str = "a_back_end_s_key_of_a_good_length_01";
const ATTACKER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const NEWCOMER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));
const BACK_END: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 4));

/// A guarded server in which strangers may do everything.
struct World {
    net: SimNet,
    server: Server<SimNet, Service>,
}

impl World {
    fn new(set: impl FnOnce(&mut Config, &mut Limits)) -> Self {
        let (mut hub, mut limits) = (Config::default(), Limits::default());
        set(&mut hub, &mut limits);
        let all = Identity {
            subscribe: Grants::everything(),
            publish: Grants::everything(),
            ..Identity::anonymous()
        };
        let mut keys = Keys::new(sockeye_auth::Limits::default());
        let back_end = Identity { tickets: Grants::everything(), ..all.clone() };
        keys.add_text("back end", KEY, back_end).expect("a good key");
        let tickets = Some(tickets(sockeye_auth::Limits::default()));
        let guard = Guard { tickets, ..guarded_by(keys, all) };
        let net = SimNet::new(1, Faults::default(), 1 << 20);
        let service =
            Service::new(Epoch(7), hub, limits).with_access(Access::Guarded(Box::new(guard)));
        let server = Server::new(net.clone(), service, sockeye_server::Limits::default());
        let mut world = Self { net, server };
        world.turns(1);
        world
    }

    fn turns(&mut self, count: usize) {
        for _ in 0..count {
            self.server.turn(Some(Duration::ZERO)).expect("the poller never fails here");
        }
    }

    /// All that a peer is told now, however little its socket takes at a time.
    fn heard(&mut self, peer: &mut Peer) -> String {
        let mut told = String::new();
        loop {
            let more = read(peer);
            if more.is_empty() {
                return told;
            }
            told += &more;
            self.turns(1);
        }
    }

    /// A connection from this address that has said something, and was heard.
    fn say(&mut self, from: IpAddr, said: &str) -> Peer {
        let mut peer = self.net.connect_from(from).expect("it listens");
        peer.write(said.as_bytes());
        self.turns(3);
        peer
    }

    /// The answer to a request.
    fn ask(
        &mut self,
        from: IpAddr,
        method: &str,
        target: &str,
        headers: &str,
        body: &str,
    ) -> String {
        let len = body.len();
        let mut peer = self.say(
            from,
            &format!(
                "{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len}\r\n\
                 {headers}\r\n{body}"
            ),
        );
        self.heard(&mut peer)
    }

    /// An event stream: the peer, and what it was told so far.
    fn events(&mut self, from: IpAddr, channel: &str, headers: &str) -> (Peer, String) {
        let request =
            format!("GET /v1/sse?channel={channel} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        let mut peer = self.say(from, &request);
        let told = self.heard(&mut peer);
        assert!(told.starts_with("HTTP/1.1 200"), "{told}");
        (peer, told)
    }

    /// A WebSocket with commands, and what it was told so far.
    fn socket(&mut self, from: IpAddr, headers: &str) -> (Peer, String) {
        let request = format!(
            "GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sockeye.v1.json\r\n{headers}\r\n"
        );
        let mut peer = self.say(from, &request);
        let told = self.heard(&mut peer);
        assert!(told.starts_with("HTTP/1.1 101"), "{told}");
        (peer, told)
    }

    /// What is answered to a command.
    fn command(&mut self, peer: &mut Peer, command: &str) -> String {
        peer.write(&frame(command.as_bytes()));
        self.turns(3);
        self.heard(peer)
    }

    fn subscribe(&mut self, peer: &mut Peer, channels: &[String]) -> String {
        let channels = serde_json::to_string(channels).expect("texts");
        self.command(peer, &format!(r#"{{"type":"subscribe","channels":{channels}}}"#))
    }

    fn holdings(&self) -> Holdings {
        self.server.app().holdings()
    }

    fn metric(&mut self, reason: &str) -> u64 {
        let page = self.ask(BACK_END, "GET", "/metrics", "", "");
        let name = format!("sockeye_rejected_total{{reason=\"{reason}\"}} ");
        let line = page.lines().find_map(|line| line.strip_prefix(name.as_str()));
        line.expect("there is such a reason").trim().parse().expect("a number")
    }
}

fn key() -> String {
    format!("Authorization: ApiKey {KEY}\r\n")
}

fn read(peer: &mut Peer) -> String {
    let bytes = peer.read(usize::MAX).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A masked text frame by the key of nothing.
fn frame(text: &[u8]) -> Vec<u8> {
    let len = u16::try_from(text.len()).expect("it fits");
    let mut frame = match u8::try_from(len) {
        Ok(short) if short < 126 => vec![0x81, 0x80 | short],
        _ => [&[0x81, 0x80 | 126][..], &len.to_be_bytes()].concat(),
    };
    frame.extend([0; 4]);
    frame.extend(text);
    frame
}

/// How long an event stream that was turned away is to wait; `None` if it was let in.
fn turned_away(told: &str) -> Option<u64> {
    let (_, goaway) = told.split_once("event: $goaway")?;
    let data = goaway.lines().find_map(|line| line.strip_prefix("data: ")).expect("its data");
    let goaway: Value = serde_json::from_str(data).expect("JSON");
    Some(goaway["retry_ms"].as_u64().expect("how long"))
}

/// [service:bound-address-channels] 512 WebSockets with 128 names each take the room of one address.
#[test]
fn names_of_one_address_leave_room_for_everybody_else() {
    let mut world = World::new(|hub, _| {
        hub.namespaces = vec![("chat".to_owned(), Settings::default())];
    });
    let mut crowd = Vec::new();
    let (mut taken, mut refused) = (0, 0);
    for number in 0..512 {
        if number % 100 == 99 {
            // A rest, for the rate limit of commands.
            world.net.advance(1_000);
        }
        let (mut peer, _) = world.socket(ATTACKER, "");
        let names: Vec<String> = (0..128).map(|it| format!("flood:{number}-{it}")).collect();
        let told = world.subscribe(&mut peer, &names);
        assert!(!told.contains("rate_limited"), "{told}");
        refused += told.matches("\"overloaded\"").count();
        taken += usize::from(told.contains("\"subscribed\""));
        crowd.push(peer);
    }
    assert!(refused > 0 && taken > 0, "{taken} and {refused}");
    // A back end, and a stranger from elsewhere, in the same namespace and in another one.
    let (back_end, told) = world.events(BACK_END, "news:1", &key());
    assert_eq!(turned_away(&told), None, "{told}");
    let (mut newcomer, _) = world.socket(NEWCOMER, "");
    let names: Vec<String> = (0..127).map(|it| format!("flood:other-{it}")).collect();
    let told = world.subscribe(&mut newcomer, &names);
    assert!(!told.contains("\"error\""), "{told}");
    let told = world.subscribe(&mut newcomer, &["chat:1".to_owned()]);
    assert!(told.contains("\"subscribed\""), "{told}");
    for channel in ["news:1", "chat:1", "chat:new", "flood:new"] {
        let told = world.ask(BACK_END, "POST", &format!("/v1/channels/{channel}"), &key(), "x");
        assert!(told.starts_with("HTTP/1.1 200"), "{told}");
    }
    assert_eq!(world.server.app().hub_stats().unwritten, 7_864 + 127);
    assert!(world.metric("own_channels") > 0);
    crowd.extend([newcomer, back_end]);
    leave(&mut world, crowd);
    assert_eq!(world.holdings(), Holdings::default());
}

/// [service:address-handshakes] [service:bound-handshakes]
#[test]
fn a_storm_of_handshakes_leaves_newcomers_their_turn() {
    let mut world = World::new(|_, _| ());
    let mut longest_ms = 0;
    for _ in 0..170 {
        let request = "GET /v1/sse?channel=a HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let mut storm: Vec<Peer> = (0..64)
            .map(|_| {
                let mut peer = world.net.connect_from(ATTACKER).expect("it listens");
                peer.write(request.as_bytes());
                peer
            })
            .collect();
        world.turns(4);
        for peer in &mut storm {
            let told = world.heard(peer);
            longest_ms = turned_away(&told).unwrap_or(0).max(longest_ms);
            peer.reset();
        }
        world.turns(2);
    }
    for (from, headers) in [(NEWCOMER, String::new()), (ATTACKER, key()), (BACK_END, key())] {
        let (_, told) = world.events(from, "a", &headers);
        assert_eq!(turned_away(&told), None, "{from}: {told}");
    }
    let (_, told) = world.socket(NEWCOMER, "");
    assert!(told.contains("\"welcome\""), "{told}");
    assert!(longest_ms > 10_000, "who storms is told to stay away: {longest_ms}");
    let (_, told) = world.events(ATTACKER, "a", "");
    assert!(turned_away(&told).is_some(), "{told}");
    assert!(world.metric("own_handshake_rate") > 0 && world.metric("handshake_rate") == 0);
}

/// [service:address-handshakes] How long a refused client waits follows what its own address does.
#[test]
fn a_refusal_tells_the_wait_of_who_is_refused() {
    let mut world = World::new(|_, limits| {
        (limits.handshakes_per_second, limits.handshakes_burst) = (10, 1_000);
        (limits.address_handshakes_per_second, limits.address_handshakes_burst) = (1, 5);
    });
    let longest_ms = |world: &mut World, from: IpAddr, tries: usize| {
        let waits = (0..tries).map(|_| turned_away(&world.events(from, "a", "").1).unwrap_or(0));
        waits.max().expect("some")
    };
    let storming_ms = longest_ms(&mut world, ATTACKER, 45);
    assert!(storming_ms >= 40_000, "{storming_ms}");
    let newcomer_ms = longest_ms(&mut world, NEWCOMER, 6);
    assert!((2_000..4_000).contains(&newcomer_ms), "its sixth, a second later: {newcomer_ms}");
    // All addresses of a /64 are one, and its neighbours are others.
    let of_network = |host: u16, network: u16| {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, network, 0, 0, 0, host))
    };
    for host in 0..5 {
        assert_eq!(longest_ms(&mut world, of_network(host, 1), 1), 0);
    }
    assert!(longest_ms(&mut world, of_network(99, 1), 1) > 0);
    assert_eq!(longest_ms(&mut world, of_network(99, 2), 1), 0);
}

/// [service:bound-address] [service:bound-places]
#[test]
fn streams_and_polls_of_one_address_leave_places_for_everybody_else() {
    let mut world = World::new(|hub, limits| {
        hub.limits.subscribers_max = 64;
        limits.streams_per_address = 16;
    });
    let poll = "GET /v1/poll?channel=a&wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let (mut crowd, mut statuses) = (Vec::new(), Vec::new());
    for number in 0..64 {
        if number % 2 == 0 {
            crowd.push(world.events(ATTACKER, "a", ""));
        } else {
            let mut peer = world.say(ATTACKER, poll);
            let told = world.heard(&mut peer);
            statuses.push(told.get(9..12).unwrap_or_default().to_owned());
            crowd.push((peer, told));
        }
    }
    assert_eq!(world.holdings().streams, 16, "the share of one address");
    assert_eq!(world.holdings().addresses, 1);
    assert!(crowd.iter().any(|(_, told)| told.contains("\"code\":4102")));
    assert!(statuses.iter().any(|status| status == "429"), "{statuses:?}");
    // More addresses than there are places for: strangers that come new, and known clients, get in.
    for last in 10..20 {
        let from = IpAddr::V4(Ipv4Addr::new(127, 0, 1, last));
        for _ in 0..16 {
            crowd.push(world.events(from, "a", ""));
        }
    }
    assert_eq!(world.holdings().streams, 56, "7/8");
    let (ann, nameless) = (ticket(&mut world, Some("ann")), ticket(&mut world, None));
    for (shown, headers) in [("", key()), (ann.as_str(), String::new()), (&nameless, String::new())]
    {
        let (peer, told) = world.events(ATTACKER, &format!("a{shown}"), &headers);
        assert_eq!(turned_away(&told), None, "{told}");
        crowd.push((peer, told));
    }
    assert!(world.metric("address_streams") >= 48 && world.metric("full") > 0);
    leave(&mut world, crowd.into_iter().map(|it| it.0).collect());
    assert_eq!(world.holdings(), Holdings::default());
}

/// The end of a request's target that shows a ticket, of a user or of nobody by name.
fn ticket(world: &mut World, user: Option<&str>) -> String {
    let wanted = match user {
        Some(user) => format!(r#"{{"user":"{user}","channels":[">"]}}"#),
        None => r#"{"channels":[">"]}"#.to_owned(),
    };
    let told = world.ask(BACK_END, "POST", "/v1/tickets", &key(), &wanted);
    let (_, body) = told.split_once("\r\n\r\n").expect("a body");
    let body: Value = serde_json::from_str(body).expect("JSON");
    let ticket = body["ticket"].as_str().expect("a ticket");
    format!("&ticket={ticket}")
}

/// Resets the connections, and waits until the server has noticed.
fn leave(world: &mut World, crowd: Vec<Peer>) {
    for mut peer in crowd {
        peer.reset();
    }
    world.turns(20);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Somebody opens an event stream, or a poll.
    Open(usize, bool),
    /// One of the streams is cut.
    Cut(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..6_usize, any::<bool>()).prop_map(|(who, polls)| Step::Open(who, polls)),
        1 => any::<usize>().prop_map(Step::Cut),
    ]
}

/// Of 32 places: what each of six clients may have, and up to how many places are taken. Three
/// addresses of strangers, a user, a client with a ticket without a name, a back end.
fn share(who: usize, own: usize) -> (usize, usize) {
    match (who, own) {
        (0..=2, 0) => (6, 28),
        (0..=2, _) => (6, 26),
        (3, 0) => (3, 32),
        (3, _) => (3, 30),
        (4, 0) => (6, 32),
        (4, _) => (6, 30),
        _ => (usize::MAX, 32),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// [service:bound-places] [service:bound-address] [service:bound-user] Whatever opens and goes,
    /// each has no more than its share, and is let in below it; and nothing is left when all have
    /// gone.
    #[test]
    fn shares_hold_and_nothing_leaks(steps in proptest::collection::vec(step(), 1..120)) {
        let mut world = World::new(|hub, limits| {
            hub.limits.subscribers_max = 32;
            (limits.streams_per_address, limits.connections_per_user) = (6, 3);
        });
        let mut open: Vec<(usize, Peer)> = Vec::new();
        for step in steps {
            match step {
                Step::Cut(which) if !open.is_empty() => {
                    let (_, peer) = open.swap_remove(which % open.len());
                    leave(&mut world, vec![peer]);
                }
                Step::Cut(_) => {}
                Step::Open(who, polls) => {
                    let own = open.iter().filter(|it| it.0 == who).count();
                    let (most, places) = share(who, own);
                    let fits = own < most && open.len() < places;
                    let last = u8::try_from(who).expect("six").min(3);
                    let from = IpAddr::V4(Ipv4Addr::new(127, 0, 2, last));
                    let channel = match who {
                        3 => format!("a{}", ticket(&mut world, Some("ann"))),
                        4 => format!("a{}", ticket(&mut world, None)),
                        _ => "a".to_owned(),
                    };
                    let headers = if who == 5 { key() } else { String::new() };
                    let resource = if polls { "poll?wait=60&" } else { "sse?" };
                    let mut peer = world.say(from, &format!(
                        "GET /v1/{resource}channel={channel} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
                    ));
                    let told = world.heard(&mut peer);
                    let is_in = match polls {
                        true => told.is_empty(),
                        false => turned_away(&told).is_none(),
                    };
                    prop_assert_eq!(is_in, fits, "{} has {} of {}: {}", who, own, open.len(), told);
                    match is_in {
                        true => open.push((who, peer)),
                        false => leave(&mut world, vec![peer]),
                    }
                }
            }
            prop_assert_eq!(world.holdings().streams, open.len());
        }
        leave(&mut world, open.into_iter().map(|it| it.1).collect());
        prop_assert_eq!(world.holdings(), Holdings::default());
    }
}
