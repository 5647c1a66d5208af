//! The hub behind a whole server in a simulated world, by seed.
//!
//! Publishers retry, subscribers are cut, stall, change their transport and come back with their
//! cursor; the log settles late, has no room, fails. Whenever a subscriber is told that it has
//! everything up to a place, it has: once, in order, or a gap was declared to it. Each publication
//! is in the log once at the most, where its receipt says. Nothing is left behind.
//!
//! The same world has two kinds of subscribers, one kind in a run: bare connections, of which every word is held
//! against the promise, and our own clients, of which what they show is.
//!
//! `SOCKEYE_SEEDS=1000000 cargo test --release -p sockeye-service --test simulation` runs more,
//! `SOCKEYE_SEED=4711` one.

mod client;
mod events;
mod oracle;
mod publisher;
mod said;
mod socket;
mod subscriber;
mod totals;
mod truth;
mod wire;
mod world;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use sockeye_hub::Epoch;
use sockeye_server::Server;
use sockeye_service::{Holdings, Service};
use sockeye_simnet::{Faults, Random, SimNet, each_seed};

use client::Client;
use publisher::Publisher;
use subscriber::Subscriber;
use totals::Totals;
use truth::{Mood, SimLog, Truth};

/// Seeds in a run that does not say how many.
const SEEDS: u64 = 10_000;

/// Turns in which everybody plays tricks.
const TURNS: usize = 220;

#[test]
fn every_seed_keeps_the_promise() {
    let mut totals = Totals::default();
    let count = each_seed(SEEDS, simulate, |run| totals.add(run));
    println!("simulation: {count} seeds, {totals:?}");
    if count >= 1_000 {
        totals.check(count);
    }
}

#[test]
fn every_seed_keeps_the_promise_to_our_clients() {
    let mut totals = Totals::default();
    let count = each_seed(SEEDS, simulate_clients, |run| totals.add(run));
    println!("simulation of clients: {count} seeds, {totals:?}");
    if count >= 1_000 {
        totals.check_clients(count);
    }
}

/// Who subscribes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Connections,
    Clients,
}

struct Run {
    net: SimNet,
    server: Server<SimNet, Service>,
    truth: Rc<RefCell<Truth>>,
    mood: Rc<RefCell<Mood>>,
    subscribers: Vec<Subscriber>,
    clients: Vec<Client>,
    publishers: Vec<Publisher>,
    random: Random,
    totals: Totals,
}

fn simulate(seed: u64) -> Totals {
    play(Run::new(Random::new(seed), Who::Connections))
}

fn simulate_clients(seed: u64) -> Totals {
    play(Run::new(Random::new(seed), Who::Clients))
}

fn play(mut run: Run) -> Totals {
    let drain_at = if run.random.one_in(6) { run.random.below(TURNS) } else { usize::MAX };
    for turn in 0..TURNS {
        if turn == drain_at {
            run.server.drain();
        }
        run.turn();
        if turn > 100 && run.publishers.iter().all(Publisher::is_done) && run.random.one_in(30) {
            break;
        }
    }
    run.net.calm_down();
    let mood = &run.mood;
    (mood.borrow_mut().settles_at_once, mood.borrow_mut().no_room) = (true, 0);
    if !run.server.is_draining() {
        run.publish_the_rest();
        run.catch_up();
        if run.random.one_in(4) {
            run.server.drain();
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

impl Run {
    fn new(mut random: Random, who: Who) -> Self {
        let faults = if random.one_in(3) { Faults::default() } else { world::faults(&mut random) };
        let room_max = [100, 1_000, 30_000][random.below(3)];
        let net = SimNet::new(random.bits(), faults, room_max);
        let epoch = 1_000 + random.below(1_000) as u64;
        let truth = Truth { epoch, entries: Vec::new(), settled: 0, failed: false };
        let truth = Rc::new(RefCell::new(truth));
        let mood = Rc::new(RefCell::new(Mood {
            settles_at_once: random.one_in(3),
            no_room: [0, 0, 5][random.below(3)],
            refuses: [0, 0, 0, 8][random.below(4)],
            fails_after: if random.one_in(6) { 1 + random.below(20) } else { usize::MAX },
            random: Random::new(random.bits()),
        }));
        let roomy = random.one_in(4);
        let queue_bytes = [150, 600, 3_000][random.below(3)];
        let hub = world::hub_config(roomy, &mut random);
        let service =
            Service::new(Epoch(epoch), hub, world::service_limits(queue_bytes, &mut random))
                .with_log(Box::new(SimLog::new(&truth, &mood)));
        let limits = world::server_limits(queue_bytes, &mut random);
        let server = Server::new(net.clone(), service, limits);
        let mut totals = Totals { roomy: u64::from(roomy), ..Totals::default() };
        let (mut subscribers, mut clients) = (Vec::new(), Vec::new());
        for _ in 0..1 + random.below(3) {
            let targets = world::targets(&mut random);
            match who {
                Who::Connections => {
                    subscribers.push(Subscriber::new(&truth, roomy, targets, &mut random));
                }
                Who::Clients => {
                    let client = Client::new(&truth, roomy, &targets, &mut random, &mut totals);
                    clients.push(client);
                }
            }
        }
        let channels = world::channels();
        let publishers = (0..1 + random.below(2))
            .map(|id| Publisher::new(&truth, id, &channels, &mut random))
            .collect();
        Self { net, server, truth, mood, subscribers, clients, publishers, random, totals }
    }

    fn turn(&mut self) {
        let Self { net, subscribers, clients, publishers, random, totals, .. } = self;
        for subscriber in subscribers {
            if random.one_in(2) {
                subscriber.step(net, random, totals);
            }
        }
        for client in clients {
            if random.one_in(2) {
                client.step(net, random, totals);
            }
        }
        for publisher in publishers {
            if random.one_in(2) {
                publisher.step(net, random, totals);
            }
        }
        self.server_turn();
        self.net.advance(self.random.below(8) as u64);
    }

    fn server_turn(&mut self) {
        let wait = Duration::from_millis(self.random.below(5) as u64);
        self.server.turn(Some(wait)).expect("the poller never fails here");
    }

    fn publish_the_rest(&mut self) {
        for turn in 0.. {
            let Self { net, publishers, random, totals, .. } = self;
            for publisher in &mut *publishers {
                publisher.proceed(net, random, totals);
            }
            if publishers.iter().all(Publisher::is_done) {
                return;
            }
            self.server_turn();
            self.net.advance(2);
            assert!(turn < 2_000, "publishers get no answer");
        }
    }

    fn catch_up(&mut self) {
        self.subscribers.iter_mut().for_each(Subscriber::calm_down);
        self.clients.iter_mut().for_each(Client::calm_down);
        for turn in 0.. {
            let Self { net, subscribers, clients, random, totals, .. } = self;
            let (mut all, goal) = (true, self.truth.borrow().position());
            for subscriber in subscribers {
                all &= subscriber.catch_up(net, goal, random, totals);
            }
            for client in clients {
                all &= client.catch_up(net, goal, random, totals);
            }
            if all {
                return;
            }
            self.server_turn();
            // Slower than the fastest heartbeat, which keeps an outbox from being empty.
            self.net.advance(60);
            assert!(turn < 3_000, "somebody never catches up with {goal:?}: {}", self.state());
        }
    }

    fn state(&self) -> String {
        let subscribers = self.subscribers.iter().map(Subscriber::state);
        let all: Vec<String> = subscribers.chain(self.clients.iter().map(Client::state)).collect();
        format!("{}; drain: {}", all.join("; "), self.server.is_draining())
    }

    /// Everybody is gone, and nothing is left.
    fn come_to_an_end(&mut self) {
        let Self { publishers, random, .. } = self;
        publishers.iter_mut().for_each(|it| it.judge(random));
        for turn in 0.. {
            let Self { net, subscribers, clients, publishers, random, totals, .. } = self;
            for subscriber in subscribers {
                subscriber.listen(random, totals);
                subscriber.read_left();
            }
            for client in clients {
                client.listen(net, random, totals);
                client.read_left();
            }
            publishers.iter_mut().for_each(Publisher::read_left);
            if self.server.connections() == 0
                && self.server.timers() == 0
                && turn > 3
                && self.net.waiting() == 0
            {
                break;
            }
            self.server_turn();
            self.net.advance(50);
            let left = (self.server.connections(), self.server.timers(), self.net.waiting());
            assert!(turn < 4_000, "connections are left: {left:?}: {}", self.state());
        }
        let service = self.server.app();
        assert_eq!(service.holdings(), Holdings::default(), "left behind");
        let stats = service.hub_stats();
        let left = (stats.subscribers, stats.subscriptions, stats.patterns, stats.pending);
        assert_eq!(left, (0, 0, 0, 0), "left in the hub");
        let served = self.server.stats();
        assert_eq!(served.accepted, served.closed);
        assert_eq!(served.holds_opened, served.holds_closed);
        self.totals.held += served.holds_opened;
        self.totals.lagged += stats.lagged;
        self.totals.overruns += stats.overruns;
        self.totals.lives += u64::from(self.truth.borrow().failed);
    }
}
