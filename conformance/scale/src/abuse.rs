//! The run `abuse`: storms, floods and silent clients, while the server serves other streams.

mod descriptors;
mod floods;
mod storms;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::rc::Rc;

use crate::checks::Checks;
use crate::lines::Ways;
use crate::probe::{Manner, Probe};
use crate::publisher::{Over, Publisher};
use crate::server::{Place, Server, Settings};
use crate::subscriber::{Heard, Subscriber, Transport};
use crate::wire::Form;
use crate::world::{Client, World};
use crate::{Failure, Fault, Size};

const PATIENCE_MS: u64 = 60_000;

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
    stage.end(checks)?;
    descriptors::run(program, checks)
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
        let listen = SocketAddr::from(([127, 0, 43, 1], 0));
        let settings =
            Settings { program, place: &place, keeps: true, config, listen, descriptors };
        let server = Server::start(&settings)?;
        let mut world = World::new(server.addr, 1)?;
        let transports = [Transport::Commands, Transport::Events, Transport::LongPoll];
        let subscriber = |number| {
            let transport = transports[number % transports.len()];
            Client::Subscriber(Subscriber::new(transport, &[0], "earliest", Ways::default()))
        };
        world.add((0..streams).map(subscriber).collect())?;
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
        request: &str,
        form: Form,
        manner: Manner,
        count: usize,
        source: impl Fn(usize) -> Ipv4Addr,
    ) -> Result<core::ops::Range<usize>, Failure> {
        let request: Rc<[u8]> = request.as_bytes().into();
        let first = self.world.clients.len();
        for number in 0..count {
            let ways = Ways { source: Some(source(number)), ..Ways::default() };
            self.world.add_at_once(Client::Probe(Probe::new(&request, form, manner, ways)));
            if number % 64 == 63 {
                self.world.poll()?;
            }
        }
        Ok(first..first + count)
    }

    fn probes(&self, ids: &core::ops::Range<usize>) -> impl Iterator<Item = &Probe> {
        self.world.clients[ids.clone()].iter().filter_map(|client| match client {
            Client::Probe(probe) => Some(probe),
            Client::Publisher(_) | Client::Subscriber(_) => None,
        })
    }

    fn count(&self, ids: &core::ops::Range<usize>, is: impl Fn(&Probe) -> bool) -> usize {
        self.probes(ids).filter(|probe| is(probe)).count()
    }

    fn stop_probes(&mut self, ids: &core::ops::Range<usize>) {
        for id in ids.clone() {
            self.world.touch(id, |client, link| {
                if let Client::Probe(probe) = client {
                    probe.stop(link);
                }
            });
        }
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
        self.world.ground.stopped = true;
        self.world.run(PATIENCE_MS, |world| world.publishers().all(Publisher::is_at_rest))?;
        let wanted = self.world.ground.acknowledged.clone();
        self.world.run(PATIENCE_MS, |world| world.subscribers().all(|it| it.has_all(&wanted)))?;
        let mut sum = Heard::default();
        let mut behind = 0;
        for subscriber in self.world.subscribers() {
            sum.add(&subscriber.heard);
            behind += usize::from(!subscriber.has_all(&wanted));
        }
        println!("        those who were there all the time: {sum}");
        checks.same("those: lost", sum.lost, 0);
        checks.same("those: repeated", sum.repeated, 0);
        checks.same("those: gaps", sum.gaps, 0);
        checks.same("those: without the last message", behind, 0);
        let ground = &self.world.ground;
        checks.that(
            ground.faults.is_empty(),
            format_args!("faults of the server: {} {:?}", ground.faults_total, ground.faults),
        );
        let status = self.server.stop()?;
        checks.that(status == Some(0), "the server ends by itself");
        Ok(())
    }
}
