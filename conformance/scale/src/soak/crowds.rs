//! The loads of a soak besides those of `turns`: connections that come, do something and are cut, again and again.

use std::net::Ipv4Addr;

use sockeye_load::engine::SocketOptions;

use crate::Failure;
use crate::checks::Checks;
use crate::line::{masked, shown, upgrade};
use crate::subscriber::{Heard, Subscriber, Transport};
use crate::turns::attacks::{Attack, BARE};
use crate::turns::stage::{KEY, Stage, address, get};
use crate::world::Client;

/// The address of those who have one together.
const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 46, 2);

pub(super) fn all() -> Vec<Box<dyn Attack>> {
    let one = |_| ATTACKER;
    let with = |name, count, replaced, interval_ms, request, source| {
        let ids = Vec::new();
        Revolving { name, count, replaced, interval_ms, request, source, reads: true, ids, came: 0 }
    };
    let strangers = with("strangers' names", 512, 4, 500, names, one);
    let slow = with("slow readers", 500, 2, 100, |_| get(CROWD).into_bytes(), address);
    vec![
        Box::new(strangers),
        Box::new(Revolving { reads: false, ..slow }),
        Box::new(with("handshakes", 200, 10, 10, |_| get(EVENTS).into_bytes(), one)),
        Box::new(with(
            "long polls",
            500,
            5,
            50,
            |_| get(LONG_POLL).repeat(20).into_bytes(),
            address,
        )),
        Box::new(with("requests", 500, 10, 10, |_| get("/healthz").into_bytes(), address)),
        Box::new(with("halves of requests", 500, 5, 10, |_| b"GET /healthz HT".to_vec(), address)),
        Box::new(with("publications", 20, 1, 50, publications, address)),
        Box::new(Wanderers::default()),
    ]
}

const CROWD: &str = "/v1/sse?channel=crowd:1";
const EVENTS: &str = "/v1/sse?channel=c0";
const LONG_POLL: &str = "/v1/poll?channel=crowd:1&wait=25";

/// A WebSocket that subscribes 128 channels that nobody has published to.
fn names(number: usize) -> Vec<u8> {
    let names: Vec<String> = (0..128).map(|name| format!("\"flood:{number}-{name}\"")).collect();
    let command = format!("{{\"type\":\"subscribe\",\"channels\":[{}]}}", names.join(","));
    [upgrade("").into_bytes(), masked(&command)].concat()
}

/// Fifty publications of a back end in one write.
fn publications(_: usize) -> Vec<u8> {
    let shown = shown(KEY);
    format!(
        "POST /v1/channels/flood:1 HTTP/1.1\r\nHost: localhost\r\n{shown}Content-Length: 7\r\n\r\na flood"
    )
    .repeat(50)
    .into_bytes()
}

/// Connections of which some are reset and opened again with each beat.
struct Revolving {
    name: &'static str,
    count: usize,
    /// So many with each beat.
    replaced: usize,
    interval_ms: u64,
    /// The bytes that the connection of a number sends.
    request: fn(usize) -> Vec<u8>,
    source: fn(usize) -> Ipv4Addr,
    reads: bool,
    ids: Vec<usize>,
    /// Connections so far.
    came: usize,
}

impl Revolving {
    fn probe(&mut self, stage: &Stage) -> Client {
        let number = self.came;
        self.came += 1;
        let receive_bytes = (!self.reads).then_some(4_096);
        stage.probe(&BARE, &(self.request)(number), (self.source)(number), receive_bytes)
    }
}

impl Attack for Revolving {
    fn name(&self) -> &'static str {
        self.name
    }

    fn interval_ms(&self) -> u64 {
        self.interval_ms
    }

    fn prepare(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        let first = stage.world.clients.len();
        for id in first..first + self.count {
            let probe = self.probe(stage);
            stage.world.add_at_once(probe);
            stage.world.lines.pause(id, !self.reads);
            stage.world.turn(0)?;
        }
        self.ids = (first..first + self.count).collect();
        Ok(())
    }

    fn beat(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        for _ in 0..self.replaced {
            let id = self.ids[self.came % self.count];
            let probe = self.probe(stage);
            stage.world.replace(id, probe);
            stage.world.lines.pause(id, !self.reads);
        }
        Ok(())
    }

    fn done(&self, _: &Stage) -> Result<(u64, &'static str), Failure> {
        Ok((self.came as u64, "connections"))
    }

    fn least(&self, seconds: u64) -> u64 {
        // This program does not keep all intervals, with so much else to do.
        (self.replaced as u64 * seconds * 1000 / self.interval_ms) / 20
    }
}

/// Subscribers of the canary's channel that are cut again and again, and come back with their cursors.
#[derive(Default)]
struct Wanderers {
    ids: Vec<usize>,
    cut: usize,
}

impl Wanderers {
    fn heard(&self, stage: &Stage) -> Heard {
        stage.world.sum(stage.world.subscribers()).0
    }
}

impl Attack for Wanderers {
    fn name(&self) -> &'static str {
        "wanderers"
    }

    fn interval_ms(&self) -> u64 {
        100
    }

    fn prepare(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        let transports = [
            Transport::Commands,
            Transport::Events,
            Transport::LongPoll,
            Transport::ShortPoll(250),
        ];
        for number in 0..40 {
            let options =
                SocketOptions { source: Some(address(number)), ..SocketOptions::default() };
            let transport = transports[number % transports.len()];
            self.ids.push(stage.world.clients.len());
            let subscriber = Subscriber::new(transport, &[0], "now", options);
            stage.world.add_at_once(Client::Subscriber(subscriber));
        }
        Ok(())
    }

    fn beat(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        stage.world.reset(self.ids[self.cut % self.ids.len()]);
        self.cut += 1;
        Ok(())
    }

    fn done(&self, stage: &Stage) -> Result<(u64, &'static str), Failure> {
        Ok((self.heard(stage).messages, "messages"))
    }

    fn least(&self, seconds: u64) -> u64 {
        // Of forty that should have eighty a second each.
        40 * 20 * seconds
    }

    fn judge(&self, stage: &Stage, checks: &mut Checks) {
        let heard = self.heard(stage);
        println!("        wanderers, cut {} times: {heard}", self.cut);
        checks.same("wanderers: lost without a word", heard.lost, 0);
        checks.same("wanderers: repeated", heard.repeated, 0);
        checks.no_faults(&stage.world.ground);
    }
}
