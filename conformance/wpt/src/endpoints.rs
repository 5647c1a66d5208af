//! WebSocket endpoints that keep to the protocol.

use sockeye_server::{
    Answer, CloseCode, Header, Message, Origins, Reply, Request, ServerConfig, Status, Time,
    Upgrade,
};

use crate::host::Lead;
use crate::query::{Query, header};
use crate::script::{Script, Stage, on_message, on_open};

const GOODBYE: Message<'static> = Message::Text("Goodbye");
const BACKPRESSURE_MESSAGES: usize = 16;
const BACKPRESSURE_BYTES: usize = 1 << 20;

/// Answers what is a WebSocket here.
pub(crate) fn answer(request: &Request<'_>) -> Option<Lead> {
    let head = request.head;
    let raw_query = head.query().unwrap_or("");
    let text = |name| header(head, name);
    let (upgrade, script): (Upgrade, Box<dyn Script>) = match head.path() {
        "/echo" => (upgrade().subprotocols(&["echo"]), echo()),
        "/protocol" | "/protocol_array" => {
            let wanted = text("sec-websocket-protocol").unwrap_or_default();
            let first = wanted.split(',').next().unwrap_or("").trim().to_owned();
            (upgrade().subprotocols(SPOKEN), say(first))
        }
        "/basic_auth" if text("authorization").as_deref() != Some("Basic Zm9vOmJhcg==") => {
            return Some(Reply::empty(Status::UNAUTHORIZED).header(ASK).into());
        }
        "/basic_auth" | "/handshake_no_protocol" => (upgrade(), mute()),
        "/handshake_no_extensions" => (uncompressed(), mute()),
        "/receive-backpressure" => (uncompressed(), Box::new(SlowReader)),
        "/receive-many-with-backpressure" => (uncompressed(), Box::new(SlowCounter)),
        "/send-backpressure" => {
            (uncompressed(), Box::new(Sender { left: BACKPRESSURE_MESSAGES, since: None }))
        }
        "/set-cookie" => with_cookies(vec![test_cookie(raw_query, "")]),
        "/set-cookie_http" => with_cookies(vec![test_cookie(raw_query, "; HttpOnly")]),
        "/set-cookies-samesite" => with_cookies(same_site(&Query::of(head))),
        "/remote-close" => (upgrade(), remote_close(&Query::of(head))),
        "/echo-cookie" => (upgrade(), say(text("cookie").unwrap_or_else(|| "(none)".to_owned()))),
        "/origin" => (upgrade(), say(text("origin").unwrap_or_default())),
        "/referrer" => {
            let referrer = text("referer").unwrap_or_else(|| "MISSING AS PER FETCH".to_owned());
            (upgrade(), say(referrer))
        }
        "/echo-query" | "/echo-query_v13" => (upgrade(), say(raw_query.to_owned())),
        "/empty-message" => (upgrade(), empty_message()),
        "/echo_exit" | "/echo_close_data" => (upgrade(), until_goodbye()),
        _ => return None,
    };
    Some(Answer::WebSocket(upgrade, script))
}

const ASK: Header = Header::from_static("WWW-Authenticate", "Basic realm=\"camelot\"");

/// The subprotocols that the tests offer.
const SPOKEN: &[&str] = &["foobar", "foobar2", "alpha", "beta"];

fn upgrade() -> Upgrade {
    Upgrade::new(Origins::Any).compression(ServerConfig::default())
}

/// An upgrade without compression: compressed messages would fill no buffer.
fn uncompressed() -> Upgrade {
    Upgrade::new(Origins::Any)
}

fn with_cookies(cookies: Vec<String>) -> (Upgrade, Box<dyn Script>) {
    let headers = cookies.into_iter().filter_map(|cookie| Header::named("Set-Cookie", cookie).ok());
    let until_message = on_message(|_, stage| stage.end());
    (upgrade().headers(headers), until_message)
}

fn test_cookie(query: &str, more: &str) -> String {
    format!("ws_test_{query}=test; Path=/{more}")
}

fn same_site(query: &Query) -> Vec<String> {
    let value = query.first_or("value", "1");
    let age = if query.has("clear") { "; Max-Age=0" } else { "" };
    [("unspecified", ""), ("lax", "; SameSite=Lax"), ("strict", "; SameSite=Strict")]
        .into_iter()
        .chain([("none", "; SameSite=None; Secure")])
        .map(|(name, more)| format!("samesite-{name}={value}; Path=/{more}{age}"))
        .collect()
}

/// Sends everything back, and goes when it is told goodbye.
fn echo() -> Box<dyn Script> {
    on_message(|message, stage| {
        stage.send(message);
        if message == GOODBYE {
            stage.end();
        }
    })
}

/// Says nothing and goes.
fn mute() -> Box<dyn Script> {
    on_open(|stage| stage.end())
}

/// Says one thing and goes.
fn say(text: String) -> Box<dyn Script> {
    on_open(move |stage| {
        stage.send(Message::Text(&text));
        stage.end();
    })
}

fn empty_message() -> Box<dyn Script> {
    on_message(|message, stage| {
        stage.send(Message::Text(if message == Message::Text("") { "pass" } else { "fail" }));
        stage.end();
    })
}

/// Hears everything and says nothing, until it is told goodbye.
fn until_goodbye() -> Box<dyn Script> {
    on_message(|message, stage| {
        if message == GOODBYE {
            stage.end();
        }
    })
}

/// Closes at once, as the query says.
fn remote_close(query: &Query) -> Box<dyn Script> {
    let code = query.first("code").and_then(|code| code.parse().ok());
    let reason = query.first_or("reason", "");
    on_open(move |stage| match code {
        Some(code) => stage.close(CloseCode::new(code), &reason),
        None => stage.close(CloseCode::NO_STATUS, ""),
    })
}

/// Does not read for two seconds: what the peer sends fills every buffer on the way.
struct SlowReader;

impl Script for SlowReader {
    fn open(&mut self, stage: &mut Stage<'_, '_>) {
        stage.pause(2_000);
    }

    fn message(&mut self, _: Message<'_>, stage: &mut Stage<'_, '_>) {
        stage.end();
    }
}

/// Reads ten messages a second, and says how long each one was.
struct SlowCounter;

impl Script for SlowCounter {
    fn open(&mut self, stage: &mut Stage<'_, '_>) {
        stage.pause(100);
    }

    fn message(&mut self, message: Message<'_>, stage: &mut Stage<'_, '_>) {
        let len = match message {
            Message::Text(text) => text.chars().count(),
            Message::Binary(bytes) => bytes.len(),
        };
        stage.send(Message::Text(&len.to_string()));
        stage.pause(100);
    }
}

/// Sends much, each message once the one before it is out, and says how many seconds that took.
struct Sender {
    left: usize,
    since: Option<Time>,
}

impl Script for Sender {
    fn open(&mut self, stage: &mut Stage<'_, '_>) {
        stage.send(Message::Binary(&[]));
        self.since = Some(stage.context.now());
        self.drained(stage);
    }

    fn drained(&mut self, stage: &mut Stage<'_, '_>) {
        let Some(since) = self.since else { return };
        if self.left > 0 {
            self.left -= 1;
            stage.send(Message::Binary(&[b' '; BACKPRESSURE_BYTES]));
            return stage.context.notify_drained(stage.stream);
        }
        let ms = stage.context.now().since(since);
        stage.send(Message::Text(&format!("{}.{:03}", ms / 1_000, ms % 1_000)));
        stage.end();
    }
}
