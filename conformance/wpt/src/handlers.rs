//! Handlers for requests that need more than a file: statuses, types, cookies, redirects, delays.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use sockeye_http::{Method, RequestHead};
use sockeye_server::{Answer, Header, Reply, Request, Status};

use crate::host::{Lead, delayed};
use crate::query::{Query, cookie, header};
use crate::script::{Repeat, Script, Stage};
use crate::site::Site;

/// The state of handlers between requests, by token.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Event streams that are open now.
    open: Counts,
    /// The header names that a preflight asked for; `None` once the page was connected.
    preflights: BTreeMap<String, Option<String>>,
    stash: BTreeMap<String, String>,
}

type Counts = Arc<Mutex<BTreeMap<String, u64>>>;

impl Memory {
    fn put(&mut self, query: &Query) -> Reply {
        if self.stash.len() >= ENTRIES_MAX {
            self.stash.clear();
        }
        self.stash.insert(query.first_or("key", ""), query.first_or("value", ""));
        json("\"OK\"".to_owned())
    }

    fn take(&mut self, query: &Query) -> Reply {
        let value = self.stash.remove(&query.first_or("key", ""));
        json(serde_json::json!(value).to_string())
    }
}

/// Tokens come from pages: there are fewer of them in a run.
const ENTRIES_MAX: usize = 1_000;
const JSON: Header = Header::from_static("Content-Type", "application/json");
const EVENTS: Header = Header::from_static("Content-Type", "text/event-stream");
const NO_STORE: Header = Header::from_static("Cache-Control", "no-store");
const TEXT: Header = Header::from_static("Content-Type", "text/plain");

/// Answers what has a handler.
pub(crate) fn answer(site: &Site, request: &Request<'_>, memory: &mut Memory) -> Option<Lead> {
    let head = request.head;
    let query = Query::of(head);
    let reply = match head.path() {
        "/eventsource/resources/message.py" => {
            return Some(delayed(message(&query), query.number("sleep")));
        }
        "/eventsource/resources/message2.py" => return Some(endless()),
        "/eventsource/resources/last-event-id.py" => last_event_id(head, &query),
        "/eventsource/resources/last-event-id2.py" => kept_ids(&query),
        "/eventsource/resources/status-error.py" => status_error(&query),
        "/eventsource/resources/status-reconnect.py" => status_reconnect(head, &query),
        "/eventsource/resources/reconnect-fail.py" => reconnect_fail(head, &query),
        "/eventsource/resources/cors.py" => cors(site, head, &query),
        "/eventsource/resources/cors-cookie.py" => cors_cookie(head, &query),
        "/eventsource/resources/cors-unsafe-last-event-id.py" => unsafe_id(head, &query, memory),
        "/eventsource/resources/bfcache-counter.py" => return Some(counter(&query, memory)),
        "/eventsource/resources/accept.event_stream" => seen(head, "accept"),
        "/eventsource/resources/cache-control.event_stream" => seen(head, "cache-control"),
        "/fetch/api/resources/stash-put.py" => memory.put(&query),
        "/fetch/api/resources/stash-take.py" => memory.take(&query),
        "/common/redirect.py" => redirect(head, &query),
        "/websockets/cookies/support/set-cookie.py" => set_cookie(head),
        "/websockets/security/check.py" => check(head),
        "/websockets/opening-handshake/resources/redirect_response.py" => {
            Reply::empty(Status::MOVED_PERMANENTLY).header(named("Location", "/echo"))
        }
        _ => return None,
    };
    Some(reply.into())
}

/// A header out of a request. What cannot stand in a line becomes a name that shows it.
fn named(name: &str, value: &str) -> Header {
    let header = Header::named(name, value.trim());
    header.unwrap_or(Header::from_static("X-Not-A-Header", "the request asked for one"))
}

fn status(code: &str) -> Status {
    code.parse().ok().and_then(Status::new).unwrap_or(Status::NOT_FOUND)
}

fn json(text: String) -> Reply {
    Reply::new(Status::OK, JSON, text.into_bytes())
}

fn events(body: impl Into<Vec<u8>>) -> Reply {
    Reply::new(Status::OK, EVENTS, body.into())
}

fn message(query: &Query) -> Reply {
    let mime = query.first_or("mime", "text/event-stream");
    let mut body = query.first_or("message", "data: data");
    if query.first_or("newline", "") != "none" {
        body.push_str("\n\n");
    }
    body.push('\n');
    Reply::new(Status::OK, named("Content-Type", &mime), body.into_bytes())
}

/// A stream without end whose lines no encoder would write.
fn endless() -> Lead {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\
                 Connection: close\r\n\r\n";
    let block = b"data:msg\ndata: msg\n\n:\nfalsefield:msg\n\nfalsefield:msg\nData:data\n\n\
                  data\n\ndata:end\n\n";
    Answer::Tunnel(Box::new(Repeat { head, block, ms: 2_000 }))
}

fn last_event_id(head: &RequestHead<'_, '_>, query: &Query) -> Reply {
    // As bytes: an ID need not be text that we understand.
    if let Some(id) = head.headers().all("last-event-id").next().filter(|id| !id.is_empty()) {
        return events([b"data: ", id, b"\n\n"].concat());
    }
    events(format!("id: {}\nretry: 200\ndata: hello\n\n", query.first_or("idvalue", "…")))
}

fn kept_ids(query: &Query) -> Reply {
    events(match &*query.first_or("type", "1") {
        "1" => "id: 1\ndata: 1\n\ndata: 2\n\nid: 2\ndata:3\n\ndata:4\n\n",
        "2" => "id: 1\ndata: 1\n\nid:\ndata:2\n\ndata:3\n\n",
        "3" => "id: 1\ndata: 1\n\nid\ndata:2\n\ndata:3\n\n",
        _ => "data: invalid_test\n\n",
    })
}

fn status_error(query: &Query) -> Reply {
    let status = status(&query.first_or("status", "404"));
    Reply { status, ..events("data: data\n\n") }
}

/// The status once, and 200 the next time, by a cookie.
fn status_reconnect(head: &RequestHead<'_, '_>, query: &Query) -> Reply {
    let code = query.first_or("status", "204");
    let name = format!("request{}", query.first_or("id", &code));
    if cookie(head, &name).as_deref() == Some(&*code) {
        return events("data: data\n\n").header(forget(&name));
    }
    let body = if query.has("ok_first") { "retry: 2\ndata: ok\n\n" } else { "retry: 2\n" };
    Reply { status: status(&code), ..events(body) }.header(remember(&name, &code))
}

/// 200, 200, and 204 for ever, by a cookie.
fn reconnect_fail(head: &RequestHead<'_, '_>, query: &Query) -> Reply {
    let name = format!("recon_fail_{}", query.first_or("id", ""));
    match cookie(head, &name).as_deref() {
        Some("opened") => events("data: reconnected\n\n").header(remember(&name, "reconnected")),
        Some("reconnected") => {
            let reply = Reply { status: Status::NO_CONTENT, ..events("data: closed\n\n") };
            reply.header(forget(&name))
        }
        _ => events("retry: 2\ndata: opened\n\n").header(remember(&name, "opened")),
    }
}

fn remember(name: &str, value: &str) -> Header {
    named("Set-Cookie", &format!("{name}={value}; Path=/"))
}

fn forget(name: &str) -> Header {
    named("Set-Cookie", &format!("{name}=; Path=/; Max-Age=0"))
}

/// Another handler, with what a page of another origin needs.
fn cors(site: &Site, head: &RequestHead<'_, '_>, query: &Query) -> Reply {
    let reply = match &*query.first_or("run", "") {
        "message" => message(query),
        "status-reconnect" => status_reconnect(head, query),
        "redirect" => redirect(head, query),
        "cache-control" => {
            let text = site.substitute("data: {{headers[cache-control]}}\n\n", head);
            events(text)
        }
        _ => Reply::empty(Status::OK),
    };
    allowed(reply, head, query)
}

fn allowed(reply: Reply, head: &RequestHead<'_, '_>, query: &Query) -> Reply {
    let own = header(head, "origin").unwrap_or_default();
    reply
        .header(named("Access-Control-Allow-Origin", &query.first_or("origin", &own)))
        .header(named("Access-Control-Allow-Credentials", &query.first_or("credentials", "true")))
}

/// Says on the second connection whether the cookie of the first came along.
fn cors_cookie(head: &RequestHead<'_, '_>, query: &Query) -> Reply {
    let ident = query.first_or("ident", "test");
    let seen = if cookie(head, &ident).is_some() { "COOKIE" } else { "NO_COOKIE" };
    let reply = match header(head, "last-event-id").as_deref() {
        None | Some("") => {
            let body = format!("id: 1\nretry: 200\ndata: first {seen}\n\n");
            events(body).header(remember(&ident, "COOKIE"))
        }
        Some("1") => events(format!("id: 2\ndata: second {seen}\n\n")).header(forget(&ident)),
        Some(id) => {
            let body = format!("data: {id}{seen}\n\n");
            Reply::new(Status::OK, named("Content-Type", "stop"), body.into_bytes())
        }
    };
    allowed(reply, head, query)
}

/// An ID that another origin may get only after a preflight, or that needs none: `fixture` says which.
/// The second connection says by its event whether both came as they should.
fn unsafe_id(head: &RequestHead<'_, '_>, query: &Query, memory: &mut Memory) -> Reply {
    let asked = header(head, "access-control-request-headers");
    let reply = match (query.first("token"), query.first("fixture")) {
        (Some(token), Some(fixture)) => match header(head, "last-event-id") {
            _ if head.method() == Method::OPTIONS => preflight(&token, asked.as_deref(), memory),
            None => first_with_id(token, &fixture, memory),
            Some(id) => second_with_id(&token, &fixture, &id, memory),
        },
        _ => Reply::text(Status::BAD_REQUEST, "token and fixture are needed\n"),
    };
    let reply = match asked {
        Some(names) => reply.header(named("Access-Control-Allow-Headers", &names)),
        None => reply,
    };
    allowed(reply, head, query)
}

/// The ID of a fixture, and whether it needs a preflight.
fn id_of(fixture: &str) -> Option<(String, bool)> {
    match fixture {
        "safe" => Some(("abc".to_owned(), false)),
        // A header value of more than 128 bytes, or with one of these letters, is not CORS-safelisted.
        "long" => Some(("x".repeat(255), true)),
        "unsafe" => Some(("a<b>c".to_owned(), true)),
        _ => None,
    }
}

fn preflight(token: &str, asked: Option<&str>, memory: &mut Memory) -> Reply {
    match memory.preflights.get_mut(token) {
        Some(seen) => {
            *seen = asked.map(str::to_ascii_lowercase);
            Reply::empty(Status::NO_CONTENT)
        }
        None => Reply::text(Status::BAD_REQUEST, "the first connection needs no preflight\n"),
    }
}

fn first_with_id(token: String, fixture: &str, memory: &mut Memory) -> Reply {
    if memory.preflights.len() >= ENTRIES_MAX {
        memory.preflights.clear();
    }
    memory.preflights.insert(token, None);
    match id_of(fixture) {
        Some((id, _)) => events(format!("id: {id}\nretry: 200\ndata: {fixture}\n\n")),
        None => events("event: failure\ndata: no such fixture\n\n"),
    }
}

fn second_with_id(token: &str, fixture: &str, id: &str, memory: &mut Memory) -> Reply {
    let asked = memory.preflights.remove(token).flatten();
    let wanted = id_of(fixture);
    let wanted_asked = wanted.as_ref().and_then(|(_, asks)| asks.then_some("last-event-id"));
    let fits = wanted.is_some_and(|(wanted, _)| wanted == id) && asked.as_deref() == wanted_asked;
    let event = if fits { "success" } else { "failure" };
    events(format!("event: {event}\ndata: the ID is {id}, the preflight asked for {asked:?}\n\n"))
}

/// With `query` the number of connections that are open by this token, else one more of them.
fn counter(query: &Query, memory: &Memory) -> Lead {
    let token = query.first_or("token", "");
    if query.has("query") {
        let open = memory.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.get(&token).copied().unwrap_or(0);
        return json(serde_json::json!({ "count": count }).to_string()).header(NO_STORE).into();
    }
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\
                 Connection: close\r\n\r\ndata: opened\n\n";
    let stream = Repeat { head, block: b": keepalive\n\n", ms: 100 };
    Answer::Tunnel(Box::new(Counted::new(stream, Arc::clone(&memory.open), token)))
}

/// A stream that counts as long as it is open.
struct Counted {
    stream: Repeat,
    open: Counts,
    token: String,
}

impl Counted {
    fn new(stream: Repeat, open: Counts, token: String) -> Self {
        *open.lock().unwrap_or_else(PoisonError::into_inner).entry(token.clone()).or_default() += 1;
        Self { stream, open, token }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(&self.token) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(open.remove(&self.token)),
        }
    }
}

impl Script for Counted {
    fn open(&mut self, stage: &mut Stage<'_, '_>) {
        self.stream.open(stage);
    }

    fn alarm(&mut self, stage: &mut Stage<'_, '_>) {
        self.stream.alarm(stage);
    }
}

/// The header as the server got it.
fn seen(head: &RequestHead<'_, '_>, name: &str) -> Reply {
    events(format!("data: {}\n\n", header(head, name).unwrap_or_default()))
}

fn redirect(head: &RequestHead<'_, '_>, query: &Query) -> Reply {
    let status = query.first("status").and_then(|code| code.parse().ok()).and_then(Status::new);
    let location = query.first_or("location", "");
    let reply = Reply::empty(status.unwrap_or(Status::FOUND)).header(named("Location", &location));
    match header(head, "origin") {
        Some(origin) if query.has("enable-cors") => reply
            .header(TEXT)
            .header(named("Access-Control-Allow-Origin", &origin))
            .header(named("Access-Control-Allow-Credentials", "true")),
        _ => reply,
    }
}

/// The query is the cookie.
fn set_cookie(head: &RequestHead<'_, '_>) -> Reply {
    // `=` separates nothing here: the decoder gets it as part of a name.
    let escaped = head.query().unwrap_or("").replace('=', "%3D").replace('&', "%26");
    let pair = sockeye_http::QueryPairs::new(&escaped).next();
    let cookie = pair.map(|(name, _)| name.into_owned()).unwrap_or_default();
    Reply::empty(Status::OK).header(TEXT).header(named("Set-Cookie", &cookie))
}

/// A script must not be able to ask for a WebSocket by hand.
fn check(head: &RequestHead<'_, '_>) -> Reply {
    let forged = head.headers().contains("sec-websocket-key");
    Reply::text(Status::OK, if forged { "FAIL" } else { "PASS" })
}
