//! The server under attack, and the connections of the attackers.

use std::net::Ipv4Addr;
use std::path::Path;
use std::rc::Rc;

use rustix::process::{Pid, Signal, kill_process};
use sockeye_load::engine::{Opener, Purpose, SocketOptions};

use super::attacks::BARE;
use crate::Failure;
use crate::line::{Line, shown};
use crate::probe::{Manner, Probe};
use crate::road::{Carrier, Road};
use crate::server::{Place, Server, Settings};
use crate::world::{Client, World};

/// The API key of the back end that fills channels and publishes batches.
pub(crate) const KEY: &str = "sk_the_key_of_a_back_end_for_a_scale_run";

/// The API key of the canary, which is another back end.
pub(crate) const CANARY_KEY: &str = "sk_the_key_of_the_canary_of_a_scale_run";

const BACK_END: Ipv4Addr = Ipv4Addr::new(127, 0, 47, 1);

/// Addresses among which attackers are spread.
const ADDRESSES: usize = 250;

/// WebSockets and event streams of the attacks that have most of them.
pub(crate) const CROWD: usize = 1_000;

/// Lines of a batch.
pub(crate) const BATCH: usize = 1_000;

/// Strangers may read everything, by patterns too. Nothing else differs from the defaults, except the history of two
/// namespaces: the subscribers of the crowd are to receive everything, and so is the canary, whatever happens. Keys
/// are kept for less than a minute, so that their number is steady after the first one.
const ACCESS: &str = "\
[namespaces.crowd]
history_messages = 10000
history_bytes = 4194304
patterns = true
[namespaces.c0]
history_messages = 10000
history_bytes = 4194304
patterns = true
[access]
subscribe = [\">\"]
[[access.api_keys]]
name = \"shop\"
key_file = \"shop.key\"
subscribe = [\">\"]
publish = [\">\"]
[[access.api_keys]]
name = \"canary\"
key_file = \"canary.key\"
publish = [\"c0\"]
";

/// A server, and one thread's connections to it.
pub(crate) struct Stage {
    place: Place,
    /// What attackers speak.
    pub(crate) over: Carrier,
    pub(crate) server: Server,
    pub(crate) world: World,
    /// Settings that were written so far.
    settings: usize,
}

/// The settings of this number: each differs from the one before, and every other one has one namespace more.
fn config(number: usize) -> String {
    let (messages, bytes) = (256 - number % 2, 262_144 - number % 2);
    let namespace = if number % 2 == 1 { "[namespaces.more]\n" } else { "" };
    format!(
        "[channels]\npatterns = true\nkey_seconds = 20\nhistory_messages = {messages}\nhistory_bytes = {bytes}\n{namespace}{ACCESS}"
    )
}

/// The address of attacker `number`.
pub(crate) fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 45, u8::try_from(number % ADDRESSES).unwrap_or(0) + 1)
}

/// A request without a body.
pub(crate) fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// A publication of many lines, by the back end.
pub(crate) fn batch(lines: &str, fields: &str) -> String {
    let (len, shown) = (lines.len(), shown(KEY));
    format!(
        "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\n{shown}{fields}Content-Length: {len}\r\n\r\n{lines}"
    )
}

impl Stage {
    /// A server, with or without a log on disk, and for attackers that speak this.
    pub(crate) fn new(program: &Path, keeps: bool, over: Carrier) -> Result<Self, Failure> {
        let place = Place::new("turns")?;
        place.write("shop.key", KEY)?;
        place.write("canary.key", CANARY_KEY)?;
        let config = config(0);
        let settings = Settings::new(program, &place, &config, [127, 0, 43, 2]).over(over);
        let server = Server::start(&Settings { keeps, ..settings })?;
        let world = World::on(Road::new(&server, &place, over, CROWD)?, 1)?;
        Ok(Self { place, over, server, world, settings: 0 })
    }

    /// The way of so many other clients to the server.
    pub(crate) fn road(&self, clients: usize) -> Result<Road, Failure> {
        Road::new(&self.server, &self.place, self.over, clients)
    }

    /// Publishes `count` messages of so many bytes, each with a key and in the channel of its name.
    pub(crate) fn fill(
        &self,
        name: impl Fn(usize) -> String,
        count: usize,
        bytes: usize,
    ) -> Result<(), Failure> {
        // A body has 64 KiB at the most.
        let lines = (60_000 / (bytes + 70)).min(BATCH);
        let data = "x".repeat(bytes);
        for first in (0..count).step_by(lines) {
            let line = |number| {
                format!(
                    "{{\"channel\":\"{}\",\"data\":\"{data}\",\"key\":\"{number}\"}}\n",
                    name(number)
                )
            };
            let body: String = (first..count.min(first + lines)).map(line).collect();
            let mut back_end = Line::open(self.server.addr, BACK_END)?;
            back_end.send(&batch(&body, "Connection: close\r\n"))?;
            let answer = back_end.until(&["\"results\""])?;
            if !answer.contains("\"failed\":0") {
                return Err(Failure(format!("channels cannot be filled: {answer}")));
            }
        }
        Ok(())
    }

    /// Connections that send bytes and count what comes, one from each address in turn.
    pub(crate) fn open(&mut self, purpose: &Purpose, request: &[u8], count: usize) -> Vec<usize> {
        let first = self.world.clients.len();
        for number in 0..count {
            let probe = self.probe(purpose, request, address(number), None);
            self.world.add_at_once(probe);
        }
        (first..first + count).collect()
    }

    /// A connection that is to be opened. It takes little from the system if it says so.
    pub(crate) fn probe(
        &self,
        purpose: &Purpose,
        request: &[u8],
        source: Ipv4Addr,
        receive_bytes: Option<usize>,
    ) -> Client {
        let opener: Rc<Opener> = Rc::new(self.world.ground.opener(purpose.clone(), String::new()));
        let options = SocketOptions { source: Some(source), receive_bytes };
        Client::Probe(Probe::new(&opener, &request.into(), Manner::Stay, options))
    }

    /// Streams of one kind: on connections of their own, with this request, or on shared ones.
    pub(crate) fn open_streams(
        &mut self,
        (purpose, path): (&Purpose, &str),
        request: &[u8],
        count: usize,
    ) -> Result<Vec<usize>, Failure> {
        if !self.over.is_shared() {
            return Ok(self.open(&BARE, request, count));
        }
        let first = self.world.clients.len();
        let opener = Rc::new(self.world.ground.opener(purpose.clone(), path.to_owned()));
        let probes = (0..count).map(|number| {
            let options = SocketOptions { source: Some(address(number)), receive_bytes: None };
            Client::Probe(Probe::new(&opener, &[][..].into(), Manner::Stay, options))
        });
        self.world.add(probes)?;
        Ok((first..first + count).collect())
    }

    /// The probe of this number.
    pub(crate) fn at(&self, id: usize) -> &Probe {
        match &self.world.clients[id] {
            Client::Probe(probe) => probe,
            Client::Publisher(_) | Client::Subscriber(_) | Client::Pulse(_) => {
                panic!("attackers are probes")
            }
        }
    }

    /// Changes the settings of the running server.
    pub(crate) fn reload(&mut self) -> Result<(), Failure> {
        self.settings += 1;
        self.place.write("toml", &config(self.settings))?;
        let pid = i32::try_from(self.server.pid()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::HUP)?;
        }
        Ok(())
    }
}
