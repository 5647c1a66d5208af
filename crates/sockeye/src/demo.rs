//! The demo application: its pages, a WebSocket echo, a clock of server-sent events.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use sockeye_http::{Date, Method};
use sockeye_server::{
    Answer, App, CloseCause, Context, Event, EventStream, Header, Message, Opened, Origins, Reply,
    Request, SendError, ServerConfig, Status, StreamKey, Time, Upgrade,
};
use sockeye_sse::{EventId, EventName};

use crate::config::Shown;

const ALLOW_GET: Header = Header::from_static("Allow", "GET, HEAD");

/// Ticks replayed to a client that comes back: an hour.
const REPLAY_MAX: u64 = 3600;

/// Seconds by which the machine's clock must have been set back to be believed.
const SET_BACK_MIN: u64 = 2;

/// Milliseconds between two looks at the machine's clock, by which `/clock` finds the turn of the second.
const LOOK_MS: u64 = 20;

/// Tells the page what its commands need: the file by which curl trusts a certificate for development, and the
/// scheme of the credential, or null.
const NEEDED: &str = "/page/needed.json";

pub(crate) struct Demo {
    /// The streams of `/clock`.
    watchers: BTreeSet<StreamKey>,
    /// The last second that was sent, counted from 1970: it goes on after a restart.
    second: u64,
    deadline: Time,
    /// What [`NEEDED`] answers.
    needed: Vec<u8>,
}

impl Demo {
    /// The demo of a server whose certificate for development, if it has one, is vouched for by the authority in
    /// this file, and which asks for this credential, if it asks for one.
    pub(crate) fn new(authority: Option<&Path>, credential: Option<Shown>) -> Self {
        let (path, scheme) = (authority.map(shown), credential.map(Shown::scheme));
        let needed = serde_json::json!({ "authority": path, "credential": scheme });
        let needed = needed.to_string().into_bytes();
        Self { watchers: BTreeSet::new(), second: 0, deadline: Time::NEVER, needed }
    }

    /// Sends the ticks after `last` up to the present one to `stream`.
    fn replay(&self, stream: StreamKey, last: Option<u64>, context: &mut Context<'_>) {
        let now = self.second;
        let first = match last {
            // An id from the future is not ours; start like everybody else.
            Some(last) if last <= now => (last + 1).max(now.saturating_sub(REPLAY_MAX)),
            Some(_) | None => now,
        };
        for second in first..=now {
            // The server cuts a watcher that does not read.
            let _ = Tick::of(second).send(stream, context);
        }
    }
}

/// The path of a file as the page shows it to everybody: whole if it is below the directory in which the server was
/// started, and its name otherwise. The page tells no other directory of the machine.
fn shown(path: &Path) -> String {
    let is_below = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    let name = path.file_name().map_or(path, Path::new);
    let shown = if path.components().all(is_below) { path } else { name };
    shown.display().to_string()
}

/// The texts of one tick, made once for all watchers.
struct Tick {
    id: String,
    data: String,
}

impl Tick {
    fn of(second: u64) -> Self {
        let date = Date::from_unix(second);
        let time = core::str::from_utf8(date.as_bytes()).expect("dates are ASCII");
        Self { id: second.to_string(), data: format!(r#"{{"n":{second},"time":"{time}"}}"#) }
    }

    fn send(&self, stream: StreamKey, context: &mut Context<'_>) -> Result<(), SendError> {
        let event = Event {
            name: EventName::new("tick").ok(),
            id: EventId::new(&self.id).ok(),
            ..Event::message(&self.data)
        };
        context.send_event(stream, &event)
    }
}

impl App for Demo {
    /// The last tick that the client has seen.
    type Pending = Option<u64>;

    fn on_request(&mut self, request: &Request<'_>, _: &mut Context<'_>) -> Answer<Option<u64>> {
        let path = request.head.path();
        let page = match path {
            NEEDED => Some(crate::pages::json(&self.needed)),
            _ => crate::pages::at(path),
        };
        if page.is_none() && !matches!(path, "/echo" | "/clock") {
            return Reply::text(Status::NOT_FOUND, "no such page\n").into();
        }
        let readable = matches!(request.head.method(), Method::GET | Method::HEAD);
        // The handshake answers for other methods itself.
        if !readable && path != "/echo" {
            let text = "only GET and HEAD here\n";
            return Reply::text(Status::METHOD_NOT_ALLOWED, text).header(ALLOW_GET).into();
        }
        match (page, path) {
            (Some(page), _) => page.into(),
            (None, "/clock") => Answer::EventStream(EventStream::default(), last_event_id(request)),
            (None, _) => {
                let upgrade = Upgrade::new(Origins::Any).compression(ServerConfig::default());
                Answer::WebSocket(upgrade, None)
            }
        }
    }

    fn on_open(
        &mut self,
        stream: StreamKey,
        resume: Option<u64>,
        open: &Opened<'_>,
        context: &mut Context<'_>,
    ) {
        if *open != Opened::EventStream {
            return;
        }
        if self.watchers.is_empty() {
            self.second = context.unix_seconds();
            self.deadline = context.now() + LOOK_MS;
        }
        self.watchers.insert(stream);
        self.replay(stream, resume, context);
    }

    fn on_message(&mut self, stream: StreamKey, message: Message<'_>, context: &mut Context<'_>) {
        // The server cuts a peer that does not read its echo.
        let _ = context.send(stream, message);
    }

    fn on_close(&mut self, stream: StreamKey, _: CloseCause, _: &mut Context<'_>) {
        self.watchers.remove(&stream);
        if self.watchers.is_empty() {
            self.deadline = Time::NEVER;
        }
    }

    fn deadline(&self) -> Time {
        self.deadline
    }

    fn on_timer(&mut self, context: &mut Context<'_>) {
        let now = context.unix_seconds();
        if now <= self.second {
            // A clock that was set back by more than a moment is believed.
            let set_back = self.second - now > SET_BACK_MIN;
            self.second = if set_back { now } else { self.second };
            self.deadline = context.now() + LOOK_MS;
            return;
        }
        // The loop may have slept through some seconds: they are sent too, up to an hour of them.
        for second in (self.second + 1).max(now.saturating_sub(REPLAY_MAX))..=now {
            let tick = Tick::of(second);
            for &watcher in &self.watchers {
                let _ = tick.send(watcher, context);
            }
        }
        self.second = now;
        // Early enough not to drift past the next turn of the second.
        self.deadline = context.now() + (1000 - 2 * LOOK_MS);
    }
}

/// Where the client left off; garbage is a fresh start. EventSource sends the header when it comes
/// back by itself; a script that opens a new one can only say it in the query.
fn last_event_id(request: &Request<'_>) -> Option<u64> {
    let header = request.head.headers().single("Last-Event-ID").ok()?;
    let query = || request.head.query()?.strip_prefix("last_event_id=");
    header.or_else(query)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Tick, shown};

    #[test]
    fn a_page_tells_no_directories_of_the_machine() {
        let paths = ["ca.pem", "dev/ca.pem", "./dev/ca.pem", "/etc/dev/ca.pem", "../dev/ca.pem"];
        let told = paths.map(|path| shown(Path::new(path)));
        assert_eq!(told, ["ca.pem", "dev/ca.pem", "./dev/ca.pem", "ca.pem", "ca.pem"]);
    }

    #[test]
    fn a_tick_tells_the_time() {
        let data = r#"{"n":951782400,"time":"Tue, 29 Feb 2000 00:00:00 GMT"}"#;
        assert_eq!(Tick::of(951_782_400).data, data);
    }
}
