//! `sockeye serve`: binds, runs the loop, drains on a signal.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use sockeye_hub::Epoch;
use sockeye_server::{Limits, MioNet, Net, Server, Waker};
use sockeye_service::{Access, Service};
use sockeye_terminal::{Failure, OrFail, notice, print};
use sockeye_tls::TlsNet;

use crate::cli::ServeOptions;
use crate::config::Config;
use crate::demo::Demo;
use crate::front::Front;
use crate::reload::{Applied, Reload, ReloadThread, Reloader};
use crate::tls::TlsReloader;
use crate::watch::Watch;
use crate::{disk, logging, workers};

/// Connections that may wait to be accepted; the system cuts it down to its own maximum.
const BACKLOG: i32 = 4096;

/// Descriptors for everything that is not a connection: poller, listener, wakers, standard streams.
const DESCRIPTORS_KEPT_MIN: u64 = 16;

/// Largest echo message: what the Autobahn suite asks for.
const MESSAGE_BYTES_MAX: u64 = 16 << 20;

pub(crate) fn run(options: &ServeOptions) -> Result<(), Failure> {
    let config = configure(options)?;
    logging::apply(&config.log)?;
    let descriptors = raise_descriptor_limit();
    if config.workers > 1 {
        return workers::run(options, config, descriptors);
    }
    let certificates = config.tls.as_ref().map(TlsReloader::start).transpose()?;
    let listener = bind(config.listen, config.limits.socket_bytes)?;
    let net = MioNet::listen(listener).or_fail(|| "cannot poll".into())?;
    let addr = net.local_addr().unwrap_or(config.listen);
    let waker = net.waker();
    // Without TLS the loop asks no socket whether it holds anything.
    match certificates.as_ref().map(TlsReloader::tls) {
        Some(tls) => {
            let net = TlsNet::new(net).with_tls(0, tls.acceptor);
            serve(options, config, descriptors, (net, addr, waker), certificates)
        }
        None => serve(options, config, descriptors, (net, addr, waker), certificates),
    }
}

/// Serves in one loop.
fn serve<N: Net>(
    options: &ServeOptions,
    config: Config,
    descriptors: u64,
    (net, addr, waker): (N, SocketAddr, Waker),
    certificates: Option<TlsReloader>,
) -> Result<(), Failure> {
    let wakes = waker.clone();
    let asked = watch_signals(move || {
        // A loop that cannot be woken has ended already.
        let _ = wakes.wake();
    })?;
    let limits = limits(descriptors, &config);

    let (epoch, hub) = (new_epoch()?, config.hub());
    let service_limits = service_limits(&config, &limits);
    let (service, log) = match &config.data {
        Some(dir) => {
            let found = disk::recover(dir, epoch, &config, service_limits, waker.clone())?;
            (found.0, Some(found.1))
        }
        None => (Service::new(epoch, hub, service_limits), None),
    };
    let service = service.with_access(access(&config)?);
    let mut service = service.with_namespaces(config.rules());
    if let Some(certificates) = &certificates {
        service = service.with_certificates(certificates.tls().state);
    }
    announce(addr, &config);
    tell(&config, &limits);
    let demo = config.serves_demo().then(Demo::new);
    let mut server = Server::new(net, Front::new(service, demo), limits);
    let reloader = Reloader::new(options, descriptors, config, (log, certificates));
    let reload = ReloadThread::start(reloader, 1, move || {
        let _ = waker.wake();
    })?;
    let mut applied = Applied::default();
    turns(&mut server, &asked, Watch::default(), |server| {
        if asked.is_reload() {
            reload.ask();
        }
        for one in Reload::all(reload.take()) {
            applied.apply(one, server);
        }
        applied.look(server);
    })?;
    log::info!(requests = server.stats().requests; "bye");
    Ok(())
}

/// Turns until a drain is over, or a second signal has cut it short. `between` is called after each
/// turn.
pub(crate) fn turns<N: Net>(
    server: &mut Server<N, Front>,
    asked: &Asked,
    mut watch: Watch,
    mut between: impl FnMut(&mut Server<N, Front>),
) -> Result<(), Failure> {
    // A log from the future is told at once, and not with the first request.
    server.with_app(|front, context| front.service().look_at_the_clock(context));
    watch.look(server);
    while !server.is_drained() {
        let patience = watch.patience(server);
        server.turn(patience).or_fail(|| "the poller failed".into())?;
        watch.look(server);
        between(server);
        let signals = asked.ends.load(Ordering::Relaxed);
        if signals > 1 && server.is_draining() {
            log::warn!(connections = server.connections(); "a second signal: what is open is cut");
            break;
        }
        // Two signals that arrive at once still mean a drain first.
        if signals > 0 {
            start_drain(server);
        }
    }
    Ok(())
}

/// Makes a new epoch: a log in memory ends with the process.
pub(crate) fn new_epoch() -> Result<Epoch, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).or_fail(|| "the system gives no random numbers".into())?;
    Ok(Epoch(u64::from_ne_bytes(bytes)))
}

fn bind(addr: SocketAddr, socket_bytes: usize) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(addr).map_err(|error| cannot_listen(addr, &error))?;
    listen(&listener, addr, socket_bytes)?;
    Ok(listener)
}

/// Explains why the server cannot listen on an address.
pub(crate) fn cannot_listen(addr: SocketAddr, error: &std::io::Error) -> Failure {
    let hint = match error.kind() {
        ErrorKind::AddrInUse => "another program listens there; choose a port with --listen",
        ErrorKind::PermissionDenied => "ports below 1024 need privileges; choose another",
        ErrorKind::AddrNotAvailable => "this machine does not have that address",
        _ => return Failure(format!("cannot listen on {addr}: {error}")),
    };
    Failure(format!("cannot listen on {addr}: {hint}"))
}

/// Listens, with room for a crowd.
pub(crate) fn listen(
    socket: impl AsFd,
    addr: SocketAddr,
    socket_bytes: usize,
) -> Result<(), Failure> {
    // std asks for a backlog of 128; a crowd that reconnects at once needs more.
    rustix::net::listen(&socket, BACKLOG).or_fail(|| format!("cannot listen on {addr}"))?;
    // Connections inherit it. Left to itself the system keeps up to 4 MiB for each reader that has
    // stopped, and a thousand of them take the memory of all sockets of the machine.
    rustix::net::sockopt::set_socket_send_buffer_size(&socket, socket_bytes)
        .or_fail(|| format!("cannot bound what the system keeps for {addr}"))
}

/// Raises the soft limit on descriptors to the hard one; gives what is in force.
fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let in_force = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    in_force.current.unwrap_or(u64::MAX)
}

/// The file, above it the environment, above that the flags.
pub(crate) fn configure(options: &ServeOptions) -> Result<Config, Failure> {
    let mut config = match &options.config {
        Some(file) => Config::read(file)?,
        None => Config::default(),
    };
    if let Some(addr) = options.listen {
        config.listen_on(addr);
    }
    if let (Some(cert), Some(key)) = (&options.cert, &options.key) {
        config.certify(cert.clone(), key.clone());
    }
    config.data = options.data.clone().or(config.data);
    config.drain.rest = options.drain.unwrap_or(config.drain.rest);
    config.workers = options.workers.unwrap_or(config.workers);
    config.check()?;
    Ok(config)
}

/// The access rules of the configuration.
pub(crate) fn access(config: &Config) -> Result<Access, Failure> {
    match &config.access {
        Some(access) => Ok(Access::Guarded(Box::new(access.guard()?))),
        None => Ok(Access::Open),
    }
}

pub(crate) fn service_limits(config: &Config, limits: &Limits) -> sockeye_service::Limits {
    let mut service = sockeye_service::Limits::default();
    service.queue_bytes_max = config.limits.queue_bytes;
    service.ping_ms = limits.ping_ms;
    service.message_bytes_max = config.limits.message_bytes;
    config.bound(&mut service);
    service.streams_max = limits.connections_max;
    service.streams_per_address = config.share_of_address(limits.connections_max);
    // Each loop tells its own watchers, and all together no more than one would.
    let loops = u64::try_from(config.workers).unwrap_or(u64::MAX);
    service.presence_events_per_second = (service.presence_events_per_second / loops).max(1);
    service
}

pub(crate) fn limits(descriptors: u64, config: &Config) -> Limits {
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

/// The requests of signals.
#[derive(Default)]
pub(crate) struct Asked {
    /// To end.
    pub(crate) ends: AtomicUsize,
    /// To read the configuration again.
    reloads: AtomicUsize,
}

impl Asked {
    /// Whether the configuration is to be read again; said once.
    pub(crate) fn is_reload(&self) -> bool {
        self.reloads.swap(0, Ordering::Relaxed) > 0
    }
}

/// Counts the signals, and calls `wake` for each.
pub(crate) fn watch_signals(wake: impl Fn() + Send + 'static) -> Result<Arc<Asked>, Failure> {
    let mut signals =
        Signals::new([SIGTERM, SIGINT, SIGHUP]).or_fail(|| "cannot watch for signals".into())?;
    let asked = Arc::new(Asked::default());
    let counted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let count = if signal == SIGHUP { &counted.reloads } else { &counted.ends };
            count.fetch_add(1, Ordering::Relaxed);
            wake();
        }
    });
    Ok(asked)
}

fn start_drain<N: Net>(server: &mut Server<N, Front>) {
    if !server.is_draining() {
        let connections = server.connections();
        log::info!(connections; "draining; signal again to end at once");
        server.drain();
    }
}

pub(crate) fn announce(addr: SocketAddr, config: &Config) {
    let (scheme, secure) = (config.scheme(), if config.tls.is_some() { "wss" } else { "ws" });
    let shown = config.access.as_ref().map_or("", |access| access.shown());
    let demo = if config.serves_demo() {
        format!(
            "
  a page to look at       {scheme}://{addr}/
  server-sent events      curl -N {scheme}://{addr}/clock
  WebSocket echo          {secure}://{addr}/echo"
        )
    } else {
        String::new()
    };
    let told = print::say(format_args!(
        "sockeye {} listens on {scheme}://{addr}
{demo}
  health                  curl {scheme}://{addr}/healthz

  subscribe to a channel  curl {shown}-N '{scheme}://{addr}/v1/sse?channel=news'
  publish into it         curl {shown}-d 'hello' {scheme}://{addr}/v1/channels/news
  read its history        curl {shown}{scheme}://{addr}/v1/channels/news/history

Ctrl-C ends it in good order.",
        env!("CARGO_PKG_VERSION"),
    ));
    // It serves all the same: clients do not read that.
    if let Err(why) = told {
        notice(format_args!("{why}"));
    }
}

/// The limits that are in force, where the machine or the file may have made them others.
pub(crate) fn tell(config: &Config, limits: &Limits) {
    log::info!(
        connections = limits.connections_max,
        connections_per_address = limits.connections_per_address_max,
        channels = config.limits.channels,
        history_bytes = config.limits.history_bytes,
        publish_bytes = limits.body_bytes_max,
        message_bytes = config.limits.message_bytes,
        queue_bytes = config.limits.queue_bytes,
        workers = config.workers,
        guarded = config.access.is_some(),
        tls = config.tls.is_some(),
        durable = config.data.is_some();
        "serving"
    );
}
