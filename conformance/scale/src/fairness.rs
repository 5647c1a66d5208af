//! The run `fairness`: one address takes what it can, and everybody else is served as before.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket, sockopt};

use crate::checks::Checks;
use crate::server::{Place, Server, Settings};
use crate::world::{MASK, PATIENCE_MS, SUBPROTOCOL};
use crate::{Failure, Fault, Size};

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
    println!("fairness: one address against all");
    let place = Place::new("fairness")?;
    place.write("shop.key", KEY)?;
    let shares = if size.has(Fault::NoShares) { "address_percent = 100\n" } else { "" };
    for limits in [NO_RATES, SLOW] {
        let config = format!("[limits]\n{limits}{shares}{ACCESS}");
        let settings = Settings::new(program, &place, &config, [127, 0, 48, 1]);
        let server = Server::start(&Settings { keeps: false, ..settings })?;
        match limits {
            NO_RATES => names(&server, size.of(512), checks)?,
            _ => storm(&server, checks)?,
        }
        checks.that(server.stop()? == Some(0), "the server ends by itself");
    }
    Ok(())
}

/// The names of one address leave room for others: for a back end, a stranger from elsewhere, another
/// namespace, and publishers.
fn names(server: &Server, sockets: usize, checks: &mut Checks) -> Result<(), Failure> {
    let mut crowd = Vec::with_capacity(sockets);
    let mut refused = 0;
    for number in 0..sockets {
        let mut socket = Line::socket(server.addr, ATTACKER)?;
        let names = (0..NAMES).map(|name| format!("flood:{number}-{name}"));
        refused += socket.subscribe(names)?;
        crowd.push(socket);
    }
    println!("        {sockets} sockets with {NAMES} names each: {refused} names refused");

    let mut back_end = Line::events(server.addr, BACK_END, "news:1", &shown())?;
    let is_in = back_end.is_let_in()?;
    checks.that(is_in, "names of one address: a back end subscribes a new channel");
    let mut stranger = Line::socket(server.addr, NEWCOMER)?;
    let names = (1..NAMES).map(|name| format!("flood:of-others-{name}"));
    checks.same("names of one address: refused to another", stranger.subscribe(names)?, 0);
    let chat = std::iter::once("chat:1".to_owned());
    checks.same("names of one address: in another namespace", stranger.subscribe(chat)?, 0);

    let mut stored = 0;
    for channel in ["news:1", "chat:1", "chat:new", "flood:new"] {
        stored += usize::from(publish(server.addr, channel)?);
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
fn storm(server: &Server, checks: &mut Checks) -> Result<(), Failure> {
    let idle = openings(server.addr, NEWCOMERS / 2)?;
    let over = Arc::new(AtomicBool::new(false));
    let tries = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (0..STORM_THREADS)
        .map(|_| {
            let (over, tries, addr) = (Arc::clone(&over), Arc::clone(&tries), server.addr);
            std::thread::spawn(move || storm_until(addr, &over, &tries))
        })
        .collect();
    // Until the burst of all is used up several times, if one address may do that.
    while tries.load(Ordering::Relaxed) < 3_000 && threads.iter().any(|it| !it.is_finished()) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let during = openings(server.addr, NEWCOMERS)?;
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
    let mut back_end = Line::events(server.addr, ATTACKER, "news:1", &shown())?;
    checks.that(back_end.is_let_in()?, "a storm of one address: a back end there is let in");
    Ok(())
}

/// Opens event streams as fast as it can; the number of those that were turned away.
fn storm_until(addr: SocketAddr, over: &AtomicBool, tries: &AtomicU64) -> Result<u64, Failure> {
    let mut turned_away = 0;
    while !over.load(Ordering::Relaxed) {
        let mut events = Line::events(addr, ATTACKER, "news:1", "")?;
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

fn openings(addr: SocketAddr, count: usize) -> Result<Openings, Failure> {
    let mut openings = Openings { let_in: 0, ms: Vec::new() };
    for _ in 0..count {
        let start = Instant::now();
        let mut events = Line::events(addr, NEWCOMER, "news:1", "")?;
        openings.let_in += usize::from(events.is_let_in()?);
        openings.ms.push(start.elapsed().as_millis());
        std::thread::sleep(Duration::from_millis(NEWCOMER_MS));
    }
    Ok(openings)
}

fn shown() -> String {
    format!("Authorization: ApiKey {KEY}\r\n")
}

/// Publishes as a back end; whether the message was stored.
fn publish(addr: SocketAddr, channel: &str) -> Result<bool, Failure> {
    let mut line = Line::open(addr, BACK_END)?;
    let (body, shown) = ("a message", shown());
    line.send(&format!(
        "POST /v1/channels/{channel} HTTP/1.1\r\nHost: localhost\r\n{shown}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))?;
    Ok(line.until(&["\r\n\r\n"])?.starts_with("HTTP/1.1 200"))
}

/// A connection from an address, which reads when it is asked to. It is reset at its end, so that no
/// port stays behind.
struct Line {
    stream: TcpStream,
    received: String,
}

impl Line {
    fn open(addr: SocketAddr, source: Ipv4Addr) -> Result<Self, Failure> {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
        bind(&socket, &SocketAddr::from((source, 0)))?;
        connect(&socket, &addr)?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_millis(PATIENCE_MS)))?;
        Ok(Self { stream, received: String::new() })
    }

    /// An event stream of one channel.
    fn events(
        addr: SocketAddr,
        source: Ipv4Addr,
        channel: &str,
        headers: &str,
    ) -> Result<Self, Failure> {
        let mut line = Self::open(addr, source)?;
        line.send(&format!(
            "GET /v1/sse?channel={channel} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
        ))?;
        Ok(line)
    }

    /// A WebSocket that was let in.
    fn socket(addr: SocketAddr, source: Ipv4Addr) -> Result<Self, Failure> {
        let mut line = Self::open(addr, source)?;
        line.send(&format!(
            "GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
        ))?;
        line.until(&["\"welcome\""])?;
        Ok(line)
    }

    fn send(&mut self, text: &str) -> Result<(), Failure> {
        Ok(self.stream.write_all(text.as_bytes())?)
    }

    /// Reads until one of these words has come, and gives everything up to then.
    fn until(&mut self, words: &[&str]) -> Result<String, Failure> {
        let mut buffer = [0; 16 * 1024];
        loop {
            if words.iter().any(|word| self.received.contains(word)) {
                return Ok(std::mem::take(&mut self.received));
            }
            let len = self.stream.read(&mut buffer)?;
            if len == 0 {
                return Err(Failure(format!("the server left before it said {words:?}")));
            }
            self.received += &String::from_utf8_lossy(&buffer[..len]);
        }
    }

    /// Whether an event stream was let in.
    fn is_let_in(&mut self) -> Result<bool, Failure> {
        Ok(self.until(&["$sync", "$goaway"])?.contains("$sync"))
    }

    /// Subscribes names; how many were refused.
    fn subscribe(&mut self, names: impl Iterator<Item = String>) -> Result<usize, Failure> {
        let names: Vec<String> = names.collect();
        let ping = "{\"type\":\"ping\",\"id\":\"behind\"}";
        let names = serde_json::to_string(&names)?;
        let command = format!("{{\"type\":\"subscribe\",\"channels\":{names}}}");
        for text in [command.as_str(), ping] {
            self.stream.write_all(&masked(text))?;
        }
        let told = self.until(&["\"behind\""])?;
        Ok(told.matches("\"error\"").count())
    }
}

/// A text frame of a client.
fn masked(text: &str) -> Vec<u8> {
    let len = u16::try_from(text.len()).expect("a command is short");
    let mut frame = match u8::try_from(len) {
        Ok(short) if short < 126 => vec![0x81, 0x80 | short],
        _ => [&[0x81, 0x80 | 126][..], &len.to_be_bytes()].concat(),
    };
    let key = MASK.to_bytes();
    frame.extend(key);
    frame.extend(text.bytes().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}
