//! Which server is the primary.

use sockeye_backbone::{Trouble, TroubleKind};

use crate::config::{RedisConfig, Server};
use crate::link::Link;
use crate::resp::{Element, Reply, RespError};
use crate::trouble;

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
    let mut reply = link.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name])?;
    match read(&mut reply) {
        Ok(Ok(Some(server))) => Ok(server),
        Ok(Ok(None)) => {
            let text = format!(
                "the Sentinel {sentinel} knows no primary with the name {name:?}: see `sentinel monitor`"
            );
            Err(Trouble::new(TroubleKind::Settings, text))
        }
        Ok(Err(error)) => {
            Err(trouble::of_error(error, &format!("the Sentinel {sentinel}"), config))
        }
        Err(error) => Err(link.broken(error)),
    }
}

fn read<'a>(reply: &mut Reply<'a>) -> Result<Result<Option<Server>, &'a str>, RespError> {
    match reply.element()? {
        Element::Nil => Ok(Ok(None)),
        Element::Error(error) => Ok(Err(error)),
        Element::Array(2) => {
            let text = |bytes| core::str::from_utf8(bytes).map_err(|_| RespError::NotText);
            let (host, port) = (text(reply.bulk()?)?, text(reply.bulk()?)?);
            let port = port.parse().map_err(|_| RespError::Number)?;
            Ok(Ok(Some(Server { host: host.into(), port })))
        }
        _ => Err(RespError::Shape),
    }
}
