//! The generic suite on a server by URL.

use std::net::ToSocketAddrs as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustls::ClientConfig;
use sockeye_amqp::{AmqpConfig, AmqpEngine, AmqpLimits};
use sockeye_backbone::Engine;
use sockeye_backbone::suite::Rig;

use super::foreign::Foreign;
use crate::proxy::Proxy;
use crate::rig::{PASS, PASSES_MAX};

/// The number of the next log.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A server: how the engine reaches it.
#[derive(Clone)]
pub(crate) struct RabbitTarget {
    /// The URL, without options.
    pub(crate) url: String,
    pub(crate) password: Option<String>,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) authorities: Option<PathBuf>,
}

impl RabbitTarget {
    /// The hosts of the URL.
    fn hosts(&self) -> &str {
        let (_, rest) = self.url.split_once("://").unwrap_or_default();
        let authority = rest.split('/').next().unwrap_or(rest);
        authority.rsplit('@').next().unwrap_or(authority)
    }

    /// Whether connections to it can be cut: it is one server, without TLS.
    pub(crate) fn can_cut(&self) -> bool {
        self.url.starts_with("amqp://") && !self.hosts().contains(',')
    }

    fn proxy(&self) -> Option<Proxy> {
        if !self.can_cut() {
            return None;
        }
        let hosts = self.hosts();
        let port = if hosts.contains(':') { "" } else { ":5672" };
        let mut addresses =
            format!("{hosts}{port}").to_socket_addrs().expect("the server has an address");
        Some(Proxy::before(addresses.next().expect("the server has an address")))
    }

    /// A foreign client, of the first server.
    fn client(&self) -> Foreign {
        let first = self.hosts().split(',').next().unwrap_or_default();
        let mut url = self.url.replacen(self.hosts(), first, 1);
        if let Some(password) = &self.password {
            url = url.replacen('@', &format!(":{password}@"), 1);
        }
        Foreign { url, authorities: self.authorities.clone() }
    }

    /// The configuration of a log in a stream, through a proxy if there is one.
    fn config(&self, stream: &str, proxy: Option<&Proxy>) -> AmqpConfig {
        let url = match proxy {
            Some(proxy) => self.url.replacen(self.hosts(), &format!("127.0.0.1:{}", proxy.port), 1),
            None => self.url.clone(),
        };
        let mut limits = AmqpLimits::default();
        limits.patience_ms = 2_000;
        let config = AmqpConfig::from_url(&format!("{url}?stream={stream}"));
        let mut config = config.expect("a URL without options").with_limits(limits);
        if let Some(password) = &self.password {
            config = config.with_password(password);
        }
        match &self.tls {
            Some(tls) => config.with_tls(Arc::clone(tls)),
            None => config,
        }
    }
}

/// A log in a stream of its own. The stream and its exchange are deleted when the check ends.
pub(crate) struct RabbitRig {
    target: RabbitTarget,
    stream: String,
    proxy: Option<Proxy>,
}

impl RabbitRig {
    pub(crate) fn new(target: &RabbitTarget) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let stream = format!("sockeye-suite-{}-{number}", std::process::id());
        Self { target: target.clone(), stream, proxy: target.proxy() }
    }
}

impl Rig for RabbitRig {
    fn open(&mut self) -> Box<dyn Engine> {
        let config = self.target.config(&self.stream, self.proxy.as_ref());
        Box::new(AmqpEngine::open(config).expect("a thread"))
    }

    fn pass(&mut self) {
        thread::sleep(PASS);
    }

    fn patience(&self) -> u32 {
        PASSES_MAX
    }

    fn erase(&mut self) -> bool {
        assert!(self.target.client().delete(&self.stream), "the log was there");
        true
    }

    fn cut(&mut self) -> bool {
        self.proxy.as_ref().expect("the check is left out without a proxy").cut();
        true
    }
}

impl Drop for RabbitRig {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.target.client().remove(&self.stream);
        }
    }
}
