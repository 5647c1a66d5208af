//! The demo's pages and the files that they fetch, built into the program: among them the client for browsers and
//! the measurements.

use sockeye_server::{Header, Reply, Status};

/// The pages talk to their own host only, and run its files only: nothing in line.
const POLICY: Header = Header::from_static(
    "Content-Security-Policy",
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
const NO_CACHE: Header = Header::from_static("Cache-Control", "no-cache");
const NO_SNIFF: Header = Header::from_static("X-Content-Type-Options", "nosniff");

const HTML: Header = Header::from_static("Content-Type", "text/html; charset=utf-8");
const STYLE: Header = Header::from_static("Content-Type", "text/css; charset=utf-8");
const TEXT: Header = Header::from_static("Content-Type", "text/plain; charset=utf-8");
const SCRIPT: Header = Header::from_static("Content-Type", "text/javascript; charset=utf-8");

const JSON: Header = Header::from_static("Content-Type", "application/json");

/// Path, type and text of each.
const PAGES: [(&str, Header, &str); 15] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/admin", HTML, include_str!("page/admin.html")),
    ("/performance", HTML, include_str!("page/performance.html")),
    ("/performance.md", TEXT, include_str!("page/performance.md")),
    ("/sockeye.js", SCRIPT, include_str!("page/sockeye.js")),
    ("/page/style.css", STYLE, include_str!("page/style.css")),
    ("/page/common.js", SCRIPT, include_str!("page/common.js")),
    ("/page/hub.js", SCRIPT, include_str!("page/hub.js")),
    ("/page/pane.js", SCRIPT, include_str!("page/pane.js")),
    ("/page/ledger.js", SCRIPT, include_str!("page/ledger.js")),
    ("/page/echo.js", SCRIPT, include_str!("page/echo.js")),
    ("/page/clock.js", SCRIPT, include_str!("page/clock.js")),
    ("/page/terminal.js", SCRIPT, include_str!("page/terminal.js")),
    ("/page/admin.js", SCRIPT, include_str!("page/admin.js")),
    ("/page/performance.js", SCRIPT, include_str!("page/performance.js")),
];

/// An answer of JSON to a page.
pub(crate) fn json(text: &[u8]) -> Reply {
    Reply::new(Status::OK, JSON, text.to_vec()).header(POLICY).header(NO_CACHE).header(NO_SNIFF)
}

/// The page at a path.
pub(crate) fn at(path: &str) -> Option<Reply> {
    let (_, kind, text) = PAGES.into_iter().find(|(it, ..)| *it == path)?;
    let reply = Reply::new(Status::OK, kind, text.as_bytes());
    Some(reply.header(POLICY).header(NO_CACHE).header(NO_SNIFF))
}
