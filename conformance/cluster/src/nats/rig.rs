//! The generic suite on a server by URL.

use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use async_nats::jetstream::{self, Context};
use async_nats::{ConnectOptions, ServerAddr};
use rustls::ClientConfig;
use sockeye_backbone::Engine;
use sockeye_backbone::suite::Rig;
use sockeye_nats::{NatsConfig, NatsEngine, NatsLimits};
use tokio::runtime;

use crate::proxy::Proxy;
use crate::rig::{PASS, PASSES_MAX};

/// The number of the next log.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A server: how the engine reaches it.
#[derive(Clone)]
pub(crate) struct NatsTarget {
    /// The URL, without a stream.
    pub(crate) url: String,
    pub(crate) password: Option<String>,
    pub(crate) credentials: Option<String>,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl NatsTarget {
    /// The host and the port of a URL that a proxy can stand before: of one server, and without TLS.
    fn address(&self) -> Option<&str> {
        let authority = self.url.strip_prefix("nats://")?.split(['/', '?']).next()?;
        let hosts = authority.rsplit('@').next().unwrap_or(authority);
        (!hosts.contains(',')).then_some(hosts)
    }

    /// Whether connections to it can be cut.
    pub(crate) fn can_cut(&self) -> bool {
        self.address().is_some()
    }

    fn proxy(&self) -> Option<Proxy> {
        let address = self.address()?;
        let address =
            if address.contains(':') { address.to_owned() } else { format!("{address}:4222") };
        let mut addresses = address.to_socket_addrs().expect("the server has an address");
        Some(Proxy::before(addresses.next().expect("the server has an address")))
    }

    /// Runs something on a plain connection of the crate `async-nats`.
    pub(crate) fn run<T>(&self, run: impl AsyncFnOnce(Context) -> T) -> T {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let client = self.options().connect(self.servers()).await.expect("the server is there");
            run(jetstream::new(client)).await
        })
    }

    /// The servers of the URL, each as one.
    fn servers(&self) -> Vec<ServerAddr> {
        let (scheme, rest) = self.url.split_once("://").expect("a URL");
        let authority = rest.split(['/', '?']).next().unwrap_or(rest);
        let hosts = authority.rsplit('@').next().unwrap_or(authority).split(',');
        hosts.map(|host| format!("{scheme}://{host}").parse().expect("a server")).collect()
    }

    fn options(&self) -> ConnectOptions {
        let mut options = ConnectOptions::new();
        if let Some(text) = &self.credentials {
            options = options.credentials(text).expect("credentials");
        } else if let Some(password) = self.password.clone() {
            let (_, rest) = self.url.split_once("://").expect("a URL");
            options = match rest.split_once('@') {
                Some((user, _)) => options.user_and_password(user.into(), password),
                None => options.token(password),
            };
        }
        match &self.tls {
            Some(tls) => options.require_tls(true).tls_client_config(ClientConfig::clone(tls)),
            None => options,
        }
    }

    /// The configuration of a log in a stream, through a proxy if there is one.
    fn config(&self, stream: &str, proxy: Option<&Proxy>) -> NatsConfig {
        let mut url = self.url.clone();
        if let (Some(proxy), Some(address)) = (proxy, self.address()) {
            url = url.replacen(address, &format!("127.0.0.1:{}", proxy.port), 1);
        }
        let join = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{join}stream={stream}");
        let mut limits = NatsLimits::default();
        limits.patience_ms = 2_000;
        let mut config =
            NatsConfig::from_url(&url).expect("a URL with a stream").with_limits(limits);
        if let Some(password) = &self.password {
            config = config.with_password(password);
        }
        if let Some(credentials) = &self.credentials {
            config = config.with_credentials(credentials).expect("credentials");
        }
        match &self.tls {
            Some(tls) => config.with_tls(Arc::clone(tls)),
            None => config,
        }
    }
}

/// A log in a stream of its own. The stream is deleted when the check ends.
pub(crate) struct NatsRig {
    target: NatsTarget,
    stream: String,
    proxy: Option<Proxy>,
}

impl NatsRig {
    pub(crate) fn new(target: &NatsTarget) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let stream = format!("sockeye-suite-{}-{number}", std::process::id());
        Self { target: target.clone(), stream, proxy: target.proxy() }
    }

    /// Deletes the stream, past any proxy; false if there was none.
    fn delete(&self) -> bool {
        self.target.run(async |context| context.delete_stream(&self.stream).await.is_ok())
    }
}

impl Rig for NatsRig {
    fn open(&mut self) -> Box<dyn Engine> {
        let config = self.target.config(&self.stream, self.proxy.as_ref());
        Box::new(NatsEngine::open(config).expect("a thread"))
    }

    fn pass(&mut self) {
        thread::sleep(PASS);
    }

    fn patience(&self) -> u32 {
        PASSES_MAX
    }

    fn erase(&mut self) -> bool {
        assert!(self.delete(), "the log was there");
        true
    }

    fn cut(&mut self) -> bool {
        self.proxy.as_ref().expect("the check is left out without a proxy").cut();
        true
    }
}

impl Drop for NatsRig {
    fn drop(&mut self) {
        self.delete();
    }
}
