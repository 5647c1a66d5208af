//! The run `fairness`: one address takes what it can, and everybody else is served as before.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::checks::Checks;
use crate::line::{Line, shown};
use crate::road::SHARED_BY;
use crate::server::{Place, Server, Settings};
use crate::wire::Target;
use crate::{Failure, Fault, Size};

/// As many as take all rooms for names if one address may.
const SOCKETS: usize = 512;

const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 48, 2);
const NEWCOMER: Ipv4Addr = Ipv4Addr::new(127, 0, 48, 3);
const BACK_END: Ipv4Addr = Ipv4Addr::new(127, 0, 48, 4);

/// Names in one command, as many as a stream may subscribe.
const NAMES: usize = 128;

/// Threads of the storm. Each has one connection at a time.
const STORM_THREADS: usize = 8;

/// Streams that a newcomer opens during the storm, and the time between them.
const NEWCOMERS: usize = 40;
const NEWCOMER_MS: u64 = 100;

const KEY: &str = "sk_the_key_of_a_back_end_for_a_scale_run";

/// Without rate limits: names come as fast as they can.
const NO_RATES: &str = "messages_per_second = 1000000\nhandshakes_per_second = 1000000\n";

/// A storm of any machine is above this rate.
const SLOW: &str = "handshakes_per_second = 200\n";

/// Strangers may read everything.
const ACCESS: &str = "\
[namespaces.chat]
history_messages = 10
[access]
subscribe = [\">\"]
[[access.api_keys]]
name = \"shop\"
key_file = \"shop.key\"
subscribe = [\">\"]
publish = [\">\"]
";

pub(crate) fn run(program: &Path, size: Size, checks: &mut Checks) -> Result<(), Failure> {
    println!("fairness over {}: one address against all", size.over);
    let place = Place::new("fairness")?;
    place.write("shop.key", KEY)?;
    let shares = if size.has(Fault::NoShares) { "address_percent = 100\n" } else { "" };
    for limits in [NO_RATES, SLOW] {
        let config = format!("[limits]\n{limits}{shares}{ACCESS}");
        let settings = Settings::new(program, &place, &config, [127, 0, 48, 1]).over(size.over);
        let server = Server::start(&Settings { keeps: false, ..settings })?;
        let target = Target::of(&server, &place, size.over)?;
        match limits {
            NO_RATES => names(&target, checks)?,
            _ => storm(&target, checks)?,
        }
        checks.that(server.stop()? == Some(0), "the server ends by itself");
    }
    Ok(())
}

/// The names of one address leave room for others: for a back end, a stranger from elsewhere, another
/// namespace, and publishers.
fn names(target: &Target, checks: &mut Checks) -> Result<(), Failure> {
    let mut crowd: Vec<Line> = Vec::with_capacity(SOCKETS);
    let mut refused = 0;
    for number in 0..SOCKETS {
        let neighbour = crowd.last().filter(|_| number % SHARED_BY > 0);
        let mut socket = Line::socket(target, ATTACKER, neighbour)?;
        let names = (0..NAMES).map(|name| format!("flood:{number}-{name}"));
        refused += socket.subscribe(names)?;
        crowd.push(socket);
    }
    println!("        {SOCKETS} sockets with {NAMES} names each: {refused} names refused");

    let mut back_end = Line::events(target, BACK_END, None, "news:1", &shown(KEY))?;
    let is_in = back_end.is_let_in()?;
    checks.that(is_in, "names of one address: a back end subscribes a new channel");
    let mut stranger = Line::socket(target, NEWCOMER, None)?;
    let names = (1..NAMES).map(|name| format!("flood:of-others-{name}"));
    checks.same("names of one address: refused to another", stranger.subscribe(names)?, 0);
    let chat = std::iter::once("chat:1".to_owned());
    checks.same("names of one address: in another namespace", stranger.subscribe(chat)?, 0);

    let mut stored = 0;
    for channel in ["news:1", "chat:1", "chat:new", "flood:new"] {
        stored += usize::from(publish(target, channel)?);
    }
    checks.same("names of one address: published", stored, 4);
    if is_in {
        back_end.until(&["a message"])?;
        checks.that(true, "names of one address: the back end gets its message");
    }
    stranger.until(&["a message"])?;
    checks.that(true, "names of one address: the stranger gets a message");
    Ok(())
}

/// A storm of handshakes from one address makes only that address wait.
fn storm(target: &Target, checks: &mut Checks) -> Result<(), Failure> {
    let idle = openings(target, NEWCOMERS / 2)?;
    let over = Arc::new(AtomicBool::new(false));
    let tries = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (0..STORM_THREADS)
        .map(|_| {
            let (over, tries, target) = (Arc::clone(&over), Arc::clone(&tries), target.clone());
            std::thread::spawn(move || storm_until(&target, &over, &tries))
        })
        .collect();
    // Until the burst of all is used up several times, if one address may do that.
    while tries.load(Ordering::Relaxed) < 3_000 && threads.iter().any(|it| !it.is_finished()) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let during = openings(target, NEWCOMERS)?;
    over.store(true, Ordering::Relaxed);
    let mut turned_away = 0;
    for thread in threads {
        turned_away += thread.join().map_err(|_| Failure("a storm panicked".into()))??;
    }
    println!(
        "        {} tries, {turned_away} turned away; a newcomer's stream is open after {} (idle: {})",
        tries.load(Ordering::Relaxed),
        during.times(),
        idle.times(),
    );
    checks.same("a storm of one address: newcomers let in", during.let_in, NEWCOMERS);
    checks.that(turned_away > 0, "a storm of one address: it is told to wait");
    let mut back_end = Line::events(target, ATTACKER, None, "news:1", &shown(KEY))?;
    checks.that(back_end.is_let_in()?, "a storm of one address: a back end there is let in");
    Ok(())
}

/// Opens event streams as fast as it can, over HTTP/2 on one connection. Gives the number of those that
/// were turned away.
fn storm_until(target: &Target, over: &AtomicBool, tries: &AtomicU64) -> Result<u64, Failure> {
    let mut turned_away = 0;
    let first = Line::to(target, ATTACKER)?;
    while !over.load(Ordering::Relaxed) {
        let mut events = Line::events(target, ATTACKER, Some(&first), "news:1", "")?;
        turned_away += u64::from(!events.is_let_in()?);
        tries.fetch_add(1, Ordering::Relaxed);
    }
    Ok(turned_away)
}

/// Streams that a newcomer opened.
struct Openings {
    let_in: usize,
    ms: Vec<u128>,
}

impl Openings {
    /// The median and the longest time, for people.
    fn times(&self) -> String {
        let mut ms = self.ms.clone();
        ms.sort_unstable();
        let middle = ms.get(ms.len() / 2).copied().unwrap_or(0);
        format!("{middle} ms, at most {} ms", ms.last().copied().unwrap_or(0))
    }
}

fn openings(target: &Target, count: usize) -> Result<Openings, Failure> {
    let mut openings = Openings { let_in: 0, ms: Vec::new() };
    for _ in 0..count {
        let start = Instant::now();
        let mut events = Line::events(target, NEWCOMER, None, "news:1", "")?;
        openings.let_in += usize::from(events.is_let_in()?);
        openings.ms.push(start.elapsed().as_millis());
        std::thread::sleep(Duration::from_millis(NEWCOMER_MS));
    }
    Ok(openings)
}

/// Publishes as a back end; whether the message was stored.
fn publish(target: &Target, channel: &str) -> Result<bool, Failure> {
    let mut line = Line::to(target, BACK_END)?;
    let (body, shown) = ("a message", shown(KEY));
    line.send(&format!(
        "POST /v1/channels/{channel} HTTP/1.1\r\nHost: localhost\r\n{shown}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))?;
    Ok(line.until(&["\r\n\r\n"])?.starts_with("HTTP/1.1 200"))
}
