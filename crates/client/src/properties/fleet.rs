//! Event sources that share a connection, and a server that answers them in any order and any pieces.

use std::sync::Arc;

use sockeye_http::{HeaderName, HeaderValue, Status};
use sockeye_http1::chunked;
use sockeye_http2::{Config, Connection, EndStream, Event, FieldBlock, FieldReader, StreamId};
use sockeye_reactor::Time;

use super::{EVENT_BYTES_MAX, LIMITS, entropy, show};
use crate::fleet::{FleetMachine, MemberId, Order, Protocol, Told};
use crate::{EventSourceOptions, HttpVersions, Limits, Machine, Reconnect, sans_io};

/// Small, so that short streams fill it.
const WINDOW_BYTES: u32 = 64;

/// Each machine of a fleet is told what it would be told on a connection of its own, however the server cuts and
/// interleaves the streams and whoever is paused meanwhile; and the fleet holds no more than a window for each.
///
/// `order` says which stream goes on and by how many bytes; `cuts` cut the bytes of the connection.
///
/// # Panics
/// If the property does not hold.
pub fn fleet(streams: &[Vec<u8>], order: &[(u8, u8)], cuts: &[u8]) {
    let alone: Vec<_> = streams.iter().map(|stream| alone(stream)).collect();
    let mut world = World::new(streams.len());
    let mut sent = vec![0; streams.len()];
    let mut steps = order.iter().copied().cycle();
    for step in 0..200 + 20 * streams.concat().len() {
        let (pick, len) = steps.next().unwrap_or((0, 8));
        // The picks alone may leave one out, or paused, for ever.
        let is_fair = step % 3 == 0;
        let index = if is_fair { step / 3 } else { pick.into() } % streams.len().max(1);
        if let Some(stream) = streams.get(index) {
            sent[index] += world.say(index, &stream[sent[index]..], len.into());
            world.pause(index, pick & 0x80 != 0 && !is_fair);
        }
        world.carry(cuts);
        if (0..streams.len()).all(|at| sent[at] == streams[at].len() || world.has_failed(at)) {
            break;
        }
    }
    // An end may still have to be said.
    for (at, stream) in streams.iter().enumerate() {
        world.say(at, &stream[sent[at]..], 0);
    }
    (0..streams.len()).for_each(|index| world.pause(index, false));
    world.carry(cuts);
    for (index, alone) in alone.iter().enumerate() {
        if sent[index] < streams[index].len() {
            assert!(world.has_failed(index), "stream {index} stands still");
        }
        assert_eq!(&world.told[index], alone, "stream {index}");
    }
}

fn source() -> sans_io::EventSource {
    let mut options = EventSourceOptions::new("http://host/path").expect("a URL");
    options.event_bytes_max = EVENT_BYTES_MAX;
    options.comments = crate::Comments::Report;
    options.reconnect = Reconnect::Never;
    sans_io::EventSource::new(options, LIMITS, entropy()).expect("they are good")
}

/// What a machine tells of an answer over HTTP/1.1.
fn alone(stream: &[u8]) -> Vec<String> {
    let (mut machine, mut told, now) = (source(), Vec::new(), Time::default());
    let mut next = |machine: &mut sans_io::EventSource, mut input: &mut [u8]| {
        loop {
            let mut out = Vec::new();
            let show = &mut |event: sans_io::SourceEvent<'_>| show::source_event(&event);
            match machine.next(now, &mut input, &mut out, show) {
                Ok(Some(event)) => told.push(event),
                Ok(None) => return,
                Err(why) => return told.push(format!("{why:?}")),
            }
        }
    };
    next(&mut machine, &mut []);
    machine.connected(now, &mut Vec::new());
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
    let mut answer = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
    chunked::encode(stream, &mut answer);
    answer.extend_from_slice(b"0\r\n\r\n");
    next(&mut machine, &mut answer);
    told
}

/// A fleet on one connection to a server.
struct World {
    fleet: FleetMachine<sans_io::EventSource>,
    members: Vec<MemberId>,
    told: Vec<Vec<String>>,
    server: Connection,
    /// The streams, in the order of the machines.
    streams: Vec<StreamId>,
    has_ended: Vec<bool>,
    to_client: Vec<u8>,
}

impl World {
    fn new(count: usize) -> Self {
        let limits = Limits { stream_window_bytes: WINDOW_BYTES, ..LIMITS };
        let mut fleet = FleetMachine::new(limits, HttpVersions::Http2, entropy());
        let members: Vec<_> = (0..count).map(|_| fleet.add(source())).collect();
        let mut to_client = Vec::new();
        let server = Connection::server(&Arc::new(Config::default()), &mut to_client);
        let (told, has_ended) = (vec![Vec::new(); count], vec![false; count]);
        let mut world =
            Self { fleet, members, told, server, streams: Vec::new(), has_ended, to_client };
        world.work();
        world.work();
        assert_eq!(world.streams.len(), count, "all ask at once");
        for stream in world.streams.clone() {
            let value = HeaderValue::from_static("text/event-stream");
            let fields = FieldBlock::new().field(HeaderName::from_static("Content-Type"), value);
            let out = &mut world.to_client;
            world.server.respond(stream, Status::OK, &fields, EndStream::No, out).expect("asked");
        }
        world
    }

    /// Sends at most `len` bytes of a stream, and its end behind the last; returns how many.
    fn say(&mut self, index: usize, rest: &[u8], len: usize) -> usize {
        let stream = self.streams[index];
        let len = rest.len().min(len).min(self.server.send_capacity(stream));
        let is_end = len == rest.len();
        if self.has_ended[index] || len == 0 && !is_end || !self.server.has_stream(stream) {
            return 0;
        }
        self.has_ended[index] = is_end;
        let end = if is_end { EndStream::Yes } else { EndStream::No };
        self.server.write_data_head(stream, len, end, &mut self.to_client).expect("there is room");
        self.to_client.extend_from_slice(&rest[..len]);
        len
    }

    fn pause(&mut self, index: usize, pauses: bool) {
        match pauses {
            true => self.fleet.pause(self.members[index]),
            false => self.fleet.resume(self.members[index]),
        }
    }

    /// Whether a machine takes nothing more.
    fn has_failed(&self, index: usize) -> bool {
        self.fleet.machine(self.members[index]).is_none_or(Machine::is_over)
    }

    /// Carries the bytes of the server in pieces, and lets the machines work behind each.
    fn carry(&mut self, cuts: &[u8]) {
        let mut cuts = cuts.iter().cycle();
        while !self.to_client.is_empty() {
            let most = self.to_client.len();
            let len = cuts.next().map_or(most, |cut| usize::from(*cut).clamp(1, most));
            let mut piece: Vec<u8> = self.to_client.drain(..len).collect();
            if let Some(id) = self.members.iter().find_map(|id| self.fleet.connection(*id)) {
                self.fleet.received(id, Time::default(), &mut piece);
            }
            self.work();
        }
        self.work();
    }

    fn work(&mut self) {
        let now = Time::default();
        let show = &mut |_: MemberId, event: sans_io::SourceEvent<'_>| show::source_event(&event);
        while let Some((id, told)) = self.fleet.next(now, show) {
            let index = self.members.iter().position(|it| *it == id).expect("it is ours");
            match told {
                Told::Event(event) => self.told[index].push(event),
                Told::Failed(why) => self.told[index].push(format!("{why:?}")),
                Told::Over => {}
            }
        }
        while let Some(order) = self.fleet.next_order() {
            match order {
                Order::Dial { connection, .. } => {
                    self.fleet.connected(connection, now, Protocol::Http2);
                }
                Order::Write(id) => {
                    let mut bytes = self.fleet.output(id).to_vec();
                    self.fleet.sent(id, bytes.len());
                    self.serve(&mut bytes);
                }
                Order::Read(_) | Order::Close(_) => {}
            }
        }
        for id in &self.members {
            let held = self.fleet.held(*id);
            // A byte of content may be a chunk of six bytes.
            let most = WINDOW_BYTES as usize * 6 + 100;
            assert!(held <= most, "{held} bytes are held");
        }
    }

    fn serve(&mut self, mut bytes: &mut [u8]) {
        let mut reader = FieldReader::new(());
        while let Some(event) =
            self.server.receive(&mut bytes, &mut reader, &mut self.to_client).expect("no fault")
        {
            if let Event::Request { stream, .. } = event {
                self.streams.push(stream);
            }
        }
        self.server.output_sent();
    }
}
