//! Names, ports and folders: where the pages think they are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sockeye_http::RequestHead;

use crate::Trouble;
use crate::query::Query;

/// The name under which pages are loaded; the browser is told that it is this machine.
pub(crate) const HOST: &str = "web-platform.test";
/// A name of another site.
pub(crate) const OTHER_HOST: &str = "not-web-platform.test";
/// The port of pages that are served over TLS only: nothing listens there.
const NO_PORT: &str = "9";

/// The served site.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// The checkout, absolute; without it there are only pages of our own.
    pub(crate) checkout: Option<Arc<Path>>,
    /// One port for documents, event streams and WebSockets.
    pub(crate) port: u16,
}

impl Site {
    pub(crate) fn new(checkout: Option<&Path>, port: u16) -> Result<Self, Trouble> {
        let checkout = checkout.map(checked).transpose()?;
        Ok(Self { checkout: checkout.map(Arc::from), port })
    }

    /// Where the runner's page is.
    pub(crate) fn origin(&self) -> String {
        format!("http://{HOST}:{}", self.port)
    }

    /// Puts values in the place of `{{…}}`; what is not known stays.
    pub(crate) fn substitute(&self, text: &str, head: &RequestHead<'_, '_>) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            out.push_str(before);
            let Some((name, after)) = after.split_once("}}") else {
                rest = &rest[before.len()..];
                break;
            };
            match self.value(name.trim(), head) {
                Some(value) => out.push_str(&value),
                None => out.extend(["{{", name, "}}"]),
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }

    fn value(&self, name: &str, head: &RequestHead<'_, '_>) -> Option<String> {
        if name == "host" {
            return Some(HOST.to_owned());
        }
        let (kind, rest) = name.split_once('[')?;
        let indices: Vec<&str> = rest.strip_suffix(']')?.split("][").collect();
        match (kind, &*indices) {
            ("domains", [sub]) | ("hosts", ["", sub]) => Some(below(sub, HOST)),
            ("hosts", ["alt", sub]) => Some(below(sub, OTHER_HOST)),
            ("ports", ["ws" | "http", _]) => Some(self.port.to_string()),
            ("ports", [_, _]) => Some(NO_PORT.to_owned()),
            ("headers", [name]) => {
                let value = head.headers().all(name).next()?;
                Some(String::from_utf8_lossy(value).into_owned())
            }
            ("GET", [name]) => Query::of(head).first(name),
            _ => None,
        }
    }
}

/// The option by which Chromium finds all hosts of the pages on this machine, and no other host at all.
pub(crate) fn resolver_rules() -> String {
    let rules =
        [HOST, OTHER_HOST].map(|host| format!("MAP {host} 127.0.0.1, MAP *.{host} 127.0.0.1"));
    format!("--host-resolver-rules={}, MAP * ~NOTFOUND", rules.join(", "))
}

fn checked(checkout: &Path) -> Result<PathBuf, Trouble> {
    let missing = |_| Trouble::from(format!("{}: no such checkout", checkout.display()));
    let root = checkout.canonicalize().map_err(missing)?;
    if !root.join("resources/testharness.js").is_file() {
        return Err(format!("{}: no resources/testharness.js there", checkout.display()).into());
    }
    Ok(root)
}

/// A name below a host, as DNS spells it.
fn below(sub: &str, host: &str) -> String {
    match sub {
        "" => host.to_owned(),
        "élève" => format!("xn--lve-6lad.{host}"),
        sub => format!("{sub}.{host}"),
    }
}
