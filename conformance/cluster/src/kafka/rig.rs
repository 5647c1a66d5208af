//! The generic suite on a server by URL.

use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustls::ClientConfig;
use sockeye_backbone::Engine;
use sockeye_backbone::suite::Rig;
use sockeye_kafka::{KafkaConfig, KafkaEngine, KafkaLimits};

use super::foreign::Foreign;
use crate::proxy::Proxy;
use crate::rig::{PASS, PASSES_MAX};

/// The number of the next log.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A server: how the engine reaches it.
#[derive(Clone)]
pub(crate) struct KafkaTarget {
    /// The URL, without a topic and options.
    pub(crate) url: String,
    /// The options of the URL.
    pub(crate) options: String,
    pub(crate) password: Option<String>,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl KafkaTarget {
    pub(crate) fn new(url: &str, password: Option<String>, tls: Option<Arc<ClientConfig>>) -> Self {
        let (url, options) = url.split_once('?').unwrap_or((url, ""));
        Self { url: url.trim_end_matches('/').into(), options: options.into(), password, tls }
    }

    /// The host and the port of a URL that a proxy can stand before: of one server, without a login and TLS.
    fn address(&self) -> Option<String> {
        let hosts = self.url.strip_prefix("kafka://")?;
        let is_plain = !hosts.contains([',', '@', '/']);
        let port = if hosts.contains(':') { "" } else { ":9092" };
        is_plain.then(|| format!("{hosts}{port}"))
    }

    /// Whether connections to it can be cut.
    pub(crate) fn can_cut(&self) -> bool {
        self.address().is_some()
    }

    fn proxy(&self) -> Option<Proxy> {
        let mut addresses = self.address()?.to_socket_addrs().expect("the server has an address");
        Some(Proxy::before(addresses.next().expect("the server has an address")))
    }

    /// The configuration of a log in a topic, through a proxy if there is one.
    fn config(&self, topic: &str, proxy: Option<&Proxy>) -> KafkaConfig {
        let url = match proxy {
            Some(proxy) => format!("kafka://127.0.0.1:{}", proxy.port),
            None => self.url.clone(),
        };
        let mut limits = KafkaLimits::default();
        limits.patience_ms = 2_000;
        let config = KafkaConfig::from_url(&format!("{url}/{topic}?{}", self.options));
        let mut config = config.expect("a URL without a topic").with_limits(limits);
        if let Some(password) = &self.password {
            config = config.with_password(password);
        }
        match &self.tls {
            Some(tls) => config.with_tls(Arc::clone(tls)),
            None => config,
        }
    }
}

/// A log in a topic of its own. The topic is deleted when the check ends, if the foreign client can.
pub(crate) struct KafkaRig {
    target: KafkaTarget,
    topic: String,
    proxy: Option<Proxy>,
}

impl KafkaRig {
    pub(crate) fn new(target: &KafkaTarget) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let topic = format!("sockeye-suite-{}-{number}", std::process::id());
        Self { target: target.clone(), topic, proxy: target.proxy() }
    }

    /// Deletes the topic, past any proxy. `None` if it cannot; false if there was none.
    fn delete(&self) -> Option<bool> {
        let mut client = Foreign::connect(&self.target.address()?)?;
        Some(client.delete(&self.topic))
    }
}

impl Rig for KafkaRig {
    fn open(&mut self) -> Box<dyn Engine> {
        let config = self.target.config(&self.topic, self.proxy.as_ref());
        Box::new(KafkaEngine::open(config).expect("a thread"))
    }

    fn pass(&mut self) {
        thread::sleep(PASS);
    }

    fn patience(&self) -> u32 {
        PASSES_MAX
    }

    fn erase(&mut self) -> bool {
        let erased = self.delete();
        assert_ne!(erased, Some(false), "the log was there");
        erased.is_some()
    }

    fn cut(&mut self) -> bool {
        self.proxy.as_ref().expect("the check is left out without a proxy").cut();
        true
    }
}

impl Drop for KafkaRig {
    fn drop(&mut self) {
        self.delete();
    }
}
