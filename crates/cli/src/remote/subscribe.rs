//! `sockeye subscribe`: prints what a subscription tells.

use std::io::{ErrorKind, IsTerminal as _};
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use sockeye_client::{
    Data, Error, Gap, HubError, Publication, Subscription, SubscriptionEvent, SubscriptionOptions,
    Target, Transport as Spoken,
};
use sockeye_terminal::{Failure, OrFail, notice, plain, span};

use super::args::{From, SubscribeOptions, Transport};
use super::output::{Output, watch_reader, watch_signals};
use super::ways::{Ways, is_busy, name};
use super::words::Server;
use super::{Remote, plain, shown};

/// Prints messages until there are no more to come.
pub fn run(options: &SubscribeOptions) -> Result<(), Failure> {
    let remote = Remote::new(&options.server)?;
    let asked = asked(options, &remote)?;
    let mut printer = Printer::new(options, &remote, Ways::new(asked.transports.clone()));
    watch_signals(Arc::clone(&printer.output))?;
    watch_reader()?;
    let subscription = Subscription::new(asked, remote.network);
    let mut subscription = subscription.or_fail(|| "cannot subscribe".into())?;
    while let Some(event) = subscription.next() {
        let event = event.map_err(|error| printer.failure(&error))?;
        let more = match event {
            SubscriptionEvent::Lost { why, wait_ms } => {
                printer.lost(&why, wait_ms, subscription.transport())?
            }
            event => printer.print(event, subscription.cursor())?,
        };
        if !more {
            subscription.close();
        }
    }
    Ok(())
}

/// Makes the options of the subscription from the command line.
fn asked(options: &SubscribeOptions, remote: &Remote) -> Result<SubscriptionOptions, Failure> {
    let targets: Vec<&str> = options.channels.iter().map(String::as_str).collect();
    let mut asked = SubscriptionOptions::new(remote.address.url.clone(), &targets);
    asked.cursor = start(options);
    match options.transport {
        // As the client prefers them.
        Transport::Auto => {}
        Transport::Ws => asked.transports = vec![Spoken::WebSocket],
        Transport::Sse => asked.transports = vec![Spoken::EventStream],
        Transport::Poll => asked.transports = vec![Spoken::LongPoll],
        Transport::ShortPoll => asked.transports = vec![Spoken::ShortPoll],
    }
    let value = remote.authorization.clone();
    asked.headers.extend(value.map(|value| ("Authorization".to_owned(), value)));
    Ok(asked)
}

fn start(options: &SubscribeOptions) -> Option<String> {
    options.cursor.clone().or_else(|| match options.from {
        From::Earliest => Some("earliest".into()),
        From::Now => None,
    })
}

/// The printer of a subscription's events, and its state.
struct Printer {
    server: Server,
    ways: Ways,
    output: Arc<Output>,
    style: Style,
    quiet: bool,
    /// Messages that may still come.
    left: Option<u64>,
    /// The channels that were not refused.
    wanted: Vec<String>,
    /// The reason of the first refusal.
    refusal: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Json,
    Person,
}

/// A line of JSON, with the fields that its type has.
#[derive(Default, Serialize)]
struct Line<'l> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value<'l>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missed: Option<Missed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gaps: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replayed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'l str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Value<'l> {
    Text(&'l str),
    Json(&'l RawValue),
}

#[derive(Serialize)]
struct Missed {
    after: u64,
    through: u64,
}

impl Printer {
    fn new(options: &SubscribeOptions, remote: &Remote, ways: Ways) -> Self {
        let output = Arc::new(Output::default());
        // Nothing is written, so nothing can fail.
        let _ = output.write(None, start(options).filter(|it| it != "now"));
        let person = !options.json && std::io::stdout().is_terminal();
        Self {
            server: Server::new(&remote.address),
            ways,
            output,
            style: if person { Style::Person } else { Style::Json },
            quiet: options.quiet,
            left: options.count,
            wanted: options.channels.clone(),
            refusal: None,
        }
    }

    /// Prints one event, behind which this cursor stands; whether more are wanted.
    fn print(
        &mut self,
        event: SubscriptionEvent<'_>,
        cursor: Option<&str>,
    ) -> Result<bool, Failure> {
        match event {
            SubscriptionEvent::Connected { transport } => {
                if let Some(words) = self.ways.connected(transport) {
                    self.notice(&words);
                }
                Ok(true)
            }
            SubscriptionEvent::Message(message) => self.message(&message, cursor),
            SubscriptionEvent::Gap(gap) => {
                let line = gap_line(&gap);
                self.line(&line, shown::gap(line.channel.or(line.pattern), &gap.reason), cursor)
            }
            SubscriptionEvent::Sync { cursor: at, recovered, gaps, replayed } => {
                if self.style == Style::Person && replayed > 0 {
                    self.notice(&format!("up to date; {replayed} came out of history"));
                }
                let line = Line {
                    r#type: "sync",
                    cursor: Some(&at),
                    recovered: Some(recovered),
                    gaps: Some(gaps),
                    replayed: Some(replayed),
                    ..Line::default()
                };
                self.line(&line, String::new(), cursor)
            }
            SubscriptionEvent::End { channel, cursor: at } => {
                let (of, at) = (Some(&*channel), Some(&*at));
                let line = Line { r#type: "end", channel: of, cursor: at, ..Line::default() };
                self.line(&line, format!("-- {}: ended", plain(&channel)), cursor)
            }
            SubscriptionEvent::Refused { channel, code, message } => {
                self.refused(&channel, &code, &message)
            }
            // There may be new ones.
            _ => Ok(true),
        }
    }

    fn message(
        &mut self,
        message: &Publication<'_>,
        cursor: Option<&str>,
    ) -> Result<bool, Failure> {
        let line = Line {
            r#type: "message",
            channel: Some(&message.channel),
            cursor: Some(&message.cursor),
            time: Some(message.time_ms),
            event: message.event.as_deref(),
            data: match &message.data {
                Data::Text(text) => Some(Value::Text(text)),
                Data::Json(json) => serde_json::from_str(json).ok().map(Value::Json),
            },
            ..Line::default()
        };
        let person = match self.style {
            Style::Json => String::new(),
            Style::Person => {
                let (Data::Text(data) | Data::Json(data)) = &message.data;
                shown::message(message.time_ms, &message.channel, message.event.as_deref(), data)
            }
        };
        let more = self.line(&line, person, cursor)?;
        let Some(left) = &mut self.left else { return Ok(more) };
        *left -= 1;
        Ok(more && *left > 0)
    }

    fn refused(&mut self, channel: &str, code: &str, message: &str) -> Result<bool, Failure> {
        let why = format!("{}: {} ({})", plain(channel), plain(message), plain(code));
        let (of, code, message) = (Some(channel), Some(code), Some(message));
        let line = Line { r#type: "error", channel: of, code, message, ..Line::default() };
        let more = self.style == Style::Person || self.line(&line, String::new(), None)?;
        self.wanted.retain(|wanted| wanted != channel);
        self.refusal.get_or_insert_with(|| why.clone());
        if !self.wanted.is_empty() {
            notice(format_args!("{why}"));
        }
        Ok(more)
    }

    /// Handles a lost connection. If the hub has never answered, the run fails, unless the server asks for a later
    /// attempt or another transport may work.
    fn lost(&mut self, why: &Error, wait_ms: u64, next: Spoken) -> Result<bool, Failure> {
        let is_known = self.ways.is_known();
        let words = self.server.explain(why, is_known);
        let was = self.ways.now();
        let may_help = self.ways.lost(next, why, &words);
        if !is_known && !may_help {
            return Err(self.failure(why));
        }
        // A first failure that another transport may mend at once is reported when that has connected.
        if is_known || is_busy(why) || matches!(why, Error::TimedOut(_)) {
            let by = if next == was { String::new() } else { format!(", by {}", name(next)) };
            self.notice(&format!("{words}; again in {}{by}", span::words(wait_ms)));
        }
        Ok(true)
    }

    /// A notice for a person.
    fn notice(&self, text: &str) {
        if !self.quiet {
            notice(format_args!("{text}"));
        }
    }

    /// Prints one of two lines, and stores the cursor; false once the reader has left.
    fn line(&self, line: &Line<'_>, person: String, cursor: Option<&str>) -> Result<bool, Failure> {
        let text = match self.style {
            Style::Person => Some(person).filter(|text| !text.is_empty()),
            Style::Json => Some(plain::json(line).or_fail(|| "cannot write".into())?),
        };
        match self.output.write(text.as_deref(), cursor.map(str::to_owned)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Failure(format!("cannot write: {error}"))),
        }
    }

    /// Returns the failure for a subscription that ends early.
    fn failure(&self, error: &Error) -> Failure {
        match (error, &self.refusal) {
            (Error::Hub(HubError::Refused { .. }), Some(first)) if self.wanted.is_empty() => {
                Failure(format!("nothing is left to subscribe: {first}"))
            }
            (Error::Hub(HubError::Goaway { code: 4300..=4399, .. }), _) => {
                let why = self.server.explain(error, self.ways.is_known());
                Failure(format!("{why}; other credentials are needed"))
            }
            _ => Failure(self.server.explain(error, self.ways.is_known())),
        }
    }
}

fn gap_line<'l>(gap: &'l Gap<'_>) -> Line<'l> {
    let (channel, pattern, all) = match &gap.target {
        Target::Channel(name) => (Some(&**name), None, None),
        Target::Pattern(name) => (None, Some(&**name), None),
        Target::All => (None, None, Some(true)),
    };
    let missed = gap.missed.map(|(after, through)| Missed { after, through });
    let (reason, ended) = (Some(&*gap.reason), gap.ended.then_some(true));
    Line { r#type: "gap", channel, pattern, all, reason, missed, ended, ..Line::default() }
}
