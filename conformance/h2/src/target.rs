//! The server under test: its address, its paths, and the requests that are right for it.

use core::time::Duration;

use sockeye_cases::Url;

use crate::hpack::Block;
use crate::wire::{END_HEADERS, WHOLE, headers};

/// The server under test.
pub(crate) struct Target {
    pub(crate) url: Url,
    pub(crate) is_tls: bool,
    pub(crate) timeout: Duration,
    pub(crate) site: Site,
}

/// The names that requests are made of.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) scheme: &'static str,
    pub(crate) authority: String,
    /// GET of it has content of at least four bytes.
    pub(crate) page: String,
    /// POST to it takes content.
    pub(crate) post: String,
    /// Echoes messages of WebSockets.
    pub(crate) socket: String,
}

impl Site {
    /// A stand-in, to show what a case sends.
    pub(crate) fn sample() -> Self {
        let path = |path: &str| path.to_owned();
        Self {
            scheme: "http",
            authority: "localhost".to_owned(),
            page: path("/"),
            post: path("/"),
            socket: path("/echo"),
        }
    }

    /// The fields of a request.
    pub(crate) fn request(&self, method: &str, path: &str) -> Block {
        let block = Block::new().field(":method", method).field(":scheme", self.scheme);
        block.field(":path", path).field(":authority", &self.authority)
    }

    pub(crate) fn get(&self) -> Block {
        self.request("GET", &self.page)
    }

    pub(crate) fn post(&self) -> Block {
        self.request("POST", &self.post)
    }

    /// The fields that open a WebSocket (RFC 8441 §4, §5).
    pub(crate) fn connect(&self) -> Block {
        let block = self.request("CONNECT", &self.socket).field(":protocol", "websocket");
        block.field("sec-websocket-version", "13")
    }

    /// A whole request for the page.
    pub(crate) fn ask(&self, stream: u32) -> Vec<u8> {
        headers(stream, WHOLE, self.get())
    }

    /// The head of a request whose content is to follow.
    pub(crate) fn open(&self, stream: u32) -> Vec<u8> {
        headers(stream, END_HEADERS, self.post())
    }

    /// A request for the page with more fields.
    pub(crate) fn ask_with(&self, fields: &[(&str, &[u8])]) -> Vec<u8> {
        let block = fields.iter().fold(self.get(), |block, (name, value)| block.field(name, value));
        headers(1, WHOLE, block)
    }
}

impl Target {
    pub(crate) fn new(url: Url, is_tls: bool, timeout: Duration, paths: [String; 2]) -> Self {
        let [post, socket] = paths;
        let site = Site {
            scheme: if is_tls { "https" } else { "http" },
            authority: url.authority(),
            page: url.target.clone(),
            post,
            socket,
        };
        Self { url, is_tls, timeout, site }
    }

    /// The name in the closing line.
    pub(crate) const fn suite(&self) -> &'static str {
        if self.is_tls { "h2" } else { "h2c" }
    }
}
