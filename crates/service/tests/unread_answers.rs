//! Requests on a connection of HTTP/2 whose client does not read: their answers are not built before there is room.

use sockeye_client::Limits as ClientLimits;
use sockeye_client::sans_io::{LaneId, Multiplex};
use sockeye_hub::{Config, Epoch};
use sockeye_server::Limits as ServerLimits;
use sockeye_service::{Holdings, Limits, Service};
use sockeye_simnet::Peer;

use crate::archive::{naive::Naive, restore};
use crate::fan_out::World;
use crate::turns::{open, post};

/// What the sockets take.
const ROOM: usize = 4_096;

/// Requests of the client.
const REQUESTS: usize = 40;

/// Bytes of an answer, at the most, with its head.
const ANSWER_BYTES: usize = 66_000;

/// A connection with a lane for each request.
struct Shared {
    peer: Peer,
    protocol: Multiplex,
    lanes: Vec<LaneId>,
    answers: Vec<String>,
}

impl Shared {
    fn connect(world: &mut World) -> Self {
        let mut limits = ClientLimits::DEFAULT;
        limits.stream_window_bytes = 1 << 18;
        let (peer, protocol) =
            (world.net.connect().expect("it listens"), Multiplex::new("http", &limits));
        let mut shared = Self { peer, protocol, lanes: Vec::new(), answers: Vec::new() };
        shared.flush();
        for _ in 0..3 {
            world.turn();
            shared.read();
        }
        shared
    }

    /// Sends a request, and reads nothing.
    fn ask(&mut self, target: &str) {
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let lane = self.protocol.open_lane();
        assert_eq!(self.protocol.send(lane, request.as_bytes()), request.len());
        self.flush();
        self.lanes.push(lane);
        self.answers.push(String::new());
    }

    fn flush(&mut self) {
        self.peer.write(self.protocol.out());
        self.protocol.out().clear();
        self.protocol.output_sent();
    }

    fn read(&mut self) {
        let mut bytes = self.peer.read(usize::MAX).expect("it is open");
        self.protocol.receive(&mut bytes).expect("a good server");
        for (lane, answer) in self.lanes.iter().zip(&mut self.answers) {
            let input = self.protocol.input(*lane);
            let len = input.len();
            answer.push_str(core::str::from_utf8(input).expect("ASCII"));
            self.protocol.took(*lane, len);
        }
        self.flush();
    }

    /// Reads until nothing is left to come.
    fn read_all(&mut self, world: &mut World) {
        let mut quiet = 0;
        while quiet < 20 {
            let before: usize = self.answers.iter().map(String::len).sum();
            world.turn();
            self.read();
            let now: usize = self.answers.iter().map(String::len).sum();
            quiet = if now == before { quiet + 1 } else { 0 };
        }
    }

    fn count(&self, status: &str) -> usize {
        let head = format!("HTTP/1.1 {status}");
        self.answers.iter().filter(|answer| answer.starts_with(&head)).count()
    }
}

/// Bytes that wait for all peers.
fn unsent(world: &mut World) -> usize {
    let bytes =
        world.server.with_app(|_, context| context.unsent_bytes_in(0..context.connection_places()));
    usize::try_from(bytes).expect("few")
}

fn bytes_max() -> usize {
    ServerLimits::default().outbox_pause_bytes + ANSWER_BYTES
}

fn service() -> Service {
    let mut hub = Config::default();
    hub.settings.history_messages_max = 400;
    hub.settings.history_bytes_max = 1 << 22;
    Service::new(Epoch(7), hub, Limits::default())
}

/// A world in which `news:1` has four hundred messages.
fn world() -> World {
    let mut world = World::with_room(service(), ServerLimits::default(), ROOM);
    let message = format!("\"{}\"", "x".repeat(200));
    let mut publisher = open(&mut world);
    for _ in 0..400 {
        publisher.write(post("news:1", &message).as_bytes());
        world.turn();
        publisher.read(usize::MAX).expect("it is open");
    }
    world
}

/// Asks many times, and has the server work without being read from.
fn ask_and_wait(world: &mut World, target: &str) -> Shared {
    let mut client = Shared::connect(world);
    (0..REQUESTS).for_each(|_| client.ask(target));
    (0..200).for_each(|_| world.turn());
    client
}

/// [service:answers-wait]
#[test]
fn pages_of_a_client_that_does_not_read_are_not_built() {
    for target in
        ["/v1/channels/news:1/history?limit=1000", "/v1/poll?channel=news:1&cursor=earliest"]
    {
        let mut world = world();
        let mut client = ask_and_wait(&mut world, target);
        let bytes = unsent(&mut world);
        assert!((ROOM..=bytes_max()).contains(&bytes), "{bytes} bytes: {target}");
        let held = world.server.app().holdings().held;
        assert!((REQUESTS - 3..REQUESTS).contains(&held), "{held} requests are held: {target}");
        assert!(!world.server.is_busy(), "nobody is kept awake");
        client.read_all(&mut world);
        assert_eq!(client.count("200"), REQUESTS, "{target}");
        assert!(client.answers.iter().all(|answer| answer.len() > 60_000), "{target}");
        assert_eq!(world.server.app().holdings(), Holdings::default());
    }
}

/// A request that is put off is forgotten with its stream. [service:answers-wait]
#[test]
fn a_client_that_goes_takes_its_requests_with_it() {
    let mut world = world();
    let mut client = ask_and_wait(&mut world, "/v1/channels/news:1/history?limit=1000");
    client.peer.reset();
    (0..10).for_each(|_| world.turn());
    assert_eq!(world.server.app().holdings(), Holdings::default());
}

/// Pages that the archive has read are not kept. [service:answers-wait]
#[test]
fn pages_of_the_archive_are_read_again() {
    for target in ["/v1/channels/c/history?limit=1000&after=5", "/v1/poll?channel=c&cursor=17-5"] {
        let disk = Naive::default();
        let mut limits = Limits::default();
        limits.archive_messages_max = 1_000;
        let service = Service::new(Epoch(7), Config::default(), limits);
        let service = restore(service, disk);
        let mut world = World::with_room(service, ServerLimits::default(), ROOM);
        let mut client = ask_and_wait(&mut world, target);
        let bytes = unsent(&mut world);
        assert!((ROOM..=bytes_max()).contains(&bytes), "{bytes} bytes: {target}");
        client.read_all(&mut world);
        assert_eq!(client.count("200"), REQUESTS, "{target}");
        assert!(client.answers.iter().all(|answer| answer.len() > 20_000), "{target}");
        assert_eq!(world.server.app().holdings(), Holdings::default());
    }
}

/// Polls wait for a message, and then for their peer. Those whose time ends before that get their cursor.
/// [service:answers-wait]
#[test]
fn polls_of_a_client_that_does_not_read_wait_for_it() {
    for is_late in [false, true] {
        let mut world = World::with_room(service(), ServerLimits::default(), ROOM);
        let mut client = ask_and_wait(&mut world, "/v1/poll?channel=news:1&wait=10");
        assert_eq!(world.server.app().holdings().streams, REQUESTS);
        let mut publisher = open(&mut world);
        publisher.write(post("news:1", &format!("\"{}\"", "x".repeat(50_000))).as_bytes());
        (0..200).for_each(|_| world.turn());
        let bytes = unsent(&mut world);
        assert!((ROOM..=bytes_max()).contains(&bytes), "{bytes} bytes");
        let waiting = world.server.app().holdings().streams;
        assert!((REQUESTS - 3..REQUESTS).contains(&waiting), "{waiting} polls wait");
        if is_late {
            world.net.advance(10_100);
            (0..200).for_each(|_| world.turn());
            assert_eq!(world.server.app().holdings(), Holdings::default());
            assert!(unsent(&mut world) <= bytes_max() + REQUESTS * 200);
        }
        client.read_all(&mut world);
        let late = if is_late { waiting } else { 0 };
        assert_eq!((client.count("204"), client.count("200")), (late, REQUESTS - late));
        // Nothing is lost: the cursor is before the message.
        let cursor = |answer: &String| {
            let mut fields = answer.lines().filter_map(|line| line.split_once(": "));
            fields.find(|it| it.0.eq_ignore_ascii_case("sockeye-cursor")).map(|it| it.1.to_owned())
        };
        let late = client.answers.iter().find(|answer| answer.starts_with("HTTP/1.1 204"));
        assert_eq!(late.is_some(), is_late);
        if let Some(cursor) = late.map(|answer| cursor(answer).expect("a cursor")) {
            client.ask(&format!("/v1/poll?channel=news:1&cursor={cursor}"));
            client.read_all(&mut world);
            assert!(client.answers.last().is_some_and(|it| it.len() > 50_000));
        }
        assert_eq!(world.server.app().holdings(), Holdings::default());
    }
}
