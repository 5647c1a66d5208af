//! The run `slow`: readers that stop reading.
//!
//! All subscribers read a quiet channel. Those that will stop, and a few others, also read a loud channel, which
//! fills the system's buffers for readers that have stopped.

use std::path::Path;

use sockeye_load::engine::{Histogram, SocketOptions};

use crate::checks::Checks;
use crate::publisher::{Over, Publisher};
use crate::road::Road;
use crate::server::{Place, Server, Settings, unhurried};
use crate::subscriber::{Subscriber, Transport};
use crate::world::{Client, PATIENCE_MS, World};
use crate::{Failure, Fault, Size};

/// The two channels, and their publishers by ID.
const QUIET: usize = 0;
const LOUD: usize = 1;

/// Messages of the quiet channel in each measurement of a whole run, one each `QUIET_MS`.
const QUIET_MESSAGES: usize = 60;
const QUIET_MS: u64 = 100;

/// Bytes of a loud message: below what the server shares among its streams instead of copying it.
const LOUD_BYTES: usize = 900;

/// Loud messages that fill the buffers of server and system for a stopped reader, and overrun its place in history.
/// The system by itself would keep three times as many.
const FILL_MESSAGES: u64 = 1_000;
const OVERRUN_MESSAGES: u64 = 400;

/// Loud messages in one request.
const BATCH: u64 = 50;

/// Memory that a stalled stream may cost the server, in KiB: the queue of 64 KiB, as much again for the spare
/// capacity of a buffer that grows by doubling, and its bookkeeping.
const STALLED_KIB_MAX: u64 = 64 + 64 + 4;

/// The figures of a time in which only the quiet channel was published.
struct Calm {
    latencies: Histogram,
    deliveries: u64,
    cpu_us: u64,
}

/// Numbers of subscribers: all, those that will stop, and the others that read the loud channel.
#[derive(Clone, Copy)]
struct Crowd {
    all: usize,
    stalled: usize,
    loud: usize,
    /// Messages of the quiet channel in each measurement.
    quiet: u64,
}

pub(crate) fn run(program: &Path, size: Size, checks: &mut Checks) -> Result<(), Failure> {
    let place = Place::new("slow")?;
    let long = size.has(Fault::LongQueues);
    let config = if long { "[limits]\nqueue_bytes = 16777216\n" } else { "" };
    let config = &unhurried(config);
    let settings = Settings::new(program, &place, config, [127, 0, 42, 1]).over(size.over);
    let server = Server::start(&Settings { keeps: false, ..settings })?;
    let (all, stalled, loud) = (size.of(5_000), size.of(1_000), size.of(200));
    let quiet = size.of(QUIET_MESSAGES) as u64;
    println!("slow over {}: {all} subscribers, {stalled} of them stop reading", size.over);
    let mut world = World::on(Road::new(&server, &place, size.over, all)?, 2)?;
    let crowd = Crowd { all, stalled, loud, quiet };
    fill(&mut world, crowd)?;
    let opened = world.run(PATIENCE_MS, |world| world.subscribers().all(|it| it.is_open))?;
    checks.that(opened, "all are there");

    stop_reading(&mut world, &server, crowd, checks)?;
    judge_readers(&world, stalled, checks);
    read_again(&mut world, stalled.div_ceil(2), checks)?;
    checks.no_faults(&world.ground);
    server.stop()?;
    Ok(())
}

/// Stops some readers, and checks the cost for the server and the other readers.
fn stop_reading(
    world: &mut World,
    server: &Server,
    crowd: Crowd,
    checks: &mut Checks,
) -> Result<(), Failure> {
    let Crowd { all, stalled, loud, quiet } = crowd;
    world.ground.behind_max = 20;
    world.ground.readers = vec![all as u64, (stalled + loud) as u64];
    // The cost of history is measured apart from the cost of stalled readers.
    publish(world, LOUD, OVERRUN_MESSAGES)?;
    let before = calm(world, server, quiet)?;
    let (memory, lagged) = (server.memory_kib()?, lagged(server)?);
    set_stalled(world, 0..stalled, true);
    world.ground.readers = vec![(all - stalled) as u64, loud as u64];
    publish(world, LOUD, FILL_MESSAGES)?;
    let each = server.memory_kib()?.saturating_sub(memory) / stalled as u64;
    let lagged = self::lagged(server)? - lagged;
    checks.that(
        lagged >= stalled as u64,
        format_args!("streams that were given nothing more: {lagged}"),
    );
    checks.that(
        each <= STALLED_KIB_MAX,
        format_args!(
            "memory grew by {each} KiB for each stalled stream, at most {STALLED_KIB_MAX}"
        ),
    );
    let after = calm(world, server, quiet)?;
    compare(&before, &after);
    publish(world, LOUD, OVERRUN_MESSAGES)
}

/// Lets some of the stopped readers read again.
fn read_again(world: &mut World, count: usize, checks: &mut Checks) -> Result<(), Failure> {
    set_stalled(world, 0..count, false);
    // The server closed them, and they are back. After the gap, one more message of each channel shows their places.
    world.run(PATIENCE_MS, |world| {
        let mut subscribers = world.subscribers().take(count);
        subscribers.all(|it| it.is_open && it.heard.gaps > 0)
    })?;
    world.ground.readers = vec![0, 0];
    publish(world, LOUD, BATCH)?;
    publish(world, QUIET, 1)?;
    world.run(PATIENCE_MS, |world| {
        let mut subscribers = world.subscribers().take(count);
        subscribers.all(|it| it.has_all(&world.ground.acknowledged))
    })?;
    judge_stalled(world, count, checks);
    Ok(())
}

/// First those who will stop, then those who also read the loud channel, then the others, and the publishers.
fn fill(world: &mut World, crowd: Crowd) -> Result<(), Failure> {
    let Crowd { all, stalled, loud, .. } = crowd;
    let subscriber = |number| {
        let transport = if number % 2 == 0 { Transport::Commands } else { Transport::Events };
        let channels = if number < stalled + loud { &[QUIET, LOUD][..] } else { &[QUIET] };
        let receive_bytes = (number < stalled).then_some(4_096);
        let options = SocketOptions { receive_bytes, ..SocketOptions::default() };
        Client::Subscriber(Subscriber::new(transport, channels, "earliest", options))
    };
    world.add((0..all).map(subscriber))?;
    for (over, channel, interval_ms, bytes) in
        [(Over::Http, QUIET, QUIET_MS, 100), (Over::Batch(BATCH), LOUD, 0, LOUD_BYTES)]
    {
        let mut publisher = Publisher::new(over, channel, interval_ms, bytes);
        publisher.last = 0;
        world.add_at_once(Client::Publisher(publisher));
    }
    Ok(())
}

/// Publishes so many messages, and waits until the readers have them.
fn publish(world: &mut World, channel: usize, count: u64) -> Result<(), Failure> {
    let last = world.ground.acknowledged[channel] + count;
    world.ground.delivered[channel] = (last - count) * world.ground.readers[channel];
    for client in &mut world.clients {
        if let Client::Publisher(publisher) = client
            && publisher.channel == channel
        {
            publisher.last = last;
        }
    }
    let done = world.run(PATIENCE_MS * 2, |world| {
        let ground = &world.ground;
        ground.acknowledged[channel] == last
            && ground.delivered[channel] >= last * ground.readers[channel]
    })?;
    if done {
        Ok(())
    } else {
        Err(Failure(format!("the readers of channel {channel} are behind after two minutes")))
    }
}

/// How often a stream was given nothing more for a while.
fn lagged(server: &Server) -> Result<u64, Failure> {
    server.metric("sockeye_slow_readers_total{action=\"lagged\"}")
}

fn calm(world: &mut World, server: &Server, messages: u64) -> Result<Calm, Failure> {
    world.ground.latencies = Some(Histogram::new());
    let (cpu_us, deliveries) = (server.cpu_us()?, messages * world.ground.readers[QUIET]);
    publish(world, QUIET, messages)?;
    let cpu_us = server.cpu_us()? - cpu_us;
    let latencies = world.ground.latencies.take().unwrap_or_default();
    Ok(Calm { latencies, deliveries, cpu_us })
}

fn set_stalled(world: &mut World, ids: core::ops::Range<usize>, stalled: bool) {
    for id in ids {
        world.lines.pause(id, stalled);
        if let Client::Subscriber(subscriber) = &mut world.clients[id] {
            subscriber.reads = !stalled;
        }
    }
}

fn compare(before: &Calm, after: &Calm) {
    for (name, calm) in [("all read", before), ("some do not", after)] {
        let at = |per_mille| calm.latencies.quantile(per_mille) as f64 / 1e6;
        println!(
            "        while {name}: {} deliveries; {:.1} ms after publishing at the median, {:.1} ms at 99 %; \
             the server's CPU time {:.2} µs each",
            calm.deliveries,
            at(500),
            at(990),
            cpu_each(calm)
        );
    }
    let ratio = |per_mille| {
        let before = before.latencies.quantile(per_mille).max(1);
        after.latencies.quantile(per_mille) as f64 / before as f64
    };
    println!(
        "        the second as multiples of the first: {:.2} at the median, {:.2} at 99 %, {:.2} of CPU time",
        ratio(500),
        ratio(990),
        cpu_each(after) / cpu_each(before).max(0.001)
    );
}

fn cpu_each(calm: &Calm) -> f64 {
    calm.cpu_us as f64 / calm.deliveries.max(1) as f64
}

fn judge_readers(world: &World, stalled: usize, checks: &mut Checks) {
    let (sum, behind) = world.sum(world.subscribers().skip(stalled));
    println!("        those who read: {sum}");
    checks.everything_once("those who read", &sum, behind);
    checks.same("those who read: streams that ended", sum.goodbyes.len(), 0);
}

fn judge_stalled(world: &World, half: usize, checks: &mut Checks) {
    let (sum, behind) = world.sum(world.subscribers().take(half));
    let (mut sent_away, mut silently) = (0, 0);
    for subscriber in world.subscribers().take(half) {
        let is_4202 = subscriber.heard.goodbyes.iter().any(|it| it.code == 4202);
        sent_away += usize::from(is_4202);
        silently += usize::from(!is_4202 && subscriber.heard.gaps == 0);
    }
    println!("        those who read again: {sum}; {sent_away} were sent away with 4202");
    checks.same("those who read again: neither sent away nor told of a gap", silently, 0);
    checks.same("those who read again: lost without a word", sum.lost, 0);
    checks.same("those who read again: repeated", sum.repeated, 0);
    checks.same("those who read again: without the last message", behind, 0);
}
