//! A turn has a budget of counted units, whoever asks for work. What is left goes on in the next turn.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use sockeye_server::{
    Answer, App, CloseCause, Context, Holder, Limits, Message, Opened, Origins, Reply, Request,
    Server, SharedMessage, Status, StreamKey, Upgrade,
};
use sockeye_simnet::{Faults, Peer, SimNet};

use crate::simulation::stage::upgrade;

const GET: &[u8] = b"GET /cheap HTTP/1.1\r\nHost: sim\r\n\r\n";
const DEAR: &[u8] = b"GET /dear HTTP/1.1\r\nHost: sim\r\n\r\n";
const PING: &[u8] = &[0x89, 0x80, 0, 0, 0, 0];

/// What a turn may spend above its budget: each phase stops after the piece that passes its mark.
const PIECES: u64 = 3_000;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Spends `dear` units for each request of `/dear`, and sends `news` to all WebSockets in a turn.
#[derive(Default)]
struct Spender {
    dear: u64,
    news: Option<SharedMessage>,
    streams: Vec<StreamKey>,
    /// The messages of each stream.
    messages: BTreeMap<StreamKey, u64>,
    holders: BTreeMap<StreamKey, Holder>,
    served: BTreeMap<u16, usize>,
    closed: usize,
    /// Work that it has to do in steps of 100 units.
    steps: u64,
}

impl App for Spender {
    type Pending = ();

    fn on_request(&mut self, request: &Request<'_>, context: &mut Context<'_>) -> Answer {
        if request.head.path() == "/ws" {
            return Answer::WebSocket(Upgrade::new(Origins::Any), ());
        }
        let dear = request.head.path() == "/dear";
        context.spend(if dear { self.dear } else { 0 });
        *self.served.entry(u16::from(dear)).or_default() += 1;
        Reply::text(Status::OK, "ok").into()
    }

    fn on_open(&mut self, stream: StreamKey, _: (), _: &Opened<'_>, _: &mut Context<'_>) {
        self.streams.push(stream);
    }

    fn on_message(&mut self, stream: StreamKey, message: Message<'_>, context: &mut Context<'_>) {
        context.send(stream, message).expect("it is open");
        *self.messages.entry(stream).or_default() += 1;
    }

    fn holder(&self, stream: StreamKey) -> Option<Holder> {
        self.holders.get(&stream).copied()
    }

    fn on_turn(&mut self, context: &mut Context<'_>) {
        while self.steps > 0 && context.units_left() > 0 {
            self.steps -= 1;
            context.spend(100);
        }
        if self.steps > 0 {
            context.come_back();
        }
        let Some(news) = self.news.take() else { return };
        for stream in &self.streams {
            context.send_shared(*stream, &news).expect("it is open");
        }
    }

    fn on_close(&mut self, _: StreamKey, _: CloseCause, _: &mut Context<'_>) {
        self.closed += 1;
    }
}

struct Scene {
    net: SimNet,
    server: Server<SimNet, Spender>,
}

impl Scene {
    fn new(change: impl FnOnce(&mut Limits)) -> Self {
        let net = SimNet::new(1, Faults::default(), 1 << 24);
        let mut limits = Limits::default();
        change(&mut limits);
        let server = Server::new(net.clone(), Spender::default(), limits);
        Self { net, server }
    }

    /// One turn that waits for nothing; returns its units.
    fn turn(&mut self) -> u64 {
        let before = self.server.stats().units;
        self.server.turn(Some(Duration::ZERO)).expect("the poller never fails here");
        self.server.stats().units - before
    }

    /// Turns until nothing is spent; returns the units of each turn.
    fn settle(&mut self) -> Vec<u64> {
        let mut all = Vec::new();
        while let units @ 1.. = self.turn() {
            all.push(units);
        }
        all
    }

    fn connect(&self) -> Peer {
        self.net.connect().expect("it listens")
    }

    fn open(&mut self, count: usize) -> Vec<Peer> {
        self.open_from(LOCALHOST, count)
    }

    fn open_from(&mut self, address: IpAddr, count: usize) -> Vec<Peer> {
        let connect = |_| self.net.connect_from(address).expect("it listens");
        let mut peers: Vec<Peer> = (0..count).map(connect).collect();
        peers.iter_mut().for_each(|peer| peer.write(upgrade("").as_bytes()));
        self.settle();
        for peer in &mut peers {
            assert!(read(peer).starts_with(b"HTTP/1.1 101 "));
        }
        peers
    }
}

fn read(peer: &mut Peer) -> Vec<u8> {
    peer.read(usize::MAX).expect("it is open")
}

/// [server:turn-bounded] [server:share-bounded]
#[test]
fn a_flood_of_pings_from_a_crowd_is_spread_over_turns() {
    // All come at once, and the honest one last: behind a round of the crowd, if they have one address.
    flood_beside_an_honest_client(LOCALHOST, 12);
}

/// [server:fair-holders]
#[test]
fn a_crowd_from_one_address_does_not_keep_another_waiting() {
    flood_beside_an_honest_client(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 2);
}

/// A crowd sends pings without end. The client at `address` has an echo in each turn but `late_max`.
fn flood_beside_an_honest_client(address: IpAddr, late_max: usize) {
    let mut scene = Scene::new(|limits| limits.turn_units_max = 20_000);
    let mut crowd = scene.open(100);
    let mut honest = scene.open_from(address, 1).remove(0);
    crowd.iter_mut().for_each(|peer| peer.write(&PING.repeat(20_000)));
    honest.write(b"\x81\x82\0\0\0\0hi");
    let (mut turns, mut late, mut echoes) = (0, 0, 0);
    loop {
        let units = scene.turn();
        turns += 1;
        assert!(units <= 20_000 + PIECES, "{units} units in one turn");
        match read(&mut honest) {
            // All come at once, and this one last. From then on each message is answered in its turn.
            echo if echo.is_empty() => late += 1,
            echo => {
                assert_eq!(echo, b"\x81\x02hi");
                echoes += 1;
                honest.write(b"\x81\x82\0\0\0\0hi");
            }
        }
        assert!(
            late <= late_max && turns == late + echoes,
            "{late} of {turns} turns without an echo"
        );
        if units < 1_000 {
            break;
        }
    }
    // 2,000,000 pings, of which a turn reads no more than 12/32 of 20,000.
    assert!(turns > 2_000_000 / 7_500, "{turns} turns");
    let stats = scene.server.stats();
    assert!(stats.share_stops > 100 && stats.read_stops > 100, "{stats:?}");
    assert_eq!(stats.protocol_errors, 0);
}

/// Two connections of one address get equal units, whatever a request costs. [server:fair-holders]
#[test]
fn expensive_requests_are_billed_in_full() {
    // A turn has 7,500 units for visits, so an expensive request is a turn and a third.
    let mut scene = Scene::new(|limits| limits.turn_units_max = 20_000);
    scene.server.app_mut().dear = 10_000;
    let (mut dear, mut cheap) = (scene.connect(), scene.connect());
    scene.turn();
    dear.write(&DEAR.repeat(20));
    cheap.write(&GET.repeat(10_000));
    for turn in 1..=40 {
        scene.turn();
        drop((read(&mut dear), read(&mut cheap)));
        let served = &scene.server.app().served;
        let count = |kind| served.get(&kind).copied().unwrap_or(0) as u64;
        let (cheap, dear) = (20 * count(0), 10_000 * count(1));
        assert!(cheap.abs_diff(dear) < 30_000, "{cheap} and {dear} units after {turn} turns");
    }
    scene.settle();
    assert_eq!(scene.server.app().served[&1], 20, "nothing is lost");
}

/// A connection with input for many turns gets as much as its neighbours.
/// [server:share-bounded]
#[test]
fn shares_are_equal() {
    let mut scene = Scene::new(|limits| {
        (limits.turn_units_max, limits.connection_units_max) = (1_600, 100);
    });
    let mut crowd = scene.open(50);
    crowd.iter_mut().for_each(|peer| peer.write(&b"\x81\x80\0\0\0\0".repeat(5_000)));
    let mut echoed = vec![0; 50];
    for turn in 1..=1_000 {
        scene.turn();
        for (peer, echoed) in crowd.iter_mut().zip(&mut echoed) {
            *echoed += read(peer).len() / 2;
        }
        let (least, most) = (echoed.iter().min(), echoed.iter().max());
        let apart = most.expect("some") - least.expect("some");
        // One share of a hundred units is a hundred messages at the most. The second is on its way, and
        // nobody is billed for the first turn.
        assert!(apart <= 300, "{apart} messages apart after {turn} turns");
    }
    assert!(echoed[0] > 1_000, "{echoed:?}");
}

/// One holder has one connection and a weight, and another has forty connections. The forty share theirs equally.
/// [server:fair-holders]
#[test]
fn holders_that_the_application_names_get_parts_by_weight() {
    for weight in [1, 3] {
        let (alone, others) = messages_of_a_holder_and_of_forty(weight);
        let of_others: u64 = others.iter().sum();
        let of_each = alone / u64::from(weight);
        assert!(of_each.abs_diff(of_others) < of_others / 8, "{weight}: {alone} and {others:?}");
        let (least, most) =
            (others.iter().min().expect("some"), others.iter().max().expect("some"));
        assert!(*least > 500 && most - least <= 200, "{others:?}");
    }
}

fn messages_of_a_holder_and_of_forty(weight: u32) -> (u64, Vec<u64>) {
    let mut scene = Scene::new(|limits| {
        (limits.turn_units_max, limits.connection_units_max) = (1_600, 100);
    });
    let mut crowd = scene.open(41);
    let app = scene.server.app_mut();
    let streams = app.streams.clone();
    app.holders = streams.iter().map(|stream| (*stream, Holder { id: 1, weight: 1 })).collect();
    app.holders.insert(streams[0], Holder { id: 0, weight });
    crowd.iter_mut().for_each(|peer| peer.write(&b"\x81\x80\0\0\0\0".repeat(300_000)));
    for _ in 0..500 {
        scene.turn();
        crowd.iter_mut().for_each(|peer| drop(read(peer)));
    }
    let mut messages = streams.iter().map(|it| scene.server.app().messages[it]);
    (messages.next().expect("the first"), messages.collect())
}

/// Two hundred others always have input. A client that asks for less than its part may ask for four things in
/// a row, and is answered in the turn of each request. [server:visit-credit]
#[test]
fn a_burst_of_requests_is_served_at_once() {
    let mut scene = Scene::new(|limits| {
        (limits.turn_units_max, limits.connection_units_max) = (2_000, 200);
    });
    scene.server.app_mut().dear = 50;
    let mut crowd: Vec<Peer> = Vec::new();
    for number in 0..200 {
        crowd.append(&mut scene.open_from(IpAddr::V4(Ipv4Addr::new(10, 0, 0, number)), 1));
    }
    let mut modest = scene.connect();
    crowd.iter_mut().for_each(|peer| peer.write(&PING.repeat(20_000)));
    let mut late = 0;
    for burst in 0..12 {
        for _ in 0..120 {
            scene.turn();
            crowd.iter_mut().for_each(|peer| drop(read(peer)));
        }
        for _ in 0..4 {
            modest.write(DEAR);
            scene.turn();
            while read(&mut modest).is_empty() {
                // It was not known before its first burst.
                late += usize::from(burst >= 2);
                scene.turn();
            }
        }
    }
    assert!(scene.server.is_busy(), "the others have input");
    assert_eq!(late, 0, "turns that it has waited");
}

/// Pipelined requests share a turn, as far as the connection's share reaches.
#[test]
fn cheap_requests_leave_together() {
    let mut scene = Scene::new(|_| {});
    let mut peer = scene.connect();
    scene.turn();
    peer.write(&GET.repeat(20));
    scene.turn();
    let answers = String::from_utf8(read(&mut peer)).expect("text");
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 20);
}

/// A client that reads no answers gets no more of them than its socket and a little more can take, and
/// makes the server keep no more than one read.
#[test]
fn a_client_that_does_not_read_is_not_served_on() {
    let net = SimNet::new(1, Faults::default(), 1_000);
    let mut server = Server::new(net.clone(), Spender::default(), Limits::default());
    let mut peer = net.connect().expect("it listens");
    peer.write(&GET.repeat(10_000));
    for _ in 0..1_000 {
        server.turn(Some(Duration::ZERO)).expect("the poller never fails here");
    }
    let served = server.app().served[&0];
    let answer = b"HTTP/1.1 200 OK\r\n".len() + 100;
    assert!(served * answer < 2 * 16 * 1024 + 2_000, "{served} requests were answered");
    assert!(server.stats().bytes_received < 64 * 1024, "{:?}", server.stats());
    // It gets everything once it reads.
    let mut answers = 0;
    while answers < 10_000 {
        let bytes = peer.read(usize::MAX).expect("it is open");
        answers += bytes.windows(9).filter(|bytes| bytes == b"HTTP/1.1 ").count();
        server.turn(Some(Duration::ZERO)).expect("the poller never fails here");
        // A head that is cut between two reads is counted at the end.
        if server.app().served[&0] == 10_000 && bytes.is_empty() {
            break;
        }
    }
    assert_eq!(server.app().served[&0], 10_000);
}

/// [server:writes-bounded]
#[test]
fn the_writes_of_a_fan_out_are_spread_over_turns() {
    let mut scene = Scene::new(|limits| limits.turn_units_max = 20_000);
    let mut crowd = scene.open(2_000);
    let mut honest = scene.open(1).remove(0);
    scene.server.app_mut().streams.pop();
    scene.server.app_mut().news = Some(SharedMessage::text("news"));
    let (mut turns, mut heard) = (0, 0);
    while heard < 2_000 {
        honest.write(b"\x81\x82\0\0\0\0hi");
        let units = scene.turn();
        assert!(units <= 20_000 + PIECES, "{units} units in one turn");
        // It has the crowd's address, and does not wait behind it: the newest is next.
        assert_eq!(read(&mut honest), b"\x81\x02hi", "in turn {turns}");
        heard += crowd.iter_mut().map(|peer| usize::from(!read(peer).is_empty())).sum::<usize>();
        turns += 1;
        assert!(turns < 100, "{heard} of the crowd have heard");
    }
    assert!(turns >= 4, "20,000 units are 500 writes: {turns} turns");
    assert!(scene.server.stats().write_stops + 1 >= turns);
}

/// A crowd at one address always has something to write, and so has a client at another: it gets as much as
/// the crowd. One that has something now and then waits for no turn. [server:fair-writes]
#[test]
fn the_writes_of_a_crowd_do_not_delay_those_of_others() {
    let mut scene = Scene::new(|limits| limits.turn_units_max = 8_000);
    let mut crowd = scene.open(1_000);
    let far = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let mut greedy = scene.open_from(far, 100);
    let mut modest = scene.open_from(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 1).remove(0);
    scene.server.app_mut().streams.pop();
    let (mut of_crowd, mut of_greedy) = (0, 0);
    for turn in 0..100 {
        scene.server.app_mut().news = Some(SharedMessage::text("news"));
        let sends = turn % 4 == 3;
        if sends {
            modest.write(b"\x81\x82\0\0\0\0hi");
        }
        scene.turn();
        let heard = |peers: &mut [Peer]| -> usize {
            peers.iter_mut().map(|peer| usize::from(!read(peer).is_empty())).sum()
        };
        of_crowd += heard(&mut crowd);
        of_greedy += heard(&mut greedy);
        assert_eq!(read(&mut modest), if sends { &b"\x81\x02hi"[..] } else { b"" }, "turn {turn}");
    }
    // 50 writes a turn, from the second on.
    assert!(of_crowd + of_greedy > 4_500, "{of_crowd} and {of_greedy} writes");
    assert!(of_crowd.abs_diff(of_greedy) < 400, "{of_crowd} and {of_greedy} writes");
}

/// [server:turn-bounded]
#[test]
fn the_end_of_a_crowd_is_told_over_many_turns() {
    let mut scene = Scene::new(|limits| limits.turn_units_max = 3_200);
    let mut crowd = scene.open(1_000);
    crowd.iter_mut().for_each(Peer::reset);
    let turns = scene.settle();
    assert!(turns.iter().all(|units| *units <= 3_200 + PIECES + 128 * 50), "{turns:?}");
    assert!(turns.len() > 10, "{} turns", turns.len());
    assert_eq!((scene.server.app().closed, scene.server.connections()), (1_000, 0));
}

/// Turns are short while both connections and the application have work, and whole while only one of them
/// has. [server:short-turns]
#[test]
fn turns_are_short_while_connections_and_the_application_wait() {
    let mut scene = Scene::new(|limits| limits.turn_units_max = 16_000);
    let mut crowd = scene.open(50);
    let mut most_of_20 = |steps, messages| {
        scene.server.app_mut().steps = steps;
        crowd.iter_mut().for_each(|peer| peer.write(&b"\x81\x80\0\0\0\0".repeat(messages)));
        // The first turn does not know yet who waits.
        scene.turn();
        let turns: Vec<u64> = (0..20).map(|_| scene.turn()).collect();
        scene.server.app_mut().steps = 0;
        scene.settle();
        crowd.iter_mut().for_each(|peer| drop(read(peer)));
        turns.into_iter().max()
    };
    let units = [(10_000, 20_000), (0, 20_000), (10_000, 0)]
        .map(|(steps, messages)| most_of_20(steps, messages).expect("twenty"));
    assert!(units[0] <= 4_000 + PIECES / 2, "{units:?}");
    assert!(units[1] > 6_000 && units[2] >= 16_000 * 9 / 32, "{units:?}");
}

/// The application gets its part of each turn, and the loop does not sleep on what is left.
#[test]
fn the_application_works_in_steps() {
    let mut scene = Scene::new(|limits| limits.turn_units_max = 16_000);
    scene.turn();
    scene.server.app_mut().steps = 100;
    // 9/32 of 16,000 units are 45 steps.
    for left in [55, 10, 0] {
        scene.server.turn(Some(Duration::from_secs(3_600))).expect("the poller never fails here");
        assert_eq!(scene.server.app().steps, left);
        if left < 55 {
            assert_eq!(scene.net.last_wait(), Some(Duration::ZERO));
        }
    }
    scene.server.turn(Some(Duration::from_secs(1))).expect("the poller never fails here");
    assert_eq!(scene.net.last_wait(), Some(Duration::from_secs(1)));
}

/// While many bytes wait, reads of WebSockets are short, so that a crowd cannot fill the memory.
/// [server:leftover-bounded]
#[test]
fn bytes_that_wait_are_bounded() {
    const MAX: usize = 1 << 20;
    let mut scene = Scene::new(|limits| {
        (limits.turn_units_max, limits.connection_units_max) = (80_000, 10);
        limits.leftover_bytes_max = MAX;
    });
    let mut crowd = scene.open(100);
    crowd.iter_mut().for_each(|peer| peer.write(&PING.repeat(100_000)));
    let before = scene.server.stats().bytes_received;
    for _ in 0..20 {
        scene.turn();
    }
    let stats = *scene.server.stats();
    let read = stats.bytes_received - before;
    // The bound, one read above it, 4 KiB for each other connection, and what was used.
    let max = MAX + 128 * 1024 + 100 * 4_096 + 20 * 100 * 10 * PING.len();
    assert!(read <= max as u64, "{read} bytes were read, {max} at the most");
}
