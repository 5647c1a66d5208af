//! The run `abuse`: storms, floods and silent clients, while the server serves other streams.

mod descriptors;
mod floods;
mod http2;
mod storms;

use std::net::Ipv4Addr;
use std::path::Path;
use std::rc::Rc;

use sockeye_load::engine::{Purpose, SocketOptions};

use crate::checks::Checks;
use crate::probe::{Manner, Probe};
use crate::publisher::{Over, Publisher};
use crate::server::{Place, Server, Settings};
use crate::subscriber::{Subscriber, Transport};
use crate::world::{Client, PATIENCE_MS, World};
use crate::{Failure, Fault, Size};

/// Connections from one address; more are closed as soon as they are accepted.
const PER_ADDRESS: usize = 8_000;

/// Channels that the server keeps a record of.
const CHANNELS: usize = 10_000;

pub(crate) fn run(program: &Path, size: Size, checks: &mut Checks) -> Result<(), Failure> {
    let mut config =
        format!("[limits]\nconnections_per_address = {PER_ADDRESS}\nchannels = {CHANNELS}\n");
    if size.has(Fault::FewConnections) {
        config += "connections = 200\n";
    }
    println!("abuse: {} connections at once, and other things", size.of(10_000));
    let mut stage = Stage::new(program, &config, None, size.of(200))?;
    storms::run(&mut stage, size, checks)?;
    floods::run(&mut stage, size, checks)?;
    http2::run(&mut stage, checks)?;
    stage.end(checks)?;
    descriptors::run(program, checks)
}

/// The run `floods`: those of HTTP/2 alone.
pub(crate) fn floods(program: &Path, checks: &mut Checks) -> Result<(), Failure> {
    let mut stage = Stage::new(program, "", None, 20)?;
    http2::run(&mut stage, checks)?;
    stage.end(checks)
}

/// The shortest request.
const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The event stream that the subscribers have.
const EVENTS: &str = "/v1/sse?channel=c0";

/// The request of a probe.
#[derive(Clone, Copy)]
enum Ask<'a> {
    /// The request in these bytes.
    Bytes(&'a str),
    /// The event stream at this path.
    Events(&'a str),
}

/// A server with some streams on it, which must not notice the abuse.
struct Stage {
    /// Kept for its directory.
    _place: Place,
    server: Server,
    world: World,
}

impl Stage {
    fn new(
        program: &Path,
        config: &str,
        descriptors: Option<u32>,
        streams: usize,
    ) -> Result<Self, Failure> {
        let place = Place::new("abuse")?;
        let settings = Settings::new(program, &place, config, [127, 0, 43, 1]);
        let server = Server::start(&Settings { descriptors, ..settings })?;
        let mut world = World::new(server.addr, 1)?;
        let transports = [Transport::Commands, Transport::Events, Transport::LongPoll];
        let subscriber = |number| {
            let transport = transports[number % transports.len()];
            let options = SocketOptions::default();
            Client::Subscriber(Subscriber::new(transport, &[0], "earliest", options))
        };
        world.add((0..streams).map(subscriber))?;
        // The publisher keeps its connection, like the streams, because only new connections may suffer.
        world.add_at_once(Client::Publisher(Publisher::new(Over::WebSocket, 0, 50, 100)));
        world.run(PATIENCE_MS, |world| world.subscribers().all(|it| it.is_open))?;
        // Coming all at once, some may have been told to come a little later.
        for client in &mut world.clients {
            if let Client::Subscriber(subscriber) = client {
                subscriber.heard.goodbyes.clear();
            }
        }
        Ok(Self { _place: place, server, world })
    }

    /// Adds probes, as fast as they go; gives the IDs.
    fn storm(
        &mut self,
        ask: Ask<'_>,
        manner: Manner,
        count: usize,
        source: impl Fn(usize) -> Ipv4Addr,
    ) -> Result<core::ops::Range<usize>, Failure> {
        let (purpose, path, request) = match ask {
            Ask::Bytes(request) => (Purpose::Requests, "", request),
            Ask::Events(path) => (Purpose::Events, path, ""),
        };
        let opener = Rc::new(self.world.ground.opener(purpose, path.to_owned()));
        let request: Rc<[u8]> = request.as_bytes().into();
        let first = self.world.clients.len();
        for number in 0..count {
            let options =
                SocketOptions { source: Some(source(number)), ..SocketOptions::default() };
            self.world.add_at_once(Client::Probe(Probe::new(&opener, &request, manner, options)));
            if number % 64 == 63 {
                self.world.poll()?;
            }
        }
        Ok(first..first + count)
    }

    fn probes(&self, ids: &core::ops::Range<usize>) -> impl Iterator<Item = &Probe> {
        self.world.clients[ids.clone()].iter().filter_map(|client| match client {
            Client::Probe(probe) => Some(probe),
            Client::Publisher(_) | Client::Subscriber(_) | Client::Pulse(_) => None,
        })
    }

    fn count(&self, ids: &core::ops::Range<usize>, is: impl Fn(&Probe) -> bool) -> usize {
        self.probes(ids).filter(|probe| is(probe)).count()
    }

    fn stop_probes(&mut self, ids: &core::ops::Range<usize>) {
        ids.clone().for_each(|id| self.world.stop_probe(id));
    }

    /// Checks that the streams received messages meanwhile.
    fn went_on(&mut self, since: u64, during: &str, checks: &mut Checks) -> Result<(), Failure> {
        // Some storms end before the next message, so this waits until all published messages have arrived.
        self.world.run(PATIENCE_MS, |world| world.ground.acknowledged[0] > since)?;
        let wanted = self.world.ground.acknowledged.clone();
        let arrived = self
            .world
            .run(PATIENCE_MS, |world| world.subscribers().all(|it| it.has_all(&wanted)))?;
        let ended: usize = self
            .world
            .subscribers()
            .filter(|it| it.transport.is_stream())
            .map(|it| it.heard.goodbyes.len())
            .sum();
        let messages = self.world.ground.acknowledged[0] - since;
        checks.that(
            arrived && ended == 0 && messages > 0,
            format_args!("{during}: streams got on, {messages} messages, {ended} streams ended"),
        );
        Ok(())
    }

    fn published(&self) -> u64 {
        self.world.ground.acknowledged[0]
    }

    /// Checks that the streams have received all messages in order, on their first connections.
    fn end(mut self, checks: &mut Checks) -> Result<(), Failure> {
        self.world.settle(PATIENCE_MS)?;
        let (sum, behind) = self.world.sum(self.world.subscribers());
        println!("        those who were there all the time: {sum}");
        checks.everything_once("those", &sum, behind);
        checks.no_faults(&self.world.ground);
        let status = self.server.stop()?;
        checks.that(status == Some(0), "the server ends by itself");
        Ok(())
    }
}
