//! The run `drain`: a restart under traffic.
//!
//! The log belongs to one process at a time, so a restart is what a supervisor does: SIGTERM, wait for
//! the end, start again on the same address and directory. Meanwhile the server tells clients to come back;
//! they find no server, and wait.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use sockeye_load::engine::{Purpose, SocketOptions};

use crate::checks::Checks;
use crate::probe::{Ended, Manner, Probe};
use crate::publisher::{Over, Publisher};
use crate::road::Road;
use crate::server::{Place, Server, Settings, unhurried};
use crate::subscriber::{Subscriber, Transport};
use crate::world::{Client, PATIENCE_MS, World};
use crate::{Failure, Fault, Size};

/// Seconds in which the server still accepts.
const ACCEPT_S: u64 = 1;

/// How late a goodbye may be, besides this program's longest turn: other programs use the machine, too.
const LATE_US: u64 = 500_000;

/// The address of the server alone, so that clients find no other program at its port while it restarts, and
/// no client connects to itself.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 41, 1);

struct Crowd {
    publishers: usize,
    /// Of each transport.
    subscribers: [(Transport, usize); 4],
    idle: usize,
}

impl Crowd {
    fn new(size: Size) -> Self {
        Self {
            publishers: size.of(100),
            subscribers: [
                (Transport::Commands, size.of(1_500)),
                (Transport::Bare, size.of(800)),
                (Transport::Events, size.of(1_500)),
                (Transport::LongPoll, size.of(600)),
            ],
            idle: size.of(500),
        }
    }

    fn len(&self) -> usize {
        self.publishers + self.idle + self.subscribers.iter().map(|(_, count)| count).sum::<usize>()
    }
}

pub(crate) fn run(program: &Path, size: Size, checks: &mut Checks) -> Result<(), Failure> {
    let crowd = Crowd::new(size);
    let (over, window) = (size.over, size.window);
    println!("drain over {over}: {} clients, a window of {window} s", crowd.len());
    restart(program, size, &crowd, checks)?;
    cut_short(program, size, checks)
}

fn config(size: Size, window: u64) -> String {
    let window = if size.has(Fault::NoWindow) { 0 } else { window };
    let (history, kept) =
        if size.has(Fault::NoHistory) { (4, "4") } else { (4_096, "\"forever\"") };
    format!(
        "[drain]\naccept = {ACCEPT_S}\nwindow = {window}\nrest = 10\n\
         [channels]\nhistory_messages = {history}\nhistory_bytes = 16777216\nkeep_messages = {kept}\n"
    )
}

fn restart(program: &Path, size: Size, crowd: &Crowd, checks: &mut Checks) -> Result<(), Failure> {
    let place = Place::new("drain")?;
    let config = unhurried(&config(size, size.window));
    let settings = Settings::new(program, &place, &config, ADDRESS).over(size.over);
    let mut server = Server::start(&settings)?;
    let road = Road::new(&server, &place, size.over, crowd.len())?;
    let mut world = World::on(road, crowd.publishers)?;
    fill(&mut world, crowd)?;
    let opened = world.run(PATIENCE_MS, |world| world.subscribers().all(|it| it.is_open))?;
    checks.that(opened, format_args!("{} subscribers are there", world.subscribers().count()));
    world.run_for(2_000)?;

    // Polls are answered and end: streams are told one by one.
    let streams = world.subscribers().filter(|it| it.transport.is_stream() && it.is_open).count()
        + world.publishers().filter(|it| it.is_stream()).count();
    world.longest_turn_us = 0;
    let signalled_us = world.ground.now_us();
    server.terminate()?;
    let mut status = None;
    let bound_ms = (ACCEPT_S + size.window + 10) * 1000 + 5_000;
    world.run(bound_ms, |_| {
        status = server.ended().ok().flatten();
        status.is_some()
    })?;
    let gone_us = world.ground.now_us();
    checks.that(status == Some(Some(0)), format_args!("the server ended by itself: {status:?}"));
    judge_goodbyes(&world, size, streams, signalled_us, checks);

    let (listen, tls, keeps) = (server.addr, server.tls_addr, !size.has(Fault::NoData));
    let second = Server::start(&Settings { listen, tls, keeps, ..settings })?;
    println!(
        "        gone {} ms after SIGTERM, the next one listens {} ms later",
        (gone_us - signalled_us) / 1000,
        (world.ground.now_us() - gone_us) / 1000
    );
    let back = world.run(PATIENCE_MS, |world| {
        world.subscribers().all(|it| it.is_open) && world.publishers().all(|it| it.connects > 1)
    })?;
    checks.that(back, "everybody is back");
    world.run_for(2_000)?;
    world.settle(20_000)?;
    judge(&world, crowd, checks);
    let status = second.stop()?;
    checks.that(status == Some(0), "the second server ended by itself");
    Ok(())
}

fn fill(world: &mut World, crowd: &Crowd) -> Result<(), Failure> {
    let options = SocketOptions::default();
    let mut clients = Vec::new();
    for (transport, count) in crowd.subscribers {
        for number in 0..count {
            let first = number % crowd.publishers;
            // Every fifth has two channels.
            let second = (first + 1) % crowd.publishers;
            let channels =
                if number % 5 == 0 && second != first { vec![first, second] } else { vec![first] };
            let subscriber = Subscriber::new(transport, &channels, "earliest", options);
            clients.push(Client::Subscriber(subscriber));
        }
    }
    let request: Rc<[u8]> = (*b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").into();
    let opener = Rc::new(world.ground.opener(Purpose::Requests, String::new()));
    let idle = |_| Client::Probe(Probe::new(&opener, &request, Manner::Stay, options));
    clients.extend((0..crowd.idle).map(idle));
    let publisher = |channel| {
        let over = if channel % 2 == 0 { Over::WebSocket } else { Over::Http };
        Client::Publisher(Publisher::new(over, channel, 500, 100))
    };
    clients.extend((0..crowd.publishers).map(publisher));
    Ok(world.add(clients.into_iter())?)
}

/// Checks which goodbyes the streams got, and when.
///
/// The schedule is the server's own: of `n` streams number `i` is told at `i / n` of the window, and
/// never earlier. So at any time the number of streams that were told has an upper bound, which is the schedule
/// since the signal, as delays only make it smaller. The lower bound is the schedule of half a second and this
/// program's longest turn earlier.
fn judge_goodbyes(
    world: &World,
    size: Size,
    streams: usize,
    signalled_us: u64,
    checks: &mut Checks,
) {
    let mut told: Vec<u64> = Vec::new();
    let mut codes: BTreeMap<u16, usize> = BTreeMap::new();
    let mut unhelpful = 0;
    let subscribers = world.subscribers().filter(|it| it.transport.is_stream());
    let goodbyes = subscribers.map(|it| &it.heard.goodbyes);
    // A stream that was told while the server still accepted came back, and was told again.
    for goodbye in
        goodbyes.chain(world.publishers().map(|it| &it.goodbyes)).filter_map(|it| it.first())
    {
        told.push(goodbye.at_us.saturating_sub(signalled_us + ACCEPT_S * 1_000_000));
        *codes.entry(goodbye.code).or_default() += 1;
        unhelpful += usize::from(goodbye.retry_ms.is_none());
    }
    told.sort_unstable();
    checks.same("streams that were told to go", told.len(), streams);
    checks.that(codes.keys().eq([&1012]), format_args!("with the codes {codes:?}"));
    checks.same("without a time to come back at", unhelpful, 0);
    let ended = world.probes().filter(|probe| probe.ended == Ended::ByServer).count();
    checks.same("kept connections that were ended", ended, world.probes().count());

    let late_us = LATE_US + world.longest_turn_us;
    let by = |us: u64| told.partition_point(|&at| at < us);
    let tenth_us = size.window * 100_000;
    let tenths: Vec<usize> = (0..10).map(|n| by((n + 1) * tenth_us) - by(n * tenth_us)).collect();
    let (least, most) = (tenths.iter().min(), tenths.iter().max());
    println!(
        "        told in each tenth of the window: {tenths:?}, at least {}, {} on average, at most {}",
        least.unwrap_or(&0),
        streams / 10,
        most.unwrap_or(&0)
    );
    let scheduled = |us: u64| {
        let us = u128::from(us.min(size.window * 1_000_000));
        let number = us * streams as u128 / u128::from(size.window * 1_000_000);
        usize::try_from(number).unwrap_or(usize::MAX)
    };
    let early = (1..10).find(|n| by(n * tenth_us) > scheduled(n * tenth_us) + 1);
    checks.that(early.is_none(), "nobody is told before the turn that an even rate gives");
    let late = (1..=10).find(|n| by(n * tenth_us + late_us) < scheduled(n * tenth_us));
    checks.that(late.is_none(), format_args!("nor more than {} ms after it", late_us / 1000));
}

/// Checks what each subscriber received.
fn judge(world: &World, crowd: &Crowd, checks: &mut Checks) {
    let acknowledged: u64 = world.ground.acknowledged.iter().sum();
    let sum = |count: fn(&Publisher) -> u64| world.publishers().map(count).sum::<u64>();
    println!(
        "        {acknowledged} messages acknowledged; cut off from their answers: {}; {} of what was sent \
         again was in the log; {} put off; {} attempts to connect in vain",
        sum(|it| it.cut_off),
        sum(|it| it.duplicates),
        sum(|it| it.put_off),
        sum(|it| it.refused)
    );
    checks.same(
        "publishers that wait for an answer",
        world.publishers().filter(|it| !it.is_at_rest()).count(),
        0,
    );
    for (transport, _) in crowd.subscribers {
        let (sum, behind) = world.sum(world.subscribers().filter(|it| it.transport == transport));
        // A client without a cursor may have missed the last messages.
        let behind = if transport == Transport::Bare { 0 } else { behind };
        println!("        {transport:?}: {sum}");
        checks.everything_once(&format!("{transport:?}"), &sum, behind);
    }
    checks.no_faults(&world.ground);
}

/// Checks that a second signal ends the server at once.
fn cut_short(program: &Path, size: Size, checks: &mut Checks) -> Result<(), Failure> {
    let place = Place::new("cut")?;
    let config = unhurried(&config(size, 600));
    let settings = Settings::new(program, &place, &config, ADDRESS).over(size.over);
    let mut server = Server::start(&settings)?;
    let count = size.of(500);
    let mut world = World::on(Road::new(&server, &place, size.over, count)?, 1)?;
    let options = SocketOptions::default();
    let subscriber =
        |_| Client::Subscriber(Subscriber::new(Transport::Events, &[0], "now", options));
    world.add((0..count).map(subscriber))?;
    world.run(PATIENCE_MS, |world| world.subscribers().all(|it| it.is_open))?;
    server.terminate()?;
    world.run_for(ACCEPT_S * 1000 + 500)?;
    let open = world.subscribers().filter(|it| it.is_open).count();
    checks.that(
        server.ended()?.is_none() && open > count / 2,
        format_args!("within a window of 600 s {open} of {count} streams are left"),
    );
    let start = Instant::now();
    server.terminate()?;
    let mut status = None;
    world.run(PATIENCE_MS, |_| {
        status = server.ended().ok().flatten();
        status.is_some()
    })?;
    checks.that(
        status == Some(Some(0)),
        format_args!(
            "a second signal ends it, status {status:?}, after {} ms",
            start.elapsed().as_millis()
        ),
    );
    world.run_for(100)?;
    let open = world.subscribers().filter(|it| it.is_open).count();
    checks.same("streams that are open still", open, 0);
    Ok(())
}
