//! Many clients of one process share a connection to the server.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Instant;

use mio::{Events, Poll, Token};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use sockeye_client::sans_io::{EventSource, Requests, SourceEvent, Subscription, WebSocket};
use sockeye_client::{
    AnyEvent, AnyMachine, ConnectOptions, Data, Entropy, EventSourceOptions, Fleet, HttpVersions,
    Limits, MemberId, Network, SubscriptionEvent, SubscriptionOptions, Told, Transport, Url,
};

use crate::common::{PATIENCE, run, serve, serve_anywhere, sockeye};
use crate::operations::place::Place;

const FIRST: Token = Token(10);
const TRANSPORTS: [Transport; 4] =
    [Transport::WebSocket, Transport::EventStream, Transport::LongPoll, Transport::ShortPoll];

/// A fleet of all kinds of clients of a server, and what they were told.
struct World {
    fleet: Fleet<AnyMachine>,
    poll: Poll,
    url: String,
    requests: MemberId,
    listeners: Vec<MemberId>,
    told: Vec<(MemberId, String)>,
}

impl World {
    /// Clients of the server at `url`, which has the scheme `http` or `https`.
    fn new(url: &str, network: Network) -> Self {
        let poll = Poll::new().expect("a poller");
        let mut fleet = Fleet::new(network, poll.registry(), FIRST).expect("there is entropy");
        let hub = Url::parse(url).expect("a URL");
        let requests = Requests::new(&hub, Vec::new(), Limits::DEFAULT).expect("no headers");
        let requests = fleet.add(requests.into());
        let entropy = || Entropy::system().expect("Unix");
        let mut listeners = Vec::new();
        for index in 0..24 {
            let mut options = SubscriptionOptions::new(hub.clone(), &["news"]);
            options.transports = vec![TRANSPORTS[index % 4]];
            let machine = Subscription::new(options, Limits::DEFAULT, entropy()).expect("good");
            listeners.push(fleet.add(machine.into()));
        }
        for _ in 0..6 {
            let options = EventSourceOptions::new(&format!("{url}/v1/sse?channel=news"));
            let machine = EventSource::new(options.expect("a URL"), Limits::DEFAULT, entropy());
            listeners.push(fleet.add(machine.expect("good").into()));
        }
        Self { fleet, poll, url: url.to_owned(), requests, listeners, told: Vec::new() }
    }

    /// A WebSocket that echoes.
    fn echo(&mut self) -> MemberId {
        let url = format!("{}/echo", self.url.replacen("http", "ws", 1));
        let options = ConnectOptions::new(&url).expect("a URL");
        let entropy = Entropy::system().expect("Unix");
        let machine = WebSocket::new(options, Limits::DEFAULT, entropy).expect("good");
        self.fleet.add(machine.into())
    }

    /// Works until `is_done` says so of what was told.
    fn until(&mut self, is_done: impl Fn(&Self) -> bool) {
        let (start, mut events) = (Instant::now(), Events::with_capacity(64));
        while !is_done(self) {
            assert!(start.elapsed() < PATIENCE, "only {:?}", self.told);
            match self.fleet.next(|_, event| show(event)) {
                Some((id, Told::Event(told))) => self.told.push((id, told)),
                Some((id, Told::Failed(why))) => panic!("{id:?} failed: {why}"),
                Some((id, Told::Over)) => panic!("{id:?} is over"),
                None => {
                    let wait = self.fleet.deadline().unwrap_or(start + PATIENCE);
                    let wait = wait.saturating_duration_since(Instant::now()).min(PATIENCE);
                    if let Err(error) = self.poll.poll(&mut events, Some(wait)) {
                        assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
                        continue;
                    }
                    for event in &events {
                        assert!(self.fleet.on_event(event));
                    }
                }
            }
        }
    }

    /// Waits until each listener was told this.
    fn until_all_told(&mut self, told: &str) {
        self.until(|world| {
            let was_told = |id| world.told.iter().any(|(of, it)| *of == id && it.contains(told));
            world.listeners.iter().all(|id| was_told(*id))
        });
    }

    fn publish(&mut self, text: &str) {
        let body = format!(r#"{{"channel":"news","data":"{text}"}}"#);
        let post = |machine: &mut AnyMachine, now, out: &mut Vec<u8>| match machine {
            AnyMachine::Requests(it) => it.post("/v1/batch", body.as_bytes(), now, out),
            _ => unreachable!("it is the one for requests"),
        };
        self.fleet.act(self.requests, post).expect("it is there").expect("it is idle");
    }
}

fn show(event: AnyEvent<'_>) -> String {
    match event {
        AnyEvent::Subscription(SubscriptionEvent::Message(message)) => {
            let (Data::Text(text) | Data::Json(text)) = message.data;
            format!("message {text}")
        }
        AnyEvent::Subscription(SubscriptionEvent::Sync { .. }) => "begun".to_owned(),
        AnyEvent::EventSource(SourceEvent::Message(message)) => format!("message {}", message.data),
        AnyEvent::EventSource(SourceEvent::Open(_)) => "begun".to_owned(),
        other => format!("{other:?}"),
    }
}

/// A message to all, and an echo, on one connection.
fn share(url: &str, network: Network) -> World {
    let mut world = World::new(url, network);
    world.until_all_told("begun");
    assert_eq!(world.fleet.connections(), 1);
    world.publish("first");
    world.until_all_told("first");
    let echo = world.echo();
    world.until(|world| world.told.iter().any(|(id, told)| *id == echo && told.contains("Open")));
    let say = |machine: &mut AnyMachine, _, out: &mut Vec<u8>| match machine {
        AnyMachine::WebSocket(it) => it.send(sockeye_client::websocket::Message::Text("hi"), out),
        _ => unreachable!("it is a WebSocket"),
    };
    world.fleet.act(echo, say).expect("it is there").expect("it is open");
    world
        .until(|world| world.told.iter().any(|(id, told)| *id == echo && told.contains("Message")));
    assert_eq!(world.fleet.connections(), 1);
    world.fleet.remove(echo);
    world
}

fn with_prior_knowledge() -> Network {
    Network::default().with_versions(HttpVersions::Http2)
}

/// [client:shared-connection]
#[test]
fn thirty_clients_share_a_connection_with_prior_knowledge() {
    let serving = serve_anywhere();
    let world = share(&format!("http://{}", serving.addr), with_prior_knowledge());
    assert!(!world.told.iter().any(|(_, told)| told.contains("Lost")), "{:?}", world.told);
}

/// [client:shared-connection]
#[test]
fn thirty_clients_share_a_connection_with_tls() {
    let place = Place::new();
    let dir = place.path("dev");
    assert!(run(&["cert", "--out", &dir]).status.success());
    let [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map(|name| format!("{dir}/{name}"));
    let command = sockeye(&["serve", "--listen", "127.0.0.1:0", "--cert", &cert, "--key", &key]);
    let (child, addr) = start_secure(command);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).expect("PEM")).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has both")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let network = Network::default().with_tls(Arc::new(config));
    share(&format!("https://localhost:{}", addr.port()), network);
    drop(child);
}

/// A server that is killed with the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_secure(mut command: Command) -> (Killed, SocketAddr) {
    use std::io::BufRead as _;
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("piped");
    std::io::BufReader::new(stdout).read_line(&mut line).expect("text");
    let addr = line.trim().rsplit_once(" https://").expect("HTTPS").1.parse();
    (Killed(child), addr.expect("an address"))
}

/// [client:shared-redial]
#[test]
fn all_come_back_together_after_the_server_was_killed() {
    let serving = serve_anywhere();
    let addr = serving.addr.to_string();
    let mut world = share(&format!("http://{addr}"), with_prior_knowledge());
    drop(serving);
    world.until(|world| world.told.iter().any(|(_, told)| told.contains("Lost")));
    world.told.clear();
    let _again = serve(sockeye(&["serve", "--listen", &addr]));
    // Each has a cursor, and misses nothing from now on.
    world.until_all_told("begun");
    assert_eq!(world.fleet.connections(), 1);
    world.publish("second");
    world.until_all_told("second");
}

/// [client:shared-http1]
#[test]
fn over_http1_thirty_clients_have_a_connection_each() {
    let serving = serve_anywhere();
    let mut world = World::new(&format!("http://{}", serving.addr), Network::default());
    world.until_all_told("begun");
    world.publish("first");
    world.until_all_told("first");
    assert!(world.fleet.connections() >= 24, "{}", world.fleet.connections());
}
