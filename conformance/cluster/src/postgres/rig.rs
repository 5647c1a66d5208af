//! The generic suite on a server by URL.

use std::net::ToSocketAddrs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustls::ClientConfig;
use sockeye_backbone::Engine;
use sockeye_backbone::suite::Rig;
use sockeye_postgres::{PostgresConfig, PostgresEngine, PostgresLimits};

use crate::proxy::Proxy;
use crate::rig::{PASS, PASSES_MAX};

/// The number of the next log.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A server: how the engine reaches it.
#[derive(Clone)]
pub(crate) struct PostgresTarget {
    /// The URL, without options.
    pub(crate) url: String,
    pub(crate) password: Option<String>,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// The file of authorities, for psql.
    pub(crate) authorities: Option<String>,
}

impl PostgresTarget {
    /// The host and the port of a URL that a proxy can stand before: of one server, and without TLS.
    fn address(&self) -> Option<&str> {
        let authority = self.url.split_once("://")?.1.split('/').next()?;
        let hosts = authority.rsplit('@').next().unwrap_or(authority);
        (!hosts.contains(',') && self.tls.is_none()).then_some(hosts)
    }

    /// Whether connections to it can be cut.
    pub(crate) fn can_cut(&self) -> bool {
        self.address().is_some()
    }

    fn proxy(&self) -> Option<Proxy> {
        let address = self.address()?;
        let address =
            if address.contains(':') { address.to_owned() } else { format!("{address}:5432") };
        let mut addresses = address.to_socket_addrs().expect("the server has an address");
        Some(Proxy::before(addresses.next().expect("the server has an address")))
    }

    /// Runs statements by psql, past any proxy; the error if it cannot.
    pub(crate) fn ask(&self, statements: &str) -> Result<String, String> {
        let mut command = Command::new("psql");
        command.args(["-XqAt", "-c", statements, &self.url]);
        if let Some(password) = &self.password {
            command.env("PGPASSWORD", password);
        }
        if let Some(file) = &self.authorities {
            command.env("PGSSLMODE", "verify-full").env("PGSSLROOTCERT", file);
        }
        let output = command.output().map_err(|error| format!("psql: {error}"))?;
        let text = if output.status.success() { &output.stdout } else { &output.stderr };
        let text = String::from_utf8_lossy(text).trim_end().to_owned();
        if output.status.success() { Ok(text) } else { Err(text) }
    }

    /// The configuration of a log in a table, through a proxy if there is one.
    fn config(&self, table: &str, proxy: Option<&Proxy>) -> PostgresConfig {
        let mut url = self.url.clone();
        if let (Some(proxy), Some(address)) = (proxy, self.address()) {
            url = url.replacen(address, &format!("127.0.0.1:{}", proxy.port), 1);
        }
        let mode = if self.tls.is_some() { "verify-full" } else { "disable" };
        let url = format!("{url}?table={table}&sslmode={mode}");
        let mut limits = PostgresLimits::default();
        limits.patience_ms = 2_000;
        let mut config =
            PostgresConfig::from_url(&url).expect("a URL with a table").with_limits(limits);
        if let Some(password) = &self.password {
            config = config.with_password(password);
        }
        match &self.tls {
            Some(tls) => config.with_tls(Arc::clone(tls)),
            None => config,
        }
    }
}

/// A log in tables of its own. They are dropped when the check ends.
pub(crate) struct PostgresRig {
    target: PostgresTarget,
    table: String,
    proxy: Option<Proxy>,
}

impl PostgresRig {
    pub(crate) fn new(target: &PostgresTarget) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let table = format!("sockeye_suite_{}_{number}", std::process::id());
        Self { target: target.clone(), table, proxy: target.proxy() }
    }

    fn drop_tables(&self, is_there: &str) -> Result<String, String> {
        self.target.ask(&format!("DROP TABLE {is_there} {0}, {0}_head", self.table))
    }
}

impl Rig for PostgresRig {
    fn open(&mut self) -> Box<dyn Engine> {
        let config = self.target.config(&self.table, self.proxy.as_ref());
        Box::new(PostgresEngine::open(config).expect("a thread"))
    }

    fn pass(&mut self) {
        thread::sleep(PASS);
    }

    fn patience(&self) -> u32 {
        PASSES_MAX
    }

    fn erase(&mut self) -> bool {
        assert_eq!(self.drop_tables("").as_deref(), Ok(""), "the log was there");
        true
    }

    fn cut(&mut self) -> bool {
        self.proxy.as_ref().expect("the check is left out without a proxy").cut();
        true
    }
}

impl Drop for PostgresRig {
    fn drop(&mut self) {
        let _ = self.drop_tables("IF EXISTS");
    }
}
