//! Fleets against the server's end of the crate `http2`.

use std::collections::BTreeMap;
use std::sync::Arc;

use sockeye_http::{HeaderName, HeaderValue, Status};
use sockeye_http2::{
    Config, ConnectProtocol, Connection, EndStream, ErrorCode, Event, FieldBlock, FieldBuffer,
    FieldReader, Limits as Http2Limits, StreamId,
};
use sockeye_reactor::Time;

use super::{ConnectionId, FleetMachine, MemberId, Order, Protocol, Told};
use crate::{
    AnyEvent, AnyMachine, ConnectOptions, Deadline, Entropy, Error, EventSourceOptions,
    HttpVersions, Limits, Machine as _, sans_io,
};

/// A fleet, and the servers of its connections.
struct World {
    fleet: FleetMachine<AnyMachine>,
    servers: BTreeMap<ConnectionId, Server>,
    /// Those whom the fleet has dialed and not reached.
    dialed: Vec<ConnectionId>,
    told: Vec<(MemberId, String)>,
    config: Arc<Config>,
    now: u64,
}

struct Server {
    protocol: Option<Connection>,
    reader: FieldReader<FieldBuffer>,
    /// The paths that were asked for, with their streams.
    seen: Vec<(String, StreamId)>,
    /// What came over HTTP/1.1.
    bytes: Vec<u8>,
    out: Vec<u8>,
    is_closed: bool,
}

impl World {
    fn with(config: Config, limits: Limits) -> Self {
        // Waits are half of their bounds.
        let entropy = Entropy::from_fn(|bytes| bytes.fill(0));
        let fleet = FleetMachine::new(limits, HttpVersions::Negotiated, entropy);
        let (servers, dialed, told) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { fleet, servers, dialed, told, config: Arc::new(config), now: 1_000 }
    }

    fn new() -> Self {
        Self::with(Config::default(), Limits::DEFAULT)
    }

    fn of_streams(max: u32) -> Self {
        let mut limits = Http2Limits::DEFAULT;
        limits.concurrent_streams_max = max;
        Self::with(Config { limits, ..Config::default() }, Limits::DEFAULT)
    }

    const fn time(&self) -> Time {
        Time::from_millis(self.now)
    }

    fn source(&mut self, path: &str) -> MemberId {
        let options = EventSourceOptions::new(&format!("http://host{path}")).expect("a URL");
        let entropy = Entropy::from_fn(|bytes| bytes.fill(0));
        let machine = sans_io::EventSource::new(options, Limits::DEFAULT, entropy);
        self.fleet.add(machine.expect("good options").into())
    }

    fn sources(&mut self, count: usize) -> Vec<MemberId> {
        (0..count).map(|index| self.source(&format!("/{index}"))).collect()
    }

    /// Lets the fleet work until it has nothing more to tell, and follows its orders but dials.
    fn work(&mut self) {
        let now = self.time();
        while let Some((id, told)) = self.fleet.next(now, &mut |_, event| show(&event)) {
            let told = match told {
                Told::Event(event) => event,
                Told::Failed(why) => format!("failed: {why:?}"),
                Told::Over => "over".to_owned(),
            };
            self.told.push((id, told));
        }
        while let Some(order) = self.fleet.next_order() {
            match order {
                Order::Dial { connection, .. } => self.dialed.push(connection),
                Order::Write(id) => self.carry(id),
                Order::Read(_) => {}
                Order::Close(id) => {
                    self.dialed.retain(|it| *it != id);
                    if let Some(server) = self.servers.get_mut(&id) {
                        server.is_closed = true;
                    }
                }
            }
        }
    }

    /// Makes all connections that were dialed.
    fn connect(&mut self, protocol: Protocol) {
        for id in core::mem::take(&mut self.dialed) {
            let mut out = Vec::new();
            let ends =
                (protocol == Protocol::Http2).then(|| Connection::server(&self.config, &mut out));
            let reader = FieldReader::new(FieldBuffer::new());
            let (seen, bytes) = (Vec::new(), Vec::new());
            let server = Server { protocol: ends, reader, seen, bytes, out, is_closed: false };
            self.servers.insert(id, server);
            self.fleet.connected(id, self.time(), protocol);
        }
    }

    /// Carries what the fleet sends.
    fn carry(&mut self, id: ConnectionId) {
        let mut bytes = self.fleet.output(id).to_vec();
        self.fleet.sent(id, bytes.len());
        let Some(server) = self.servers.get_mut(&id) else { return };
        let Some(protocol) = &mut server.protocol else {
            server.bytes.extend_from_slice(&bytes);
            return;
        };
        let (mut input, out) = (&mut bytes[..], &mut server.out);
        while let Some(event) =
            protocol.receive(&mut input, &mut server.reader, out).expect("no fault")
        {
            if let Event::Request { stream, .. } = event {
                let lines = server.reader.fields.lines();
                let head = server.reader.fields.request(&lines).expect("a request");
                server.seen.push((head.path().to_owned(), stream));
            }
        }
    }

    /// Carries what the servers send, and lets everything work until nothing moves.
    fn exchange(&mut self) {
        loop {
            self.work();
            let now = self.time();
            let mut has_moved = false;
            for (id, server) in self.servers.iter_mut().filter(|(_, server)| !server.is_closed) {
                let mut bytes = core::mem::take(&mut server.out);
                if let Some(protocol) = &mut server.protocol {
                    protocol.output_sent();
                }
                has_moved |= !bytes.is_empty();
                if !bytes.is_empty() {
                    self.fleet.received(*id, now, &mut bytes);
                }
            }
            if !has_moved && self.fleet.deadline() > Time::default() {
                return;
            }
        }
    }

    /// Connects what is wanted until nothing more is.
    fn settle(&mut self, protocol: Protocol) {
        self.exchange();
        while !self.dialed.is_empty() {
            self.connect(protocol);
            self.exchange();
        }
    }

    /// The connection and the stream on which a path was asked for last.
    fn asked(&self, path: &str) -> (ConnectionId, StreamId) {
        let mut all = self.servers.iter().flat_map(|(id, server)| {
            server.seen.iter().map(move |(asked, stream)| (asked, (*id, *stream)))
        });
        all.rfind(|(asked, _)| *asked == path).expect("it was asked for").1
    }

    fn server(&mut self, id: ConnectionId) -> (&mut Connection, &mut Vec<u8>) {
        let server = self.servers.get_mut(&id).expect("it is there");
        (server.protocol.as_mut().expect("HTTP/2"), &mut server.out)
    }

    fn answer(&mut self, path: &str) {
        let (id, stream) = self.asked(path);
        let value = HeaderValue::from_static("text/event-stream");
        let fields = FieldBlock::new().field(HeaderName::from_static("Content-Type"), value);
        let (server, out) = self.server(id);
        server.respond(stream, Status::OK, &fields, EndStream::No, out).expect("it is asked");
    }

    fn say(&mut self, path: &str, data: &[u8]) {
        let (id, stream) = self.asked(path);
        let (server, out) = self.server(id);
        server.write_data_head(stream, data.len(), EndStream::No, out).expect("there is room");
        out.extend_from_slice(data);
    }

    fn open(&self) -> usize {
        self.servers.values().filter(|server| !server.is_closed).count()
    }

    fn take_told(&mut self, id: MemberId) -> Vec<String> {
        let told = self.told.extract_if(.., |(of, _)| *of == id);
        told.map(|(_, told)| told).collect()
    }
}

fn show(event: &AnyEvent<'_>) -> String {
    match event {
        AnyEvent::EventSource(sans_io::SourceEvent::Message(message)) => message.data.to_owned(),
        AnyEvent::EventSource(sans_io::SourceEvent::Open(_)) => "open".to_owned(),
        AnyEvent::EventSource(sans_io::SourceEvent::Lost { why, .. }) => format!("lost: {why:?}"),
        other => format!("{other:?}"),
    }
}

/// [client:shared-connection]
#[test]
fn machines_of_one_server_share_a_connection() {
    let mut world = World::new();
    let ids = world.sources(3);
    world.work();
    assert_eq!(world.dialed.len(), 1, "before anybody knows what the server speaks");
    world.settle(Protocol::Http2);
    let late = world.source("/late");
    world.settle(Protocol::Http2);
    assert_eq!(world.servers.len(), 1);
    for path in ["/0", "/1", "/2", "/late"] {
        world.answer(path);
        world.say(path, format!("data: {path}\n\n").as_bytes());
    }
    world.exchange();
    assert_eq!(world.take_told(late), ["open", "/late"]);
    for (index, id) in ids.iter().enumerate() {
        assert_eq!(world.take_told(*id), ["open".to_owned(), format!("/{index}")]);
        assert!(world.fleet.remove(*id, world.time()).is_some());
    }
    world.exchange();
    assert_eq!(world.open(), 1, "one is still there");
    world.fleet.remove(late, world.time());
    world.exchange();
    assert_eq!((world.open(), world.fleet.len()), (0, 0));
}

/// [client:shared-overflow]
#[test]
fn machines_beyond_the_servers_bound_get_further_connections() {
    let mut world = World::of_streams(2);
    let ids = world.sources(5);
    world.settle(Protocol::Http2);
    // The first connection carried all, until the server had told its bound.
    assert_eq!(world.open(), 3);
    for path in ["/0", "/1", "/2", "/3", "/4"] {
        world.answer(path);
    }
    world.exchange();
    for id in &ids {
        assert_eq!(world.take_told(*id), ["open"], "nobody has noticed");
    }
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    for id in &ids {
        *counts.entry(world.fleet.connection(*id).expect("it has one")).or_default() += 1;
    }
    assert_eq!(counts.into_values().max(), Some(2));
}

#[test]
fn a_server_that_allows_no_stream_gets_a_connection_for_each() {
    let mut world = World::of_streams(0);
    world.sources(3);
    world.settle(Protocol::Http2);
    assert!(world.open() <= 3, "{} connections", world.open());
}

/// [client:shared-goaway]
#[test]
fn a_server_that_goes_away_finishes_its_streams() {
    let mut world = World::new();
    let old = world.source("/old");
    world.settle(Protocol::Http2);
    world.answer("/old");
    let (first, _) = world.asked("/old");
    let (server, out) = world.server(first);
    server.go_away(ErrorCode::NO_ERROR, out);
    world.exchange();
    let new = world.source("/new");
    world.settle(Protocol::Http2);
    assert_eq!(world.open(), 2, "the old one goes on beside the new one");
    world.answer("/new");
    world.say("/old", b"data: still\n\n");
    world.exchange();
    assert_eq!(world.take_told(old), ["open", "still"]);
    assert_eq!(world.take_told(new), ["open"]);
    let (_, stream) = world.asked("/old");
    let (server, out) = world.server(first);
    server.write_data_head(stream, 0, EndStream::Yes, out).expect("its end");
    world.exchange();
    assert_eq!(world.open(), 1, "it has answered everything");
}

/// [client:shared-goaway]
#[test]
fn an_idle_machine_does_not_keep_a_connection_that_goes_away() {
    let mut world = World::new();
    let url = crate::Url::parse("http://host").expect("a URL");
    let requests = sans_io::Requests::new(&url, Vec::new(), Limits::DEFAULT).expect("no headers");
    let requests = world.fleet.add(requests.into());
    let post = |machine: &mut AnyMachine, now, out: &mut Vec<u8>| match machine {
        AnyMachine::Requests(it) => it.post("/post", b"{}", now, out),
        _ => unreachable!("it posts"),
    };
    world.fleet.act(requests, world.time(), post).expect("it is there").expect("it is idle");
    world.source("/events");
    world.settle(Protocol::Http2);
    let (first, stream) = world.asked("/post");
    let (server, out) = world.server(first);
    server.respond(stream, Status::OK, &FieldBlock::new(), EndStream::Yes, out).expect("asked");
    world.answer("/events");
    let (server, out) = world.server(first);
    server.go_away(ErrorCode::NO_ERROR, out);
    world.exchange();
    assert_eq!((world.open(), world.take_told(requests)), (1, vec!["Response([])".to_owned()]));
    let (_, stream) = world.asked("/events");
    let (server, out) = world.server(first);
    server.write_data_head(stream, 0, EndStream::Yes, out).expect("its end");
    world.exchange();
    assert_eq!((world.open(), world.fleet.connection(requests)), (0, None));
    assert!(world.take_told(requests).is_empty(), "and it may ask again");
}

/// [client:shared-goaway]
#[test]
fn requests_that_cross_a_goaway_move_together() {
    let mut world = World::new();
    let ids = world.sources(4);
    world.work();
    world.connect(Protocol::Http2);
    let first = *world.servers.keys().next().expect("one");
    // GOAWAY with the last stream 0, before anything was read.
    world.servers.get_mut(&first).expect("it is there").out = {
        let (_, out) = world.server(first);
        let mut all = core::mem::take(out);
        all.extend_from_slice(b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0");
        all
    };
    world.settle(Protocol::Http2);
    assert_eq!((world.servers.len(), world.open()), (2, 1));
    for path in ["/0", "/1", "/2", "/3"] {
        assert_ne!(world.asked(path).0, first);
        world.answer(path);
    }
    world.exchange();
    for id in ids {
        assert_eq!(world.take_told(id), ["open"], "and no loss");
    }
}

/// [client:shared-stall]
#[test]
fn machines_that_are_paused_stop_no_other() {
    let mut world = World::new();
    let ids = world.sources(41);
    world.settle(Protocol::Http2);
    for index in 0..41 {
        world.answer(&format!("/{index}"));
    }
    world.exchange();
    let stalled = &ids[..40];
    stalled.iter().for_each(|id| world.fleet.pause(*id));
    let mut held = 0;
    for index in 0..40 {
        let path = format!("/{index}");
        let (id, stream) = world.asked(&path);
        loop {
            let len = world.server(id).0.send_capacity(stream).min(16_384);
            if len == 0 {
                break;
            }
            world.say(&path, &b": note\n".repeat(3_000)[..len]);
            world.exchange();
            held += len;
        }
    }
    assert_eq!(held, 40 * Limits::DEFAULT.stream_window_bytes as usize, "each its window");
    for _ in 0..100 {
        world.say("/40", b"data: on\n\n");
        world.exchange();
    }
    assert_eq!(world.take_told(ids[40]).len(), 101);
    world.say("/40", b"data: x\n\n");
    world.fleet.resume(ids[0]);
    world.exchange();
    let (id, stream) = world.asked("/0");
    assert!(world.server(id).0.send_capacity(stream) > 0, "it goes on where it was");
}

/// [client:shared-redial]
#[test]
fn a_lost_connection_comes_back_once_and_at_a_random_time() {
    let mut world = World::new();
    let ids = world.sources(10);
    world.settle(Protocol::Http2);
    (0..10).for_each(|index| world.answer(&format!("/{index}")));
    world.exchange();
    world.told.clear();
    let first = world.asked("/0").0;
    world.fleet.disconnected(first, world.time(), &Error::Ended);
    world.servers.remove(&first);
    world.exchange();
    for id in &ids {
        assert_eq!(world.take_told(*id), ["lost: Truncated"]);
    }
    world.now += 5_000;
    world.exchange();
    assert_eq!(world.dialed.len(), 1, "one for all");
    // Nobody answers, ten times: one attempt each time, ever later.
    let mut waits = Vec::new();
    for _ in 0..10 {
        for id in core::mem::take(&mut world.dialed) {
            let why = Error::Connect(std::io::ErrorKind::ConnectionRefused);
            world.fleet.disconnected(id, world.time(), &why);
        }
        let since = world.now;
        while world.dialed.is_empty() {
            world.exchange();
            if world.dialed.is_empty() {
                world.now = world.fleet.deadline().as_millis().max(world.now + 1);
            }
        }
        assert_eq!(world.dialed.len(), 1);
        waits.push(world.now - since);
    }
    assert!(waits[9] >= 15_000, "{waits:?}");
}

#[test]
fn an_attempt_waits_even_if_its_machine_does_not() {
    let mut world = World::new();
    world.sources(2);
    world.settle(Protocol::Http2);
    let first = world.asked("/0").0;
    world.fleet.disconnected(first, world.time(), &Error::Ended);
    let late = world.source("/late");
    world.exchange();
    assert!(world.dialed.is_empty(), "the newcomer, too");
    world.now += 125;
    world.exchange();
    assert_eq!(world.dialed.len(), 1);
    assert!(world.fleet.machine(late).expect("it is there").peer().is_some());
}

/// [client:shared-http1]
#[test]
fn over_http1_each_machine_has_a_connection() {
    let mut world = World::with(Config::default(), Limits { dials_max: 2, ..Limits::DEFAULT });
    let ids = world.sources(5);
    world.work();
    assert_eq!(world.dialed.len(), 1);
    world.connect(Protocol::Http1);
    world.exchange();
    assert_eq!(world.dialed.len(), 2, "as many as may be made at a time");
    world.settle(Protocol::Http1);
    assert_eq!(world.open(), 5);
    let servers: Vec<_> = world.servers.keys().copied().collect();
    for (index, server) in servers.iter().enumerate() {
        let asked = &world.servers[server].bytes;
        assert!(asked.starts_with(format!("GET /{index} HTTP/1.1\r\n").as_bytes()));
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
        let answer = format!("{head}data: {index}\n\n");
        world.servers.get_mut(server).expect("it is there").out = answer.into_bytes();
    }
    world.exchange();
    for (index, id) in ids.iter().enumerate() {
        assert_eq!(world.take_told(*id), ["open".to_owned(), index.to_string()]);
    }
    world.fleet.pause(ids[0]);
    world.fleet.received(servers[0], world.time(), &mut b"data: more\n\n".to_vec());
    assert!(!world.fleet.takes_input(servers[0]), "it would be held without a bound");
    assert!(world.fleet.takes_input(servers[1]));
    world.fleet.resume(ids[0]);
    world.exchange();
    assert!(world.fleet.takes_input(servers[0]));
    assert_eq!(world.take_told(ids[0]), ["more"]);
}

/// [client:shared-ping]
#[test]
fn a_silent_connection_is_asked_and_then_left() {
    let mut world = World::new();
    let ids = world.sources(2);
    world.settle(Protocol::Http2);
    world.answer("/0");
    world.exchange();
    world.told.clear();
    world.now += 20_000;
    world.exchange();
    // The server has answered.
    world.now += 20_000;
    world.work();
    world.servers.values_mut().for_each(|server| server.out.clear());
    world.now += 9_999;
    world.work();
    let late = world.source("/late");
    world.work();
    assert_eq!(world.dialed.len(), 1, "nobody joins a connection in doubt");
    assert!(world.take_told(ids[0]).is_empty());
    world.now += 1;
    world.work();
    let lost = format!("lost: {:?}", Error::TimedOut(Deadline::Pong));
    assert_eq!(world.take_told(ids[0]), [lost]);
    world.settle(Protocol::Http2);
    assert!(world.fleet.connection(late).is_some());
}

#[test]
fn a_web_socket_without_rfc_8441_has_a_connection_of_its_own() {
    let connect_protocol = ConnectProtocol::Refused;
    let mut world = World::with(Config { connect_protocol, ..Config::default() }, Limits::DEFAULT);
    let source = world.source("/events");
    let options = ConnectOptions::new("ws://host/ws").expect("a URL");
    let entropy = Entropy::from_fn(|bytes| bytes.fill(0));
    let machine = sans_io::WebSocket::new(options, Limits::DEFAULT, entropy).expect("good options");
    let socket = world.fleet.add(machine.into());
    world.work();
    world.connect(Protocol::Http2);
    world.exchange();
    assert_eq!(world.dialed.len(), 1);
    world.connect(Protocol::Http1);
    world.exchange();
    assert_ne!(world.fleet.connection(source), world.fleet.connection(socket));
    let own = world.fleet.connection(socket).expect("it is connected");
    assert!(world.servers[&own].bytes.starts_with(b"GET /ws HTTP/1.1\r\n"));
    assert!(world.take_told(socket).is_empty());
}

#[test]
fn a_broken_rule_ends_the_connection_for_all_with_its_reason() {
    let mut world = World::new();
    let ids = world.sources(2);
    world.settle(Protocol::Http2);
    let (first, _) = world.asked("/0");
    // DATA on stream 0.
    world.server(first).1.extend_from_slice(b"\0\0\0\0\0\0\0\0\0");
    world.exchange();
    assert_eq!(world.open(), 0);
    for id in ids {
        let told = world.take_told(id);
        assert!(told[0].starts_with("lost: Http2(Violation"), "{told:?}");
    }
}

#[test]
fn an_end_is_told_once() {
    let mut world = World::new();
    let options = ConnectOptions::new("ws://host/ws").expect("a URL");
    let entropy = Entropy::from_fn(|bytes| bytes.fill(0));
    let machine = sans_io::WebSocket::new(options, Limits::DEFAULT, entropy).expect("good options");
    let id = world.fleet.add(machine.into());
    world.work();
    let [dialed] = world.dialed[..] else { panic!("{:?}", world.dialed) };
    world.fleet.disconnected(dialed, world.time(), &Error::Ended);
    world.exchange();
    assert_eq!(world.take_told(id), ["failed: Ended", "over"]);
    world.now += 100_000;
    world.exchange();
    assert!(world.told.is_empty() && world.dialed.len() == 1);
}
