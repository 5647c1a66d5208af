//! The run `trunks`: many WebSockets on few connections of HTTP/2, all of one channel.
//!
//! The client is one thread that goes from connection to connection, so what it takes is little beside the server.

mod link;

use std::path::Path;
use std::time::Instant;

use crate::checks::Checks;
use crate::server::{Place, Server, Settings, unhurried};
use crate::wire::Target;
use crate::{Failure, Size, Trunks};
use link::{Direct, Link, Trunk};

/// Sends one publication over HTTP/1.1, on a connection of its own, and waits for the receipt.
mod publish {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};

    use crate::Failure;

    pub(super) struct Publisher(TcpStream);

    impl Publisher {
        pub(super) fn new(addr: SocketAddr) -> Result<Self, Failure> {
            let stream = TcpStream::connect(addr)?;
            stream.set_nodelay(true)?;
            Ok(Self(stream))
        }

        pub(super) fn publish(&mut self, body: &str) -> Result<(), Failure> {
            let head = "POST /v1/channels/all HTTP/1.1\r\nHost: localhost\r\nContent-Length:";
            self.0.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes())?;
            let mut answer = [0; 4096];
            let len = self.0.read(&mut answer)?;
            let answer = String::from_utf8_lossy(&answer[..len]);
            match answer.starts_with("HTTP/1.1 200") {
                true => Ok(()),
                false => Err(Failure(format!("the publication is refused: {answer}"))),
            }
        }
    }
}

/// MiB that the server of `gate` may hold: 2 KiB a WebSocket, twice what each of a million may have in 1 GiB.
const GATE_MIB_MAX: u64 = 40;

/// What CI runs: 20,000 WebSockets on 200 connections, without TLS and with it.
pub(crate) fn gate(program: &Path, size: Size, checks: &mut Checks) -> Result<(), Failure> {
    for tls in [false, true] {
        let trunks = Trunks {
            connections: size.of(200),
            streams: 100,
            publications: 10,
            bytes: 128,
            direct: false,
            tls,
            memory_mib: Some(GATE_MIB_MAX),
            open_seconds: None,
        };
        run(program, &trunks, checks)?;
    }
    Ok(())
}

pub(crate) fn run(program: &Path, size: &Trunks, checks: &mut Checks) -> Result<(), Failure> {
    let Trunks { connections, streams, publications, bytes, .. } = *size;
    let all = connections * streams;
    let kind = if size.tls { "connections of TLS" } else { "connections" };
    println!("trunks: {all} WebSockets on {connections} {kind}");
    let place = Place::new("trunks")?;
    let limits = format!(
        "[limits]\nconnections = 20000\nconnections_per_address = 20000\nstreams = {}\n\
         [http2]\nstreams = {}\n",
        all + 1_000,
        streams.max(1)
    );
    let config = unhurried(&limits);
    let settings = Settings::new(program, &place, &config, [127, 0, 51, 1]);
    let server = Server::start(&Settings {
        keeps: false,
        tls: size.tls.then_some(settings.listen),
        ..settings
    })?;
    let target = match server.tls_addr {
        None => Target::plain(server.addr),
        Some(addr) => {
            let protocol: &[u8] = if size.direct { b"http/1.1" } else { b"h2" };
            Target::encrypted(addr, &place.ca(), protocol)?
        }
    };
    let empty_kib = server.memory_kib()?;
    let began = Instant::now();
    let mut links: Vec<Box<dyn Link>> = Vec::with_capacity(connections);
    for _ in 0..connections {
        links.push(match size.direct {
            true => Box::new(Direct::open(&target)?),
            false => Box::new(Trunk::open(&target, streams)?),
        });
    }
    let open_s = began.elapsed().as_secs_f64();
    let open_cpu_us = server.cpu_us()?;
    let open_kib = server.memory_kib()?;
    let subscribed = server.metric("sockeye_subscriptions")?;
    checks.same("subscriptions", subscribed, all as u64);
    let grown = (open_kib - empty_kib) as f64 * 1024.0;
    let (per_stream, per_connection) = (grown / all as f64, grown / connections as f64);
    println!(
        "        opened in {open_s:.1} s, {:.1} s of the server's processor time; {} MiB, \
         {per_stream:.0} bytes a stream, {per_connection:.0} bytes a connection with its streams",
        open_cpu_us as f64 / 1e6,
        open_kib / 1024,
    );
    let fan_out = fan_out(&server, &mut links, (publications, bytes))?;
    checks.same("messages received", fan_out.received, all * publications);
    let deliveries = (all * publications) as f64;
    println!(
        "        {publications} publications of {bytes} B: {:.2} s to the last reader of each on average, \
         {:.0} ns of the server's processor time a delivery",
        fan_out.seconds / publications as f64,
        fan_out.cpu_us as f64 * 1_000.0 / deliveries,
    );
    let kib = server.memory_kib()?;
    println!(
        "        memory afterwards: {} MiB, peak {} MiB",
        kib / 1024,
        peak_kib(&server)? / 1024
    );
    judge(size, kib, open_s, checks);
    drop(links);
    Ok(())
}

/// Checks the bounds that were asked for.
fn judge(size: &Trunks, kib: u64, open_s: f64, checks: &mut Checks) {
    if let Some(max) = size.memory_mib {
        checks
            .that(kib <= max * 1024, format_args!("memory: {} MiB, {max} at the most", kib / 1024));
    }
    if let Some(max) = size.open_seconds {
        checks.that(open_s <= max, format_args!("opened in {open_s:.1} s, {max} at the most"));
    }
}

/// The figures of a fan-out.
struct FanOut {
    received: usize,
    seconds: f64,
    cpu_us: u64,
}

fn fan_out(
    server: &Server,
    links: &mut [Box<dyn Link>],
    (publications, bytes): (usize, usize),
) -> Result<FanOut, Failure> {
    let mut publisher = publish::Publisher::new(server.addr)?;
    let mut done = FanOut { received: 0, seconds: 0.0, cpu_us: 0 };
    let cpu_us = server.cpu_us()?;
    for number in 0..publications {
        let text = format!("{:x<bytes$}", format!("n{number};"));
        let began = Instant::now();
        publisher.publish(&text)?;
        for link in &mut *links {
            done.received += link.hear(number)?;
        }
        done.seconds += began.elapsed().as_secs_f64();
    }
    done.cpu_us = server.cpu_us()? - cpu_us;
    Ok(done)
}

/// The most memory that the server has held.
fn peak_kib(server: &Server) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| Failure("the system does not say VmHWM".into()))
}
