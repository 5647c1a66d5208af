//! `sockeye serve`: binds, runs the loop, drains on a signal.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use sockeye_hub::Epoch;
use sockeye_server::{Limits, MioNet, Net, Server, Time, Waker};
use sockeye_service::{Access, Service};

use crate::cli::ServeOptions;
use crate::config::Config;
use crate::disk;
use crate::front::Front;
use crate::{Failure, OrFail};

/// Connections that may wait to be accepted; the system cuts it down to its own maximum.
const BACKLOG: i32 = 4096;

/// Descriptors for everything that is not a connection: poller, listener, wakers, standard streams.
const DESCRIPTORS_KEPT_MIN: u64 = 16;

/// Milliseconds between two notices that nobody more can be let in.
const FULL_NOTICE_MS: u64 = 10_000;

/// Largest echo message: what the Autobahn suite asks for.
const MESSAGE_BYTES_MAX: u64 = 16 << 20;

pub(crate) fn run(options: &ServeOptions) -> Result<(), Failure> {
    let config = configure(options)?;
    let descriptors = raise_descriptor_limit();
    let listener = bind(config.listen, config.limits.socket_bytes)?;
    let net = MioNet::listen(listener).or_fail(|| "cannot poll".into())?;
    let addr = net.local_addr().unwrap_or(config.listen);
    let signals = watch_signals(net.waker())?;
    let limits = limits(descriptors, &config);

    let (epoch, hub) = (new_epoch()?, config.hub());
    let mut service_limits = sockeye_service::Limits::default();
    service_limits.queue_bytes_max = config.limits.queue_bytes;
    service_limits.ping_ms = limits.ping_ms;
    service_limits.message_bytes_max = config.limits.message_bytes;
    let service = match &config.data {
        Some(dir) => disk::recover(dir, epoch, hub, service_limits, net.waker())?,
        None => Service::new(epoch, hub, service_limits),
    };
    let service = match &config.access {
        Some(access) => service.with_access(Access::Guarded(Box::new(access.guard()?))),
        None => service,
    };
    let service = service.with_namespaces(config.rules());
    announce(addr, limits.connections_max);
    let mut server = Server::new(net, Front::new(service), limits);
    let mut full = FullNotice::default();
    while !server.is_drained() {
        server.turn(None).or_fail(|| "the poller failed".into())?;
        full.look(&server);
        let signals = signals.load(Ordering::Relaxed);
        if signals > 1 && server.is_draining() {
            log::warn!("a second signal: what is open is cut: {}", server.connections());
            break;
        }
        // Two signals that arrive at once still mean a drain first.
        if signals > 0 {
            start_drain(&mut server);
        }
    }
    log::info!("served {} requests, bye", server.stats().requests);
    Ok(())
}

/// A life of the log that has not been before: what is in memory dies with the process.
fn new_epoch() -> Result<Epoch, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).or_fail(|| "the system gives no random numbers".into())?;
    Ok(Epoch(u64::from_ne_bytes(bytes)))
}

fn bind(addr: SocketAddr, socket_bytes: usize) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(addr).map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::AddrInUse => "another program listens there; choose a port with --listen",
            ErrorKind::PermissionDenied => "ports below 1024 need privileges; choose another",
            ErrorKind::AddrNotAvailable => "this machine does not have that address",
            _ => return Failure(format!("cannot listen on {addr}: {error}")),
        };
        Failure(format!("cannot listen on {addr}: {hint}"))
    })?;
    // std asks for a backlog of 128; a crowd that reconnects at once needs more.
    rustix::net::listen(&listener, BACKLOG).or_fail(|| format!("cannot listen on {addr}"))?;
    // Connections inherit it. Left to itself the system keeps up to 4 MiB for each reader that has
    // stopped, and a thousand of them take the memory of all sockets of the machine.
    rustix::net::sockopt::set_socket_send_buffer_size(&listener, socket_bytes)
        .or_fail(|| format!("cannot bound what the system keeps for {addr}"))?;
    Ok(listener)
}

/// Raises the soft limit on descriptors to the hard one; gives what is in force.
fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let in_force = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    in_force.current.unwrap_or(u64::MAX)
}

/// The file, above it the environment, above that the flags.
fn configure(options: &ServeOptions) -> Result<Config, Failure> {
    let mut config = match &options.config {
        Some(file) => Config::read(file)?,
        None => Config::default(),
    };
    config.listen = options.listen.unwrap_or(config.listen);
    config.data = options.data.clone().or(config.data);
    config.drain.rest = options.drain.unwrap_or(config.drain.rest);
    config.check()?;
    Ok(config)
}

fn limits(descriptors: u64, config: &Config) -> Limits {
    let mut limits = Limits::default();
    // A tenth of the descriptors, but no fewer than the program itself has open, stays free.
    let room = descriptors.saturating_sub(DESCRIPTORS_KEPT_MIN.max(descriptors / 10));
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    limits.connections_max = config.limits.connections.min(room).max(1);
    limits.connections_per_address_max = config.limits.connections_per_address;
    limits.body_bytes_max = config.limits.publish_bytes;
    limits.heartbeat_ms = config.limits.heartbeat_seconds.saturating_mul(1000);
    limits.ping_ms = config.limits.ping_seconds.saturating_mul(1000);
    limits.websocket.frame_bytes_max = MESSAGE_BYTES_MAX;
    limits.websocket.message_bytes_max = MESSAGE_BYTES_MAX;
    limits.websocket.fragments_max = 1 << 17;
    limits.websocket.overhead_bytes_max = 2 << 20;
    limits.drain_accept_ms = config.drain.accept.saturating_mul(1000);
    limits.drain_window_ms = config.drain.window.saturating_mul(1000);
    limits.drain_ms = config.drain.rest.saturating_mul(1000);
    limits
}

/// Counts the signals that ask us to end, and wakes the loop for each.
fn watch_signals(waker: Waker) -> Result<Arc<AtomicUsize>, Failure> {
    let mut signals =
        Signals::new([SIGTERM, SIGINT, SIGHUP]).or_fail(|| "cannot watch for signals".into())?;
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for _ in signals.forever() {
            counted.fetch_add(1, Ordering::Relaxed);
            // A loop that cannot be woken has ended already.
            let _ = waker.wake();
        }
    });
    Ok(count)
}

/// Tells, now and then, that accepting has to rest: the one thing that an operator would otherwise
/// see only as clients that hang.
#[derive(Default)]
struct FullNotice {
    pauses: u64,
    next: Time,
}

impl FullNotice {
    fn look(&mut self, server: &Server<MioNet, Front>) {
        let pauses = server.stats().accept_pauses;
        let now = server.net().now();
        if pauses > self.pauses && now >= self.next {
            let open = server.connections();
            log::warn!("nobody more is let in for now: {open} connections are open");
            (self.pauses, self.next) = (pauses, now + FULL_NOTICE_MS);
        }
    }
}

fn start_drain(server: &mut Server<MioNet, Front>) {
    if !server.is_draining() {
        log::info!(
            "draining, connections open: {}; signal again to end at once",
            server.connections()
        );
        server.drain();
    }
}

fn announce(addr: SocketAddr, connections_max: usize) {
    crate::say(format_args!(
        "sockeye {} listens on http://{addr}

  a page to look at       http://{addr}/
  server-sent events      curl -N http://{addr}/clock
  WebSocket echo          ws://{addr}/echo
  health                  curl http://{addr}/healthz

  subscribe to a channel  curl -N 'http://{addr}/v1/sse?channel=news'
  publish into it         curl -d 'hello' http://{addr}/v1/channels/news
  read its history        curl http://{addr}/v1/channels/news/history

Ctrl-C ends it in good order.",
        env!("CARGO_PKG_VERSION"),
    ));
    log::info!("connections at most: {connections_max}");
}
