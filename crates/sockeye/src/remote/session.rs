//! A subscription over all its connections: what is still wanted, and where it is.

use std::io::{ErrorKind, IsTerminal as _};
use std::sync::Arc;

use super::address::encode;
use super::args::{From, SubscribeOptions};
use super::item::one_line;
use super::output::Output;
use super::said::Said;
use super::{Break, plain};

/// A subscription.
pub(super) struct Session {
    /// Those of the channels that have neither ended nor been refused.
    wanted: Vec<String>,
    output: Arc<Output>,
    style: Style,
    quiet: bool,
    /// Messages that may still come.
    left: Option<u64>,
    /// Whether a connection has ever been good.
    known: bool,
    connection: Connection,
    /// Why the first channel was refused, if nothing else has come of any.
    refusal: Option<String>,
}

/// What has happened on the connection that there is now.
#[derive(Default)]
struct Connection {
    good: bool,
    /// Whether something was said behind which its cursor stands.
    heard: bool,
    messages: bool,
    synced: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Json,
    Person,
}

impl Session {
    pub(super) fn new(options: &SubscribeOptions) -> Self {
        let output = Arc::new(Output::default());
        let start = options.cursor.clone().or_else(|| match options.from {
            From::Earliest => Some("earliest".into()),
            From::Now => None,
        });
        // Nothing is written, so nothing can fail.
        let _ = output.write(None, start.filter(|it| it != "now"));
        let person = !options.json && std::io::stdout().is_terminal();
        let mut wanted = Vec::new();
        for channel in &options.channels {
            if !wanted.contains(channel) {
                wanted.push(channel.clone());
            }
        }
        Self {
            wanted,
            output,
            style: if person { Style::Person } else { Style::Json },
            quiet: options.quiet,
            left: options.count,
            known: false,
            connection: Connection::default(),
            refusal: None,
        }
    }

    pub(super) fn output(&self) -> Arc<Output> {
        Arc::clone(&self.output)
    }

    /// What is still wanted.
    pub(super) fn wanted(&self) -> &[String] {
        &self.wanted
    }

    pub(super) fn cursor(&self) -> Option<String> {
        self.output.cursor()
    }

    /// The channels and the cursor as a query, behind what stands there already.
    pub(super) fn query(&self, path: &str) -> String {
        let mut query = path.to_owned();
        for channel in &self.wanted {
            query.push_str("&channel=");
            encode(channel, &mut query);
        }
        if let Some(cursor) = self.cursor() {
            query.push_str("&cursor=");
            encode(&cursor, &mut query);
        }
        query
    }

    /// Another connection begins.
    pub(super) fn begin(&mut self) {
        self.connection = Connection::default();
    }

    /// The server has taken us in.
    pub(super) fn opened(&mut self) {
        if self.known && !self.connection.good {
            self.notice("connected again");
        }
        (self.known, self.connection.good) = (true, true);
    }

    /// Whether the server has ever taken us in.
    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    /// Whether it has on this connection, and whether a message came.
    pub(super) fn progress(&self) -> (bool, bool) {
        (self.connection.good, self.connection.messages)
    }

    /// A notice for a person.
    pub(super) fn notice(&self, text: &str) {
        if !self.quiet {
            crate::notice(format_args!("{text}"));
        }
    }

    /// A cursor that comes without anything said. One that comes before the first word of a
    /// connection does not count if there is another already: the gap that it implies may be still
    /// to come.
    pub(super) fn heartbeat(&mut self, cursor: Option<&str>) {
        let known = self.cursor();
        let Some(cursor) = cursor.filter(|cursor| !cursor.is_empty()) else { return };
        if (self.connection.heard || known.is_none()) && known.as_deref() != Some(cursor) {
            let _ = self.output.write(None, Some(cursor.to_owned()));
        }
    }

    /// Takes in an object without its `type`.
    pub(super) fn hear_named(
        &mut self,
        kind: &str,
        object: &str,
        cursor: Option<&str>,
    ) -> Result<(), Break> {
        let members = object.trim_start().strip_prefix('{').unwrap_or(object);
        self.hear(&format!("{{\"type\":\"{kind}\",{members}"), cursor)
    }

    /// Takes in what the server says, one JSON object; the cursor is the object's own if none came
    /// with it.
    pub(super) fn hear(&mut self, text: &str, cursor: Option<&str>) -> Result<(), Break> {
        let said: Said<'_> = serde_json::from_str(text)
            .map_err(|error| Break::Final(format!("the server says strange things: {error}")))?;
        let cursor = cursor.filter(|cursor| !cursor.is_empty()).or(said.cursor.as_deref());
        let cursor = cursor.map(str::to_owned);
        self.connection.heard |= matches!(&*said.kind, "message" | "gap" | "sync" | "end");
        match &*said.kind {
            "message" => self.message(text, &said, cursor),
            "gap" => {
                self.print(Some((text, said.gap_line())), None)?;
                if said.ended { self.end(said.channel.as_deref()) } else { Ok(()) }
            }
            "sync" => self.sync(text, &said, cursor),
            "end" => {
                let channel = said.channel.as_deref();
                let line = format!("-- {}: ended", plain(channel.unwrap_or("?")));
                self.print(Some((text, line)), cursor)?;
                self.end(channel)
            }
            "error" => self.refused(text, &said),
            "goaway" => {
                self.heartbeat(cursor.as_deref());
                let code = said.code.and_then(|code| code.get().parse().ok()).unwrap_or(0);
                Err(Break::goaway(code, said.reason.as_deref().unwrap_or(""), said.retry_ms))
            }
            "subscribed" => {
                self.heartbeat(cursor.as_deref());
                Ok(())
            }
            // There may be new ones.
            _ => Ok(()),
        }
    }

    fn message(
        &mut self,
        text: &str,
        said: &Said<'_>,
        cursor: Option<String>,
    ) -> Result<(), Break> {
        let line = match self.style {
            Style::Json => String::new(),
            Style::Person => said.message_line(),
        };
        self.print(Some((text, line)), cursor)?;
        self.connection.messages = true;
        if let Some(left) = &mut self.left {
            *left -= 1;
            if *left == 0 {
                return Err(Break::Over);
            }
        }
        Ok(())
    }

    /// Each poll is told that it has caught up; once a connection is enough.
    fn sync(&mut self, text: &str, said: &Said<'_>, cursor: Option<String>) -> Result<(), Break> {
        let is_news = !self.connection.synced || said.gaps.unwrap_or_default() > 0;
        self.connection.synced = true;
        if self.style == Style::Person {
            let replayed = said.replayed.unwrap_or_default();
            if is_news && replayed > 0 {
                self.notice(&format!("up to date; {replayed} came out of history"));
            }
            return self.print(None, cursor);
        }
        self.print(is_news.then(|| (text, String::new())), cursor)
    }

    /// An answer with nothing behind it: of a poll that missed nothing, the server does not say more.
    pub(super) fn caught_up(&mut self) -> Result<(), Break> {
        let Some(cursor) = self.cursor().filter(|_| !self.connection.synced) else { return Ok(()) };
        let cursor = serde_json::Value::String(cursor);
        let sync = format!("\"cursor\":{cursor},\"recovered\":true,\"gaps\":0,\"replayed\":0}}");
        self.hear_named("sync", &sync, None)
    }

    /// A channel that has ended is not wanted any more; nor are we without one.
    pub(super) fn end(&mut self, channel: Option<&str>) -> Result<(), Break> {
        self.wanted.retain(|wanted| Some(&**wanted) != channel);
        if self.wanted.is_empty() { Err(Break::Over) } else { Ok(()) }
    }

    fn refused(&mut self, text: &str, said: &Said<'_>) -> Result<(), Break> {
        let Some(channel) = said.channel.as_deref() else {
            return Err(Break::Final(format!("the server refused: {}", said.problem())));
        };
        let why = format!("{}: {}", plain(channel), said.problem());
        if self.style == Style::Json {
            self.print(Some((text, String::new())), None)?;
        }
        let first = self.refusal.get_or_insert_with(|| why.clone()).clone();
        self.wanted.retain(|wanted| wanted != channel);
        if self.wanted.is_empty() {
            return Err(Break::Final(format!("nothing is left to subscribe: {first}")));
        }
        crate::notice(format_args!("{why}"));
        Ok(())
    }

    /// Prints one of two lines; a reader that is gone ends it quietly.
    fn print(&self, line: Option<(&str, String)>, cursor: Option<String>) -> Result<(), Break> {
        let line = line.map(|(json, person)| match self.style {
            Style::Json => one_line(json.to_owned()),
            Style::Person => person,
        });
        self.output.write(line.as_deref(), cursor).map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Break::Over,
            _ => Break::Final(format!("cannot write: {error}")),
        })
    }
}
