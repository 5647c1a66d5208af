//! Which server is the primary.

use sockeye_backbone::driver::Server;
use sockeye_backbone::{Trouble, TroubleKind};

use crate::config::RedisConfig;
use crate::link::Link;

/// The servers of a configuration, and which of them answered last.
pub(crate) struct Servers {
    servers: Vec<Server>,
    next: usize,
}

impl Servers {
    pub(crate) fn new(config: &RedisConfig) -> Self {
        Self { servers: config.servers.clone(), next: 0 }
    }

    /// The primary: the server of the configuration, or the one that the first Sentinel to answer names.
    pub(crate) fn primary(&mut self, config: &RedisConfig) -> Result<Server, Trouble> {
        let Some(name) = &config.primary_name else { return Ok(self.servers[0].clone()) };
        let mut last = None;
        for _ in 0..self.servers.len() {
            match ask(&self.servers[self.next], name, config) {
                Ok(server) => return Ok(server),
                Err(trouble) => last = Some(trouble),
            }
            self.next = (self.next + 1) % self.servers.len();
        }
        Err(last.expect("a URL has at least one host"))
    }
}

fn ask(sentinel: &Server, name: &str, config: &RedisConfig) -> Result<Server, Trouble> {
    let mut link = Link::open(sentinel, &config.sentinel_login, config)?;
    link.name = format!("the Sentinel {sentinel}");
    let mut command = redis::cmd("SENTINEL");
    let address: Option<(String, u16)> =
        link.ask(command.arg("GET-MASTER-ADDR-BY-NAME").arg(name), config)?;
    let (host, port) = address.ok_or_else(|| {
        let text = format!(
            "the Sentinel {sentinel} knows no primary with the name {name:?}: see `sentinel monitor`"
        );
        Trouble::new(TroubleKind::Settings, text)
    })?;
    Ok(Server { host: host.into(), port })
}
