//! WebSocket endpoints that keep to the protocol.

use sockeye_server::{
    Answer, CloseCode, Header, Message, Origins, Reply, Request, ServerConfig, Status, Time,
    Upgrade,
};

use crate::host::Lead;
use crate::query::{Query, header};
use crate::script::{Script, Stage};

const GOODBYE: Message<'static> = Message::Text("Goodbye");
const BACKPRESSURE_MESSAGES: usize = 16;
const BACKPRESSURE_BYTES: usize = 1 << 20;

/// Answers what is a WebSocket here.
pub(crate) fn answer(request: &Request<'_>) -> Option<Lead> {
    let head = request.head;
    let raw_query = head.query().unwrap_or("");
    let say = |text: String| -> Option<Box<dyn Script>> { Some(Box::new(Say(text))) };
    let script: Option<Box<dyn Script>> = match head.path() {
        "/echo" => return Some(open(Upgrade { subprotocols: &["echo"], ..upgrade() }, Echo)),
        "/protocol" | "/protocol_array" => {
            let wanted = header(head, "sec-websocket-protocol").unwrap_or_default();
            let first = wanted.split(',').next().unwrap_or("").trim().to_owned();
            return Some(open(Upgrade { subprotocols: SPOKEN, ..upgrade() }, Say(first)));
        }
        "/basic_auth" => return Some(basic_auth(request)),
        "/handshake_no_extensions" => return Some(open(uncompressed(), Mute)),
        "/receive-backpressure" => return Some(open(uncompressed(), SlowReader)),
        "/receive-many-with-backpressure" => return Some(open(uncompressed(), SlowCounter)),
        "/send-backpressure" => {
            return Some(open(uncompressed(), Sender { left: BACKPRESSURE_MESSAGES, since: None }));
        }
        "/set-cookie" => return Some(with_cookies(vec![test_cookie(raw_query, "")])),
        "/set-cookie_http" => {
            return Some(with_cookies(vec![test_cookie(raw_query, "; HttpOnly")]));
        }
        "/set-cookies-samesite" => return Some(with_cookies(same_site(&Query::of(head)))),
        "/remote-close" => return Some(open(upgrade(), RemoteClose::of(&Query::of(head)))),
        "/echo-cookie" => say(header(head, "cookie").unwrap_or_else(|| "(none)".to_owned())),
        "/origin" => say(header(head, "origin").unwrap_or_default()),
        "/referrer" => {
            say(header(head, "referer").unwrap_or_else(|| "MISSING AS PER FETCH".to_owned()))
        }
        "/echo-query" | "/echo-query_v13" => say(raw_query.to_owned()),
        "/handshake_no_protocol" => Some(Box::new(Mute)),
        "/empty-message" => Some(Box::new(EmptyMessage)),
        "/echo_exit" | "/echo_close_data" => Some(Box::new(UntilGoodbye)),
        _ => return None,
    };
    script.map(|script| Answer::WebSocket(upgrade(), script))
}

/// The subprotocols that the tests offer.
const SPOKEN: &[&str] = &["foobar", "foobar2", "alpha", "beta"];

fn upgrade() -> Upgrade {
    Upgrade {
        subprotocols: &[],
        origins: Origins::Any,
        message_bytes_max: None,
        compression: Some(ServerConfig::default()),
        headers: Vec::new(),
    }
}

/// An upgrade without compression: compressed messages would fill no buffer.
fn uncompressed() -> Upgrade {
    Upgrade { compression: None, ..upgrade() }
}

fn open(upgrade: Upgrade, script: impl Script + 'static) -> Lead {
    Answer::WebSocket(upgrade, Box::new(script))
}

fn with_cookies(cookies: Vec<String>) -> Lead {
    let headers = cookies.into_iter().filter_map(|cookie| Header::named("Set-Cookie", cookie).ok());
    open(Upgrade { headers: headers.collect(), ..upgrade() }, UntilMessage)
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

fn basic_auth(request: &Request<'_>) -> Lead {
    const ASK: Header = Header::from_static("WWW-Authenticate", "Basic realm=\"camelot\"");
    if header(request.head, "authorization").as_deref() == Some("Basic Zm9vOmJhcg==") {
        return open(upgrade(), Mute);
    }
    Reply::empty(Status::UNAUTHORIZED).header(ASK).into()
}

/// Sends everything back, and goes when it is told goodbye.
struct Echo;

impl Script for Echo {
    fn message(&mut self, message: Message<'_>, stage: &mut Stage<'_, '_>) {
        stage.send(message);
        if message == GOODBYE {
            stage.end();
        }
    }
}

/// Says one thing and goes.
struct Say(String);

/// Says nothing and goes.
struct Mute;

impl Script for Mute {
    fn open(&mut self, stage: &mut Stage<'_, '_>) {
        stage.end();
    }
}

impl Script for Say {
    fn open(&mut self, stage: &mut Stage<'_, '_>) {
        stage.send(Message::Text(&self.0));
        stage.end();
    }
}

struct EmptyMessage;

impl Script for EmptyMessage {
    fn message(&mut self, message: Message<'_>, stage: &mut Stage<'_, '_>) {
        stage.send(Message::Text(if message == Message::Text("") { "pass" } else { "fail" }));
        stage.end();
    }
}

/// Hears everything and says nothing, until it is told goodbye.
struct UntilGoodbye;

impl Script for UntilGoodbye {
    fn message(&mut self, message: Message<'_>, stage: &mut Stage<'_, '_>) {
        if message == GOODBYE {
            stage.end();
        }
    }
}

struct UntilMessage;

impl Script for UntilMessage {
    fn message(&mut self, _: Message<'_>, stage: &mut Stage<'_, '_>) {
        stage.end();
    }
}

/// Closes at once, as the query says.
struct RemoteClose {
    code: Option<u16>,
    reason: String,
}

impl RemoteClose {
    fn of(query: &Query) -> Self {
        let code = query.first("code").and_then(|code| code.parse().ok());
        Self { code, reason: query.first_or("reason", "") }
    }
}

impl Script for RemoteClose {
    fn open(&mut self, stage: &mut Stage<'_, '_>) {
        match self.code {
            Some(code) => stage.close(CloseCode::new(code), &self.reason),
            None => stage.close(CloseCode::NO_STATUS, ""),
        }
    }
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
