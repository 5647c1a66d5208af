//! The generic suite on a server by URL.

use std::net::ToSocketAddrs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use rustls::ClientConfig;
use sockeye_backbone::Engine;
use sockeye_backbone::suite::Rig;
use sockeye_redis::{RedisConfig, RedisEngine, RedisLimits};

use crate::proxy::Proxy;

/// A wait of the suite, and how many of them it waits at the most.
pub(crate) const PASS: Duration = Duration::from_millis(2);
pub(crate) const PASSES_MAX: u32 = 10_000;

/// The number of the next log.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A server: how the engine reaches it, and how redis-cli does.
#[derive(Clone)]
pub(crate) struct Target {
    /// The URL, without a key.
    pub(crate) url: String,
    pub(crate) password: Option<String>,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// The arguments of redis-cli.
    pub(crate) client: Vec<String>,
}

impl Target {
    /// The host and the port of a URL that a proxy can stand before: of one server, and without TLS.
    fn address(&self) -> Option<&str> {
        let rest = self.url.strip_prefix("redis://")?;
        let authority = rest.split(['/', '?']).next()?;
        Some(authority.rsplit('@').next().unwrap_or(authority))
    }

    /// Whether connections to it can be cut.
    pub(crate) fn can_cut(&self) -> bool {
        self.address().is_some()
    }

    fn proxy(&self) -> Option<Proxy> {
        let address = self.address()?;
        let address =
            if address.contains(':') { address.to_owned() } else { format!("{address}:6379") };
        let mut addresses = address.to_socket_addrs().expect("the server has an address");
        Some(Proxy::before(addresses.next().expect("the server has an address")))
    }

    /// The configuration of a log at a key, through a proxy if there is one.
    fn config(&self, key: &str, proxy: Option<&Proxy>) -> RedisConfig {
        let mut url = self.url.clone();
        if let (Some(proxy), Some(address)) = (proxy, self.address()) {
            url = url.replacen(address, &format!("127.0.0.1:{}", proxy.port), 1);
        }
        let join = if url.contains('?') { '&' } else { '?' };
        let config =
            RedisConfig::from_url(&format!("{url}{join}key={key}")).expect("a URL with a key");
        let mut limits = RedisLimits::default();
        limits.patience_ms = 2_000;
        let config = config.with_limits(limits);
        let config = match &self.password {
            Some(password) => config.with_password(password),
            None => config,
        };
        match &self.tls {
            Some(tls) => config.with_tls(Arc::clone(tls)),
            None => config,
        }
    }

    /// Asks the server by redis-cli; the error if it cannot be asked.
    pub(crate) fn ask(&self, words: &[&str]) -> Result<String, String> {
        let mut command = Command::new("redis-cli");
        command.args(&self.client).args(words);
        if let Some(password) = &self.password {
            command.env("REDISCLI_AUTH", password);
        }
        let output = command.output().map_err(|error| format!("redis-cli: {error}"))?;
        let text = String::from_utf8_lossy(if output.status.success() {
            &output.stdout
        } else {
            &output.stderr
        });
        if output.status.success() {
            Ok(text.trim_end().into())
        } else {
            Err(text.trim_end().into())
        }
    }
}

/// A log at a key of its own. The key is deleted when the check ends.
pub(crate) struct RedisRig {
    target: Target,
    key: String,
    proxy: Option<Proxy>,
}

impl RedisRig {
    pub(crate) fn new(target: &Target) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let key = format!("sockeye-suite-{}-{number}", std::process::id());
        Self { target: target.clone(), key, proxy: target.proxy() }
    }
}

impl Rig for RedisRig {
    fn open(&mut self) -> Box<dyn Engine> {
        let config = self.target.config(&self.key, self.proxy.as_ref());
        Box::new(RedisEngine::open(config).expect("threads"))
    }

    fn pass(&mut self) {
        thread::sleep(PASS);
    }

    fn patience(&self) -> u32 {
        PASSES_MAX
    }

    fn erase(&mut self) -> bool {
        assert_eq!(self.target.ask(&["DEL", &self.key]).as_deref(), Ok("1"), "the log was there");
        true
    }

    fn cut(&mut self) -> bool {
        self.proxy.as_ref().expect("the check is left out without a proxy").cut();
        true
    }
}

impl Drop for RedisRig {
    fn drop(&mut self) {
        let _ = self.target.ask(&["DEL", &self.key]);
    }
}
