//! The hub behind a whole server in a simulated world, by seed.
//!
//! Publishers retry, subscribers are cut, stall, change their transport and come back with their
//! cursor; the log settles late, has no room, fails. Whenever a subscriber is told that it has
//! everything up to a place, it has: once, in order, or a gap was declared to it. Each publication
//! is in the log once at the most, where its receipt says. Nothing is left behind.
//!
//! In half of the worlds the process is killed and begins again from its log, some of whose end may be lost, or from a
//! backup. In half of them services read from the log what memory lacks. Clients come back with the cursors that they
//! had: those that had seen what is lost are told so, and nobody else is.
//!
//! The same world has two kinds of subscribers, one kind in a run: bare connections, of which every word is held
//! against the promise, and our own clients, of which what they show is.
//!
//! `SOCKEYE_SEEDS=1000000 cargo test --release -p sockeye-service simulation::` runs more,
//! `SOCKEYE_SEED=4711` one.

mod archive;
mod client;
mod doubt;
mod events;
mod history;
mod log;
mod oracle;
mod publisher;
mod restart;
mod said;
mod socket;
mod subscriber;
mod totals;
mod trunk;
mod truth;
mod wire;
mod workers;
mod world;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use sockeye_server::{Net, Server};
use sockeye_service::{Holdings, Service};
use sockeye_simnet::{Faults, Random, SealedNet, SimNet, each_seed};

use archive::Counts;
use client::Client;
use history::Historian;
use log::Mood;
use publisher::Publisher;
use restart::Plan;
use subscriber::Subscriber;
use totals::Totals;
use truth::{Backup, Truth};
use wire::{Version, Way};
use workers::{Clocks, Order};

/// Seeds in a run that does not say how many.
const SEEDS: u64 = 10_000;

/// How far a machine may be behind another one, and how long openings wait for it, in milliseconds.
const LAG_MS: usize = 60;
const OPENING_WAIT_MS: u64 = 300;

/// How long a turn takes when everybody catches up, in milliseconds.
const CALM_TURN_MS: u64 = 30;

/// Turns in which everybody plays tricks.
const TURNS: usize = 150;

#[test]
fn every_seed_keeps_the_promise() {
    each_world("simulation", SEEDS, simulate, Totals::check);
}

#[test]
fn every_seed_keeps_the_promise_to_our_clients() {
    each_world("simulation of clients", SEEDS, simulate_clients, Totals::check_clients);
}

/// [server:http2-stream-deadlines] The same world, in which the clients of a server share connections of HTTP/2.
#[test]
fn every_seed_keeps_the_promise_over_http2() {
    each_world("simulation over HTTP/2", SEEDS, simulate_http2, |totals, count| {
        totals.check(count);
        totals.check_http2(count);
    });
}

#[test]
fn every_seed_keeps_the_promise_to_our_clients_over_http2() {
    each_world(
        "simulation of clients over HTTP/2",
        SEEDS,
        simulate_clients_over_http2,
        |totals, count| {
            totals.check_clients(count);
            totals.check_http2(count);
        },
    );
}

/// [service:follow-first] The same world, with several services that share one log.
#[test]
fn every_seed_keeps_the_promise_on_any_worker() {
    each_world("simulation of workers", SEEDS, simulate_workers, |totals, count| {
        totals.check(count);
        assert!(totals.full > 0, "the log between workers is never full: {totals:?}");
    });
}

#[test]
fn every_seed_keeps_the_promise_to_our_clients_on_any_worker() {
    each_world(
        "simulation of clients of workers",
        SEEDS / 2,
        simulate_clients_of_workers,
        Totals::check_clients,
    );
}

/// Each service has shared connections of its own.
#[test]
fn every_seed_keeps_the_promise_on_any_worker_over_http2() {
    each_world(
        "simulation of workers over HTTP/2",
        SEEDS / 2,
        simulate_workers_over_http2,
        |totals, count| {
            totals.check(count);
            totals.check_http2(count);
            assert!(totals.full > 0, "the log between workers is never full: {totals:?}");
        },
    );
}

#[test]
fn every_seed_keeps_the_promise_to_our_clients_on_any_worker_over_http2() {
    each_world(
        "simulation of clients of workers over HTTP/2",
        SEEDS / 2,
        simulate_clients_of_workers_over_http2,
        |totals, count| {
            totals.check_clients(count);
            totals.check_http2(count);
        },
    );
}

/// [service:opening-waits] The same world, in which each service may be behind the others, as machines are that read one
/// log. A cursor of another machine is waited for: nobody is told of a gap for it.
#[test]
fn every_seed_keeps_the_promise_on_machines_that_lag() {
    each_world("simulation of machines", SEEDS, simulate_machines, Totals::check_machines);
}

#[test]
fn every_seed_keeps_the_promise_to_our_clients_on_machines_that_lag() {
    each_world(
        "simulation of clients of machines",
        SEEDS / 2,
        simulate_clients_of_machines,
        Totals::check_machines,
    );
}

/// Who subscribes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Connections,
    Clients,
}

struct Run<N: Net> {
    /// The way to each of the servers.
    ways: Vec<Way>,
    servers: Vec<Server<N, Service>>,
    /// What joins them, if they are several.
    order: Option<Order>,
    plan: Plan,
    /// The log is opened again now and then.
    is_reopened: bool,
    backups: Vec<Backup>,
    subscribers: Vec<Subscriber>,
    clients: Vec<Client>,
    publishers: Vec<Publisher>,
    /// In worlds of bare connections.
    historian: Option<Historian>,
    random: Random,
    totals: Totals,
}

/// Plays a world by each seed; where they are many, all that can happen has to have happened.
fn each_world(what: &str, seeds: u64, simulate: fn(u64) -> Totals, check: fn(&Totals, u64)) {
    let mut totals = Totals::default();
    let count = each_seed(seeds, simulate, |run| totals.add(run));
    println!("{what}: {count} seeds, {totals:?}");
    if count >= 1_000 {
        check(&totals, count);
    }
}

fn simulate(seed: u64) -> Totals {
    simulate_world(seed, Random::new(seed), (Who::Connections, Version::Http1), (1, 0))
}

fn simulate_clients(seed: u64) -> Totals {
    simulate_world(seed, Random::new(seed), (Who::Clients, Version::Http1), (1, 0))
}

fn simulate_http2(seed: u64) -> Totals {
    simulate_world(seed, Random::new(seed), (Who::Connections, Version::Http2), (1, 0))
}

fn simulate_clients_over_http2(seed: u64) -> Totals {
    simulate_world(seed, Random::new(seed), (Who::Clients, Version::Http2), (1, 0))
}

fn simulate_workers(seed: u64) -> Totals {
    simulate_several(seed, (Who::Connections, Version::Http1))
}

fn simulate_clients_of_workers(seed: u64) -> Totals {
    simulate_several(seed, (Who::Clients, Version::Http1))
}

fn simulate_workers_over_http2(seed: u64) -> Totals {
    simulate_several(seed, (Who::Connections, Version::Http2))
}

fn simulate_clients_of_workers_over_http2(seed: u64) -> Totals {
    simulate_several(seed, (Who::Clients, Version::Http2))
}

/// Two to four services share one log.
fn simulate_several(seed: u64, whose: (Who, Version)) -> Totals {
    let mut random = Random::new(seed);
    let workers = 2 + random.below(3);
    simulate_world(seed, random, whose, (workers, 0))
}

fn simulate_machines(seed: u64) -> Totals {
    simulate_lagging(seed, Who::Connections)
}

fn simulate_clients_of_machines(seed: u64) -> Totals {
    simulate_lagging(seed, Who::Clients)
}

/// Two to four services share one log, and are not equally far.
fn simulate_lagging(seed: u64, who: Who) -> Totals {
    let mut random = Random::new(seed);
    let workers = 2 + random.below(3);
    let version = if random.one_in(2) { Version::Http1 } else { Version::Http2 };
    simulate_world(seed, random, (who, version), (workers, LAG_MS))
}

/// A quarter of the worlds has sockets that hold bytes, as those of TLS do.
fn simulate_world(
    seed: u64,
    random: Random,
    (who, version): (Who, Version),
    joined: (usize, usize),
) -> Totals {
    match seed % 4 {
        3 => play(Run::<SealedNet>::new(random, who, version, joined)),
        _ => play(Run::<SimNet>::new(random, who, version, joined)),
    }
}

fn play<N: Net + From<SimNet>>(mut run: Run<N>) -> Totals {
    let drain_at = if run.random.one_in(6) { run.random.below(TURNS) } else { usize::MAX };
    for turn in 0..TURNS {
        if turn == drain_at {
            run.drain();
        }
        if run.is_reopened && run.random.one_in(70) && !run.is_draining() {
            run.kill();
        }
        run.turn();
        if turn > 60 && run.publishers.iter().all(Publisher::is_done) && run.random.one_in(30) {
            break;
        }
    }
    if run.is_reopened && run.random.one_in(3) && !run.is_draining() {
        run.kill();
    }
    run.ways.iter().for_each(Way::calm_down);
    run.plan.mood.borrow_mut().calm_down();
    if !run.is_draining() {
        run.publish_the_rest();
        run.catch_up();
        if run.random.one_in(4) {
            run.drain();
            run.totals.drains += 1;
        } else {
            run.subscribers.iter_mut().for_each(|it| it.go(&mut run.random));
            run.clients.iter_mut().for_each(|it| it.go(&mut run.random));
        }
    } else {
        run.totals.drains += 1;
    }
    run.come_to_an_end();
    run.totals
}

impl<N: Net + From<SimNet>> Run<N> {
    fn new(mut random: Random, who: Who, version: Version, joined: (usize, usize)) -> Self {
        let is_reopened = random.one_in(2);
        let roomy = random.one_in(4);
        let plan = plan(roomy, is_reopened, joined, &mut random);
        let net = |random: &mut Random| SimNet::new(random.bits(), plan.faults, plan.room_max);
        let way = |_| Way::new(net(&mut random), version);
        let ways: Vec<Way> = (0..joined.0).map(way).collect();
        let (order, servers) = plan.open(&ways, &mut random);
        let mut totals = Totals { roomy: u64::from(roomy), ..Totals::default() };
        let (mut subscribers, mut clients) = (Vec::new(), Vec::new());
        let truth = &plan.truth;
        for _ in 0..1 + random.below(3) {
            let targets = world::targets(&mut random);
            match who {
                Who::Connections => {
                    subscribers.push(Subscriber::new(truth, roomy, targets, &mut random));
                }
                Who::Clients => {
                    let client = Client::new(truth, roomy, &targets, &mut random, &mut totals);
                    clients.push(client);
                }
            }
        }
        let channels = world::channels();
        // In a log that is opened again, publishers go on.
        let count_max = if is_reopened { 5 } else { 11 };
        let publishers = (0..1 + random.below(2))
            .map(|id| Publisher::new(truth, id, count_max, &channels, &mut random))
            .collect();
        let historian = (who == Who::Connections).then(|| Historian::new(truth));
        let backups = Vec::new();
        Self {
            ways,
            servers,
            order,
            plan,
            is_reopened,
            backups,
            subscribers,
            clients,
            publishers,
            historian,
            random,
            totals,
        }
    }

    fn turn(&mut self) {
        let Self { ways, subscribers, clients, publishers, random, totals, .. } = self;
        for subscriber in subscribers {
            if random.one_in(2) {
                subscriber.step(any(ways, random), random, totals);
            }
        }
        for client in clients {
            if random.one_in(2) {
                client.step(any(ways, random), random, totals);
            }
        }
        for publisher in publishers {
            if random.one_in(2) {
                publisher.step(any(ways, random), random, totals);
            }
        }
        if let Some(historian) = &mut self.historian
            && self.random.one_in(4)
        {
            historian.step(any(&self.ways, &mut self.random), &mut self.random, &mut self.totals);
        }
        match &mut self.order {
            None => self.server_turn(),
            Some(_) => self.some_turn(),
        }
        self.live();
        let ms = self.random.below(8) as u64;
        self.advance(ms);
        if self.random.one_in(100) {
            self.set_calendar();
        }
    }

    /// Somebody sets the machine's calendar, by a second or by years.
    fn set_calendar(&mut self) {
        let far_ms = [1_000, 3_000, 3_600_000, 10 * 365 * 86_400_000][self.random.below(4)];
        let by_ms = if self.random.one_in(2) { -far_ms } else { far_ms };
        self.ways.iter().for_each(|way| way.net.set_calendar(by_ms));
        self.plan.clocks.set_calendar(by_ms);
        self.plan.truth.borrow_mut().has_jumped = true;
        self.totals.calendars += 1;
    }

    /// Each server has a turn, and before them whoever gives out the places.
    fn server_turn(&mut self) {
        if let Some(order) = &mut self.order {
            order.step();
        }
        let wait = Duration::from_millis(self.random.below(5) as u64);
        for server in &mut self.servers {
            server.turn(Some(wait)).expect("the poller never fails here");
        }
    }

    /// Some servers have a turn, and whoever gives out the places at some time between them: what one
    /// has heard long ago, another may still have to hear.
    fn some_turn(&mut self) {
        let wait = Duration::from_millis(self.random.below(5) as u64);
        for server in &mut self.servers {
            if self.random.one_in(3)
                && let Some(order) = &mut self.order
            {
                order.step();
            }
            if self.random.one_in(2) {
                server.turn(Some(wait)).expect("the poller never fails here");
            }
        }
    }

    fn advance(&mut self, ms: u64) {
        self.ways.iter().for_each(|way| way.net.advance(ms));
        self.plan.clocks.advance(ms);
        let Self { ways, random, totals, .. } = self;
        ways.iter().for_each(|way| way.live(random, totals));
    }

    fn drain(&mut self) {
        self.servers.iter_mut().for_each(Server::drain);
    }

    fn is_draining(&self) -> bool {
        self.servers.iter().any(Server::is_draining)
    }

    fn publish_the_rest(&mut self) {
        for turn in 0.. {
            let Self { ways, publishers, random, totals, .. } = self;
            for publisher in &mut *publishers {
                publisher.proceed(any(ways, random), random, totals);
            }
            if publishers.iter().all(Publisher::is_done) {
                return;
            }
            self.server_turn();
            self.advance(2);
            assert!(turn < 4_000, "publishers get no answer");
        }
    }

    fn catch_up(&mut self) {
        self.subscribers.iter_mut().for_each(Subscriber::calm_down);
        self.clients.iter_mut().for_each(Client::calm_down);
        for turn in 0.. {
            let Self { ways, subscribers, clients, random, totals, .. } = self;
            let (mut all, goal) = (true, self.plan.truth.borrow().goal());
            for subscriber in subscribers {
                all &= subscriber.catch_up(any(ways, random), goal, random, totals);
            }
            for client in clients {
                all &= client.catch_up(any(ways, random), goal, random, totals);
            }
            if all {
                return;
            }
            self.server_turn();
            // Slower than the fastest heartbeat, also on a line that takes less in a turn than a
            // heartbeat has: otherwise an outbox is never empty.
            self.advance(CALM_TURN_MS);
            assert!(turn < 6_000, "somebody never catches up with {goal:?}: {}", self.state());
        }
    }

    fn state(&self) -> String {
        let subscribers = self.subscribers.iter().map(Subscriber::state);
        let all: Vec<String> = subscribers.chain(self.clients.iter().map(Client::state)).collect();
        format!("{}; drain: {}", all.join("; "), self.is_draining())
    }

    /// Everybody is gone, and nothing is left.
    fn come_to_an_end(&mut self) {
        let Self { publishers, historian, random, .. } = self;
        publishers.iter_mut().for_each(|it| it.judge(random));
        historian.iter_mut().for_each(|it| it.go(random));
        for turn in 0.. {
            let Self { ways, subscribers, clients, publishers, random, totals, .. } = self;
            for subscriber in subscribers {
                subscriber.listen(random, totals);
                subscriber.read_left();
            }
            for client in clients {
                client.listen(any(ways, random), random, totals);
                client.read_left();
            }
            publishers.iter_mut().for_each(Publisher::read_left);
            self.historian.iter_mut().for_each(Historian::read_left);
            let connections: usize = self.servers.iter().map(Server::connections).sum();
            let timers: usize = self.servers.iter().map(Server::timers).sum();
            let waiting: usize = self.ways.iter().map(|way| way.net.waiting()).sum();
            if connections == 0 && timers == 0 && turn > 3 && waiting == 0 {
                break;
            }
            self.server_turn();
            self.advance(50);
            let left = (connections, timers, waiting);
            assert!(turn < 4_000, "connections are left: {left:?}: {}", self.state());
        }
        if let Some(order) = &self.order {
            order.check();
        }
        for server in &self.servers {
            let service = server.app();
            assert_eq!(service.holdings(), Holdings::default(), "left behind");
            let stats = service.hub_stats();
            let left = (stats.subscribers, stats.subscriptions, stats.patterns, stats.pending);
            assert_eq!(left, (0, 0, 0, 0), "left in the hub");
            let served = server.stats();
            assert_eq!(served.accepted, served.closed);
            assert_eq!(served.holds_opened, served.holds_closed);
        }
        self.count_services();
        let Counts { open, pages, refused } = &*self.plan.counts;
        assert_eq!(open.get(), 0, "left in the archive");
        (self.totals.pages, self.totals.unread) = (pages.get(), refused.get());
    }
}

/// What a seed's world is like.
fn plan(
    roomy: bool,
    is_reopened: bool,
    (workers, lag_ms): (usize, usize),
    random: &mut Random,
) -> Plan {
    let queue_bytes = [150, 600, 3_000][random.below(3)];
    let mut truth = Truth::new(1_000 + random.below(1_000) as u64, random.one_in(2));
    if is_reopened || random.one_in(2) {
        truth.begin_run();
    }
    truth.lags = lag_ms > 0;
    let mut faults = if random.one_in(3) { Faults::default() } else { world::faults(random) };
    let room_max = [100, 1_000, 30_000][random.below(3)];
    let hub = world::hub_config(roomy, is_reopened, random);
    let mut service_limits = world::service_limits(queue_bytes, random);
    if lag_ms > 0 {
        service_limits.opening_wait_ms = OPENING_WAIT_MS;
        // A clock that jumps ends a wait that was long enough.
        faults.clock_jump = 0;
        // A poll that waited for its turn asks the archive in that turn, and has the answer in the next one at the
        // earliest. Patience for less than a turn would turn it away for ever.
        for patience_ms in [&mut service_limits.wait_ms_max, &mut service_limits.archive_ms_max] {
            *patience_ms = (*patience_ms).max(4 * CALM_TURN_MS);
        }
    }
    Plan {
        faults,
        room_max,
        hub,
        service_limits,
        limits: world::server_limits(queue_bytes, random),
        workers,
        lag_ms,
        truth: Rc::new(RefCell::new(truth)),
        mood: Rc::new(RefCell::new(Mood::new(random))),
        counts: Rc::default(),
        clocks: Clocks::new(),
    }
}

/// The way to one of the servers.
fn any<'w>(ways: &'w [Way], random: &mut Random) -> &'w Way {
    match ways {
        [way] => way,
        ways => &ways[random.below(ways.len())],
    }
}
