//! Files of the checkout, the pages that are made for scripts, and our own pages.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use sockeye_http::RequestHead;
use sockeye_server::{Header, Reply, Request, Status};

use crate::host::{Lead, delayed};
use crate::pages::Meta;
use crate::query::Query;
use crate::site::Site;

/// Our own pages: a name, and what it is.
const OWN: &[(&str, &str)] = &[
    ("harness.js", include_str!("../pages/harness.js")),
    ("events.js", include_str!("../pages/events.js")),
    ("requests.js", include_str!("../pages/requests.js")),
    ("worker.js", include_str!("../pages/worker.js")),
    ("sockets.js", include_str!("../pages/sockets.js")),
    ("handshakes.js", include_str!("../pages/handshakes.js")),
    // A page without checks, for frames.
    ("frame.js", ""),
];

/// Files that pages know by another name.
const ALIASES: &[(&str, &str)] =
    &[("/resources/WebIDLParser.js", "/resources/webidl2/lib/webidl2.js")];

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Answers with a file, with a page made for a script, or with 404.
pub(crate) fn answer(site: &Site, request: &Request<'_>) -> Lead {
    let head = request.head;
    if let Some(name) = head.path().strip_prefix("/own/") {
        return own(name).into();
    }
    let reply = site.checkout.as_deref().and_then(|root| from_checkout(site, root, head));
    let reply = reply.unwrap_or_else(|| Reply::text(Status::NOT_FOUND, "no such file\n"));
    let pipe = Query::of(head).first_or("pipe", "");
    let seconds = pipe.strip_prefix("trickle(d").and_then(|rest| rest.strip_suffix(')'));
    delayed(reply, seconds.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) * 1_000)
}

fn typed(content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
    match Header::named("Content-Type", content_type) {
        Ok(header) => Reply::new(Status::OK, header, body.into()),
        Err(_) => Reply::empty(Status::INTERNAL_SERVER_ERROR),
    }
}

fn own(name: &str) -> Reply {
    if let Some((_, text)) = OWN.iter().find(|(it, _)| *it == name) {
        return typed(SCRIPT, *text);
    }
    let script = name.strip_suffix(".html").map(|stem| format!("{stem}.js"));
    match script.filter(|script| OWN.iter().any(|(it, _)| it == script)) {
        Some(script) => {
            let title = script.trim_end_matches(".js");
            typed(
                HTML,
                format!(
                    "<!doctype html>\n<meta charset=utf-8>\n<title>{title}</title>\n<body>\n\
                     <script src=/own/harness.js></script>\n<script src=/own/{script}></script>\n"
                ),
            )
        }
        None => Reply::text(Status::NOT_FOUND, "no such page\n"),
    }
}

fn from_checkout(site: &Site, root: &Path, head: &RequestHead<'_, '_>) -> Option<Reply> {
    let path = decoded(head.path())?;
    let alias = ALIASES.iter().find(|(from, _)| *from == path);
    let path = alias.map_or(path, |(_, to)| (*to).to_owned());
    if let Some(file) = inside(root, &path) {
        return Some(file_reply(site, &file, head));
    }
    let query = head.query().map(|query| format!("?{query}")).unwrap_or_default();
    wrapper(root, &path, &query)
}

/// The path without its escapes; `None` if that would lead elsewhere.
fn decoded(path: &str) -> Option<String> {
    // A plus is a plus in a path.
    let escaped = path.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    let (path, _) = sockeye_http::QueryPairs::new(&escaped).next()?;
    (!path.split('/').any(|part| part == ".." || part.contains('\0'))).then(|| path.into_owned())
}

/// The file below `root`, wherever links lead.
fn inside(root: &Path, path: &str) -> Option<PathBuf> {
    let file = root.join(path.trim_start_matches('/')).canonicalize().ok()?;
    (file.starts_with(root) && file.is_file()).then_some(file)
}

fn file_reply(site: &Site, file: &Path, head: &RequestHead<'_, '_>) -> Reply {
    let Ok(mut body) = std::fs::read(file) else {
        return Reply::empty(Status::INTERNAL_SERVER_ERROR);
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if name.contains(".sub.") || Query::of(head).first("pipe").as_deref() == Some("sub") {
        body = site.substitute(&String::from_utf8_lossy(&body), head).into_bytes();
    }
    let mut reply = typed(content_type(&name), body);
    for suffix in [".headers", ".sub.headers"] {
        let Ok(text) = std::fs::read_to_string(file.with_file_name(format!("{name}{suffix}")))
        else {
            continue;
        };
        add_headers(&mut reply, &site.substitute(&text, head));
    }
    reply
}

/// Lines of a file beside the file: they replace what is there.
fn add_headers(reply: &mut Reply, text: &str) {
    for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
        if let Ok(header) = Header::named(name.trim(), value.trim()) {
            if name.trim().eq_ignore_ascii_case("content-type") {
                reply.headers.clear();
            }
            reply.headers.push(header);
        }
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or("") {
        "html" | "htm" => "text/html",
        "js" => "text/javascript",
        "json" => "application/json",
        "css" => "text/css",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "xhtml" => "application/xhtml+xml",
        "xml" => "application/xml",
        "event_stream" => "text/event-stream",
        _ => "text/plain",
    }
}

/// A page, or a worker, that is made for a script.
fn wrapper(root: &Path, path: &str, query: &str) -> Option<Reply> {
    let of = |suffix: &str, source: &str| {
        let script = format!("{}{source}", path.strip_suffix(suffix)?);
        let text = std::fs::read_to_string(inside(root, &script)?).ok()?;
        Some((Meta::of_script(&text), script))
    };
    if let Some((meta, script)) = of(".any.worker.js", ".any.js") {
        return Some(typed(SCRIPT, worker(&meta, &script)));
    }
    let (meta, body) = if let Some((meta, script)) = of(".any.worker.html", ".any.js") {
        let worker = script.replace(".any.js", ".any.worker.js");
        (meta, format!("<script>fetch_tests_from_worker(new Worker('{worker}{query}'));</script>"))
    } else if let Some((meta, script)) = of(".any.sharedworker.html", ".any.js") {
        let worker = script.replace(".any.js", ".any.worker.js");
        let start = format!("fetch_tests_from_worker(new SharedWorker('{worker}{query}'))");
        (meta, format!("<script>{start};</script>"))
    } else if let Some((meta, script)) = of(".worker.html", ".worker.js") {
        (meta, format!("<script>fetch_tests_from_worker(new Worker('{script}{query}'));</script>"))
    } else {
        let (meta, script) =
            of(".any.html", ".any.js").or_else(|| of(".window.html", ".window.js"))?;
        let scripts: String =
            meta.scripts.iter().map(|it| format!("<script src=\"{it}\"></script>\n")).collect();
        let body =
            format!("{scripts}<div id=log></div>\n<script src=\"{script}{query}\"></script>");
        (meta, body)
    };
    Some(typed(HTML, page(&meta, &body)))
}

fn page(meta: &Meta, body: &str) -> String {
    let mut text = "<!doctype html>\n<meta charset=utf-8>\n".to_owned();
    if let Some(title) = &meta.title {
        let title = title.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(text, "<title>{title}</title>");
    }
    if meta.long {
        text.push_str("<meta name=timeout content=long>\n");
    }
    text.push_str(
        "<script>self.GLOBAL = { isWindow: () => true, isWorker: () => false, \
         isShadowRealm: () => false };</script>\n\
         <script src=/resources/testharness.js></script>\n\
         <script src=/resources/testharnessreport.js></script>\n",
    );
    text + body + "\n"
}

fn worker(meta: &Meta, script: &str) -> String {
    let mut text = "self.GLOBAL = { isWindow: () => false, isWorker: () => true, \
                    isShadowRealm: () => false };\n\
                    importScripts('/resources/testharness.js');\n"
        .to_owned();
    if let Some(title) = &meta.title {
        let _ = writeln!(text, "self.META_TITLE = {};", serde_json::json!(title));
    }
    for script in meta.scripts.iter().map(String::as_str).chain([script]) {
        let _ = writeln!(text, "importScripts('{script}');");
    }
    text + "done();\n"
}
