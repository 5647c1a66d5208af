//! The whole server in a simulated world, by seed.
//!
//! Every byte is echoed in order, or the stream is closed for a stated reason; nothing is left
//! behind in slab, wheel or outbox; the application hears of every stream's end once; the server
//! waits when there is nothing to do; what it counted is what happened.
//!
//! `SOCKEYE_SEEDS=1000000 cargo test --release -p sockeye-server simulation::` runs more,
//! `SOCKEYE_SEED=4711` one.

mod answers;
mod app;
mod budget;
mod deadlines;
mod draining;
mod echo;
mod events;
mod fairness;
mod gunzip;
mod gzip;
mod holding;
mod http;
mod http2;
mod misfits;
mod refusing;
mod sealed;
mod sharing;
mod stage;
mod together;

use std::time::Duration;

use sockeye_server::{CloseCause, Histogram, Limits, Net, Server, Stats};
use sockeye_simnet::{Faults, Random, SealedNet, SimNet, each_seed};

use app::{Counts, SimApp};

/// Seeds in a run that does not say how many.
const SEEDS: u64 = 10_000;

/// A simulated peer with a mind of its own and an opinion on how it was treated.
trait Client {
    /// Does something, or not.
    fn step(&mut self, random: &mut Random);

    /// Whether it has got what it came for, or knows that it will not.
    fn is_done(&self) -> bool;

    /// Reads what is there and says nothing more; called until the server has let go.
    fn wind_down(&mut self);

    /// Panics unless what happened is what should have.
    fn judge(&mut self, cause: Option<CloseCause>, world: World);
}

/// What kind of world it was.
#[derive(Clone, Copy, Debug)]
struct World {
    /// Nothing went wrong but what clients did: everybody is owed everything.
    calm: bool,
    /// The server was drained in the end.
    drained: bool,
}

#[test]
fn every_seed_keeps_the_promise() {
    let mut totals = Totals::default();
    let count = each_seed(SEEDS, simulate, |run| totals.add(run));
    println!("simulation: {count} seeds, {totals:?}");
    // A simulation in which nothing happens proves nothing.
    if count >= 1000 {
        assert!(totals.clean * 8 > totals.clients, "too few streams end well: {totals:?}");
        assert!(totals.timeouts > 0 && totals.failed > 0 && totals.broken > 0, "{totals:?}");
        assert!(
            totals.answered > 0 && totals.unanswered > 0 && totals.crowded_out > 0,
            "{totals:?}"
        );
        assert!(totals.put_offs > 0, "no held request was ever put off: {totals:?}");
        assert!(totals.messages > count && totals.read_pauses > 0, "{totals:?}");
    }
}

/// What happened, so that one sees that something did.
#[derive(Debug, Default)]
struct Totals {
    clients: u64,
    clean: u64,
    failed: u64,
    timeouts: u64,
    broken: u64,
    messages: u64,
    read_pauses: u64,
    answered: u64,
    unanswered: u64,
    crowded_out: u64,
    put_offs: u64,
}

impl Totals {
    fn add(&mut self, other: &Self) {
        self.clients += other.clients;
        self.clean += other.clean;
        self.failed += other.failed;
        self.timeouts += other.timeouts;
        self.broken += other.broken;
        self.messages += other.messages;
        self.read_pauses += other.read_pauses;
        self.answered += other.answered;
        self.unanswered += other.unanswered;
        self.crowded_out += other.crowded_out;
        self.put_offs += other.put_offs;
    }

    fn count(&mut self, cause: CloseCause) {
        match cause {
            CloseCause::Remote(_) | CloseCause::Local(_) | CloseCause::Ended => self.clean += 1,
            CloseCause::Failed(_) | CloseCause::Refused(_) => self.failed += 1,
            CloseCause::Timeout(_) => self.timeouts += 1,
            _ => self.broken += 1,
        }
    }
}

/// A third of the worlds has sockets that hold bytes, as those of TLS do.
/// [server:held-input] [server:held-output] [server:held-farewell]
fn simulate(seed: u64) -> Totals {
    if seed % 3 == 2 { simulate_on::<SealedNet>(seed) } else { simulate_on::<SimNet>(seed) }
}

fn simulate_on<N: Net + From<SimNet>>(seed: u64) -> Totals {
    let mut random = Random::new(seed);
    let calm = random.one_in(3);
    let faults = if calm { Faults::default() } else { random_faults(&mut random) };
    let room_max = [16, 300, 5_000, 300_000][random.below(4)];
    let net = SimNet::new(random.bits(), faults, room_max);
    let limits = random_limits(calm, &mut random);
    let mut app = SimApp::default();
    app.outbox_refill_bytes = limits.outbox_refill_bytes;
    let mut server = Server::new(N::from(net.clone()), app, limits.clone());
    let mut clients: Vec<Box<dyn Client>> = Vec::new();
    let mut wanted = 1 + random.below(5);
    // Some worlds end in the middle of everything.
    let drain_at = if calm || random.one_in(2) { usize::MAX } else { 1 + random.skewed(4_000) };

    for turn in 0..4_000 {
        if clients.len() < wanted && (turn == 0 || random.one_in(20)) {
            let limits = calm.then_some(&limits);
            clients.push(random_client(clients.len(), &net, room_max, limits, &mut random));
        }
        if turn == drain_at {
            server.drain();
            wanted = clients.len();
        }
        for client in &mut clients {
            if random.one_in(2) {
                client.step(&mut random);
            }
        }
        let before = server.stats().units;
        turn_once(&mut server, &net, random.below(5) as u64);
        check_units(server.stats().units - before, &limits);
        net.advance(random.below(10) as u64);
        if clients.len() == wanted && clients.iter().all(|client| client.is_done()) {
            break;
        }
    }
    // A world in which not everybody got ready in time owes less.
    let calm = calm && clients.iter().all(|client| client.is_done());
    let world = World { calm, drained: random.one_in(2) };
    let drain = world.drained.then_some(Drain {
        at_once: limits.drain_accept_ms + limits.drain_window_ms == 0,
        hasty: random.one_in(4),
    });
    wind_down(&mut server, &net, &mut clients, drain);
    check_stats(&server, &net);

    let causes = &server.app().causes;
    let mut totals = Totals {
        clients: clients.len() as u64,
        messages: server.stats().messages_received,
        read_pauses: server.stats().read_pauses,
        crowded_out: server.stats().crowded_out,
        put_offs: server.app().put_offs,
        ..Totals::default()
    };
    for cause in &server.app().held_causes {
        let answered = *cause == CloseCause::Finished;
        *if answered { &mut totals.answered } else { &mut totals.unanswered } += 1;
    }
    for (id, client) in clients.iter_mut().enumerate() {
        let cause = causes.get(&id).copied();
        client.judge(cause, world);
        cause.into_iter().for_each(|cause| totals.count(cause));
    }
    totals
}

/// One turn. Work for which the server would have slept is work that it lost sight of.
fn turn_once<N: Net>(server: &mut Server<N, SimApp>, net: &SimNet, wait_ms: u64) {
    let work = |stats: &Stats| (stats.bytes_received, stats.requests, stats.messages_received);
    let before = work(server.stats());
    // A stream without a connection: the application has still to hear of its end.
    let owed = server.app().open.len() as u64 > open_streams(server.stats());
    server.turn(Some(Duration::from_millis(wait_ms))).expect("the poller never fails here");
    assert!(
        !server.is_drained() || server.app().open.is_empty(),
        "drained, and a close unheard of"
    );
    let slept = net.last_wait() != Some(Duration::ZERO);
    assert!(!(slept && owed), "a close is not reported before something else happens");
    if slept && net.last_reports() == 0 {
        assert_eq!(
            before,
            work(server.stats()),
            "a connection is read that nobody was going to wake"
        );
    }
}

/// Streams whose end was not counted.
fn open_streams(stats: &Stats) -> u64 {
    let opened = stats.websockets_opened + stats.event_streams_opened + stats.holds_opened;
    opened - stats.websockets_closed - stats.event_streams_closed - stats.holds_closed
}

/// A turn spends its budget, and above it a piece of work in each phase and a share of the last
/// connection that is read. [server:turn-bounded]
fn check_units(units: u64, limits: &Limits) {
    // The largest piece is a message of 40,000 bytes that is inflated, deflated and written.
    const PIECE: u64 = 1_600;
    let accepts = limits.accepts_per_turn_max as u64 * 50;
    // There are a dozen connections at the most, and each has six streams of HTTP/2 at the most.
    let burials = 12 * 7 * 50;
    let shares = 3 * (u64::from(limits.connection_units_max) + PIECE);
    let max = u64::from(limits.turn_units_max) + accepts + burials + shares + 5 * PIECE;
    assert!(units <= max, "{units} units in one turn, {max} at the most");
}

/// How a world is drained in the end.
#[derive(Clone, Copy, Debug)]
struct Drain {
    /// Nothing is accepted any more, and no stream has to wait for its turn.
    at_once: bool,
    /// It is cut short.
    hasty: bool,
}

/// Lets everything come to its end, and checks that nothing stays behind.
fn wind_down<N: Net>(
    server: &mut Server<N, SimApp>,
    net: &SimNet,
    clients: &mut [Box<dyn Client>],
    drain: Option<Drain>,
) {
    net.calm_down();
    if let Some(drain) = drain {
        say_goodbye(server, net, drain);
    }
    let mut waits = 0;
    let under_way = |server: &Server<_, _>| server.is_draining() && !server.is_drained();
    while server.connections() > 0 || server.timers() > 0 || net.waiting() > 0 || under_way(server)
    {
        settle(server, net, clients);
        wait(server, net);
        waits += 1;
        let left = (server.connections(), server.timers(), net.waiting(), server.app().open.len());
        assert!(waits < 1_000, "it never comes to its end: {left:?}");
    }
    settle(server, net, clients);
    // The end shows behind the last bytes, with a read of its own.
    clients.iter_mut().for_each(|client| client.wind_down());
    assert_eq!(server.connections(), 0, "connections left in the slab");
    assert_eq!(net.open(), 0, "sockets never given back");
    assert_eq!(server.timers(), 0, "timers left in the wheel");
    let (stats, app) = (server.stats(), server.app());
    assert_eq!(stats.accepted, stats.closed);
    assert!(app.open.is_empty(), "streams whose end was never reported: {:?}", app.open);
    assert_eq!(stats.websockets_opened, stats.websockets_closed);
    assert_eq!(stats.event_streams_opened, stats.event_streams_closed);
    assert_eq!(stats.holds_opened, stats.holds_closed);
    assert_eq!(stats.holds_closed, app.held_causes.len() as u64);
    assert!(drain.is_none() || server.is_drained());
}

/// Drains. Whoever watches is told at once, and not when something else wakes the loop.
fn say_goodbye<N: Net>(server: &mut Server<N, SimApp>, net: &SimNet, drain: Drain) {
    let now = drain.at_once || drain.hasty;
    let watched = !server.app().watchers.is_empty() && !server.is_draining() && now;
    if drain.hasty {
        server.drain_now();
    } else {
        server.drain();
    }
    turn_once(server, net, 3_600_000);
    assert!(!watched || net.last_wait() == Some(Duration::ZERO), "it sleeps on its goodbyes");
}

/// What was counted of what was done. Turns are counted also if nothing is done in them.
fn done<N: Net>(server: &Server<N, SimApp>, net: &SimNet) -> (Stats, u64) {
    let mut stats = *server.stats();
    stats.turns = Histogram::default();
    (stats, net.sent())
}

/// Lets the server wait until its next deadline. With nothing to do it must be willing to: a loop
/// that comes back at once, again and again, burns a processor.
fn wait<N: Net>(server: &mut Server<N, SimApp>, net: &SimNet) {
    let (mut idle_turns, mut before) = (0, done(server, net));
    // What was left of the last turn may take a few: a message in fragments, one of them a turn.
    while idle_turns < 100 {
        turn_once(server, net, 3_600_000);
        if net.last_wait() != Some(Duration::ZERO) {
            return;
        }
        idle_turns = if done(server, net) == before { idle_turns + 1 } else { 0 };
        before = done(server, net);
    }
    panic!("it does not wait though nothing happens");
}

/// What the server counted is what the network and the application saw.
fn check_stats<N: Net>(server: &Server<N, SimApp>, net: &SimNet) {
    let (stats, app) = (server.stats(), server.app());
    assert_eq!((stats.bytes_received, stats.bytes_sent), net.traffic());
    let counted = Counts {
        requests: stats.requests,
        messages_received: stats.messages_received,
        messages_sent: stats.messages_sent,
        events_sent: stats.events_sent,
    };
    assert_eq!(counted, app.counts);
    let count = |matches: fn(&CloseCause) -> bool| {
        app.causes.values().filter(|cause| matches(cause)).count() as u64
    };
    let failed = |cause: &_| matches!(cause, CloseCause::Failed(_) | CloseCause::Refused(_));
    assert_eq!(stats.protocol_errors, count(failed));
    assert_eq!(stats.overflows, count(|cause| *cause == CloseCause::Overflow));
    let held = app.held_causes.iter().filter(|cause| matches!(cause, CloseCause::Timeout(_)));
    let timeouts = count(|cause| matches!(cause, CloseCause::Timeout(_))) + held.count() as u64;
    assert!(stats.timeouts >= timeouts);
}

/// Turns until nothing moves any more.
fn settle<N: Net>(server: &mut Server<N, SimApp>, net: &SimNet, clients: &mut [Box<dyn Client>]) {
    let mut before = None;
    while before != Some(done(server, net)) {
        before = Some(done(server, net));
        clients.iter_mut().for_each(|client| client.wind_down());
        turn_once(server, net, 1);
    }
}

fn random_faults(random: &mut Random) -> Faults {
    let rate = |random: &mut Random, max: usize| {
        if random.one_in(2) { 0 } else { 1 + random.below(max) }
    };
    Faults {
        one_byte: rate(random, 3),
        late_report: rate(random, 4),
        spurious_report: rate(random, 8),
        reset: if random.one_in(2) { 100 + random.below(3_000) } else { 0 },
        no_descriptors: rate(random, 4),
        no_register: if random.one_in(8) { 4 } else { 0 },
        clock_jump: if random.one_in(3) { 50 + random.below(1_000) } else { 0 },
    }
}

fn random_limits(calm: bool, random: &mut Random) -> Limits {
    let mut limits = Limits::default();
    limits.read_bytes = [1, 7, 100, 4_096, 131_072][random.below(5)];
    // In a calm world everybody is served in time.
    let (turn, share) = (random.below(4), random.below(4));
    let (turn, share) = if calm { (turn.max(1), share.max(2)) } else { (turn, share) };
    limits.turn_units_max = [0, 100, 5_000, 80_000][turn];
    limits.connection_units_max = [0, 20, 500, 4_000][share];
    limits.leftover_bytes_max = [0, 1_000, 1 << 24][random.below(3)];
    limits.outbox_pause_bytes = [0, 10, 1_000, 65_536][random.below(4)];
    limits.accepts_per_turn_max = 1 + random.below(4);
    // In a calm world everybody gets in.
    limits.connections_max = if calm { 8 } else { 1 + random.below(8) };
    limits.gzip.text_bytes_min = [0, 60, 256][limits.connections_max % 3];
    limits.body_bytes_max = 10_000;
    limits.hold_bytes_max = [0, 1, 100, 16_384][random.below(4)];
    limits.outbox_refill_bytes = [0, 100, 1_000, 16_384][random.below(4)];
    limits.drain_accept_ms = [0, 0, 700][random.below(3)];
    limits.drain_window_ms = [0, 0, 300, 5_000][random.below(4)];
    if !calm && random.one_in(4) {
        limits.connections_per_address_max = 1 + random.below(4);
    }
    limits
}

fn random_client(
    id: usize,
    net: &SimNet,
    room_max: usize,
    limits: Option<&Limits>,
    random: &mut Random,
) -> Box<dyn Client> {
    let peer = net.connect().expect("the server still listens");
    match random.below(15) {
        0 => Box::new(misfits::Garbage::new(peer, random)),
        1 => Box::new(misfits::Slowloris::new(peer)),
        2 => Box::new(misfits::Silent::new(peer, id)),
        3 => Box::new(misfits::Deaf::new(peer, id, limits)),
        4 | 5 => Box::new(http::Requests::new(peer, random)),
        6 | 7 => Box::new(events::Watcher::new(peer, id, random)),
        8..=10 => Box::new(http2::Streams::new(peer, id, random)),
        // Messages that a peer with little room can still take in the time that there is.
        _ => Box::new(echo::Echo::new(peer, id, 40_000.min(room_max * 50), random)),
    }
}
