//! `sockeye serve`: binds, runs the loop, drains on a signal.

mod announce;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use sockeye_hub::Epoch;
use sockeye_server::{Limits, Listener, MioNet, Net, ProxyLimits, ProxyNet, Server, Waker};
use sockeye_service::{Access, Service};
use sockeye_terminal::{Failure, OrFail};
use sockeye_tls::{SharedAcceptor, TlsNet};

pub(crate) use self::announce::{announce, tell};
use crate::cli::ServeOptions;
use crate::config::{Config, ListenAddress, ListenConfig, Parts};
use crate::demo::Demo;
use crate::file::Kind;
use crate::front::Front;
use crate::listen::Bound;
use crate::reload::{Applied, Reload, ReloadThread, Reloader};
use crate::sources::{self, Sources};
use crate::tls::TlsReloader;
use crate::watch::Watch;
use crate::{cert, disk, logging, workers};

/// Descriptors of the program itself, apart from its loops: standard streams, signals, files.
const DESCRIPTORS_KEPT: u64 = 16;

/// Descriptors of a loop beside its listeners: the poller and the waker.
const DESCRIPTORS_OF_LOOP: u64 = 2;

/// How long a drained server waits for its sources, and how often it looks.
const SOURCES_END_MAX: Duration = Duration::from_secs(5);
const SOURCES_LOOK: Duration = Duration::from_millis(100);

/// Largest echo message: what the Autobahn suite asks for.
const MESSAGE_BYTES_MAX: u64 = 16 << 20;

pub(crate) fn run(options: &ServeOptions) -> Result<(), Failure> {
    let config = configure(options, Kind::Stream)?;
    if let Some(dir) = &options.dev_cert {
        cert::ensure(dir)?;
    }
    logging::apply(&config.log)?;
    for problem in config.warnings() {
        log::warn!(problem; "the configuration may not be what was meant");
    }
    let descriptors = raise_descriptor_limit();
    if config.workers > 1 || config.backbone.is_some() {
        return workers::run(options, config, descriptors);
    }
    let certificates = config.tls.as_ref().map(TlsReloader::start).transpose()?;
    let bound = Bound::new(&config, 1)?;
    let addresses = bound.addresses();
    let (nets, _files) = bound.listen(MioNet::new)?;
    let net = nets.into_iter().next().expect("one loop");
    let waker = net.waker();
    let tls = certificates.as_ref().map(TlsReloader::tls);
    let acceptor = tls.as_ref().map(|tls| &tls.acceptor);
    // Where all bytes are the client's, the loop asks no socket whether it holds anything.
    match is_plain(&config) {
        true => serve(options, config, descriptors, (net, addresses, waker), certificates),
        false => {
            let net = layered(net, &config, acceptor);
            serve(options, config, descriptors, (net, addresses, waker), certificates)
        }
    }
}

/// Whether no listener has anything between its sockets and HTTP.
pub(crate) fn is_plain(config: &Config) -> bool {
    let mut listeners = config.listen.0.iter();
    listeners.all(|it| !it.speaks_tls(config.tls.is_some()) && it.proxy_protocol.is_none())
}

/// The network with the PROXY protocol and, above that, TLS on the listeners that have them.
pub(crate) fn layered(
    net: MioNet,
    config: &Config,
    acceptor: Option<&SharedAcceptor>,
) -> TlsNet<ProxyNet<MioNet>> {
    let listeners = || config.listen.0.iter().enumerate();
    let mut net = ProxyNet::new(net, ProxyLimits::DEFAULT);
    for (number, listener) in listeners() {
        if let Some(version) = listener.proxy_protocol {
            net = net.with_proxy_protocol(number, version);
        }
    }
    let mut net = TlsNet::new(net);
    for (number, listener) in listeners() {
        if let (Some(acceptor), true) = (acceptor, listener.speaks_tls(true)) {
            net = net.with_tls(number, acceptor.clone());
        }
    }
    net
}

/// The rules of each listener.
pub(crate) fn rules(config: &Config) -> Vec<Listener> {
    config.listen.0.iter().map(ListenConfig::rules).collect()
}

/// What each listener serves.
pub(crate) fn parts(config: &Config) -> Vec<Parts> {
    config.listen.0.iter().map(|listener| listener.parts).collect()
}

/// Serves in one loop.
fn serve<N: Net>(
    options: &ServeOptions,
    config: Config,
    descriptors: u64,
    (net, addresses, waker): (N, Vec<ListenAddress>, Waker),
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
    let tls = certificates.as_ref().map(TlsReloader::tls);
    if let Some(tls) = &tls {
        service = service.with_certificates(Arc::clone(&tls.state));
    }
    announce(&addresses, &config);
    tell(&addresses, &config, &limits);
    let (sources, plans) = (Sources::new(), sources::plan(&config.sources)?);
    service = service.with_inlet(sources.inlet_waking(waker.clone()));
    let demo = config.serves_demo().then(|| Demo::new(config.dev_authority(), config.shown()));
    let front = Front::new(service, demo, parts(&config));
    let mut server = Server::new(net, front, limits).with_listeners(rules(&config));
    let parts = (log, certificates, Arc::clone(&sources));
    let reloader = Reloader::new(options, descriptors, config, parts);
    let reload = ReloadThread::start(reloader, 1, move || {
        let _ = waker.wake();
    })?;
    server.with_app(|front, _| front.answer_challenges(tls.and_then(|it| it.answers)));
    let mut applied = Applied::default();
    sources.apply(plans);
    turns(&mut server, &asked, Watch::default(), |server| {
        if asked.is_reload() {
            reload.ask();
        }
        if asked.ends.load(Ordering::Relaxed) > 0 {
            sources.stop();
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
    let mut sources_end = None;
    while !is_over(server, &mut sources_end) {
        let patience = patience_of(&watch, server);
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

/// Whether a drain is over. Sources that acknowledge what they have published are waited for, for a while.
fn is_over<N: Net>(server: &mut Server<N, Front>, sources_end: &mut Option<Instant>) -> bool {
    if !server.is_drained() {
        return false;
    }
    let late = *sources_end.get_or_insert_with(|| Instant::now() + SOURCES_END_MAX);
    !server.app_mut().service().has_sources() || Instant::now() >= late
}

/// How long the next turn may wait.
fn patience_of<N: Net>(watch: &Watch, server: &mut Server<N, Front>) -> Option<Duration> {
    if server.is_drained() { Some(SOURCES_LOOK) } else { watch.patience(server) }
}

/// Makes a new epoch: a log in memory ends with the process.
pub(crate) fn new_epoch() -> Result<Epoch, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).or_fail(|| "the system gives no random numbers".into())?;
    Ok(Epoch(u64::from_ne_bytes(bytes)))
}

/// Raises the soft limit on descriptors to the hard one; gives what is in force.
fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let in_force = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    in_force.current.unwrap_or(u64::MAX)
}

/// The file, above it the environment, above that the flags.
pub(crate) fn configure(options: &ServeOptions, kind: Kind) -> Result<Config, Failure> {
    let mut config = match &options.config {
        Some(file) => Config::read(file, kind)?,
        None => Config::default(),
    };
    if let Some(address) = &options.listen {
        config.listen_on(address.clone());
    }
    if let (Some(cert), Some(key)) = (&options.cert, &options.key) {
        config.certify(cert.clone(), key.clone());
    }
    if let Some(dir) = &options.dev_cert {
        config.certify_for_development(dir);
    }
    config.data = options.data.clone().or(config.data);
    if let Some(url) = &options.backbone {
        config.backbone.get_or_insert_default().url = url.clone();
    }
    config.drain.rest = options.drain.unwrap_or(config.drain.rest);
    config.workers = options.workers.unwrap_or(config.workers);
    if let Some(tls) = &mut config.tls {
        tls.is_without_http2 = config.http2.limits().is_none();
    }
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
    service.heartbeat_ms = limits.heartbeat_ms;
    service.message_bytes_max = config.limits.message_bytes;
    config.bound(&mut service);
    service.compression = config.compression.of_service();
    service.streams_max = config.streams(limits.connections_max);
    service.streams_per_address = config.share_of_address(service.streams_max);
    // Each loop tells its own watchers, and all together no more than one would.
    let loops = u64::try_from(config.workers).unwrap_or(u64::MAX);
    service.presence_events_per_second = (service.presence_events_per_second / loops).max(1);
    service
}

/// How many descriptors the program itself has open. Each loop has each listener.
fn own_descriptors(config: &Config) -> u64 {
    // [listen:descriptors]
    let count = |it: usize| u64::try_from(it).unwrap_or(u64::MAX);
    let of_loop = count(config.listen.0.len()).saturating_add(DESCRIPTORS_OF_LOOP);
    DESCRIPTORS_KEPT.saturating_add(count(config.workers).saturating_mul(of_loop))
}

pub(crate) fn limits(descriptors: u64, config: &Config) -> Limits {
    let mut limits = Limits::default();
    // A tenth of the descriptors, but no fewer than the program itself has open, stays free.
    let room = descriptors.saturating_sub(own_descriptors(config).max(descriptors / 10));
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    limits.connections_max = config.limits.connections.min(room).max(1);
    limits.connections_per_address_max = config.limits.connections_per_address;
    limits.http2 = config.http2.limits();
    limits.gzip = config.compression.gzip();
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

#[cfg(test)]
mod tests {
    use super::limits;
    use crate::config::Config;

    /// [listen:descriptors]
    #[test]
    fn each_loop_has_descriptors_for_each_listener() {
        let parse = |text: &str| Config::parse(text).unwrap();
        assert_eq!(limits(1_000, &Config::default()).connections_max, 900, "a tenth is more");
        assert_eq!(limits(100, &Config::default()).connections_max, 100 - 16 - 3);
        let listeners: String =
            (1..=16).map(|port| format!("[[listen]]\naddress = \"127.0.0.1:{port}\"\n")).collect();
        let config = parse(&format!("workers = 64\n{listeners}"));
        assert_eq!(limits(4_096, &config).connections_max, 4_096 - 16 - 64 * (16 + 2));
        assert_eq!(limits(1_024, &config).connections_max, 1, "it serves all the same");
    }
}
