//! `sockeye subscribe`: prints what a subscription tells.

use std::io::{ErrorKind, IsTerminal as _};
use std::sync::Arc;

use serde_json::value::RawValue;
use sockeye_client::{
    Data, Error, Gap, HubError, Publication, Subscription, SubscriptionEvent, SubscriptionOptions,
    Target, Transport as Spoken,
};
use sockeye_terminal::{Failure, OrFail, notice, plain::JsonLine, span};

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
                let (line, what) = gap_line(&gap);
                self.line(line, shown::gap(what, &gap.reason), cursor)
            }
            SubscriptionEvent::Sync { cursor: at, recovered, gaps, replayed } => {
                if self.style == Style::Person && replayed > 0 {
                    self.notice(&format!("up to date; {replayed} came out of history"));
                }
                let line = JsonLine::of("sync").field("cursor", &at).field("recovered", &recovered);
                let line = line.field("gaps", &gaps).field("replayed", &replayed);
                self.line(line, String::new(), cursor)
            }
            SubscriptionEvent::End { channel, cursor: at } => {
                let line = JsonLine::of("end").field("channel", &channel).field("cursor", &at);
                self.line(line, format!("-- {}: ended", plain(&channel)), cursor)
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
        let line = JsonLine::of("message").field("channel", &message.channel);
        let line = line.field("cursor", &message.cursor).field("time", &message.time_ms);
        let line = line.maybe("event", message.event.as_deref());
        let line = match &message.data {
            Data::Text(text) => line.field("data", text),
            Data::Json(json) => line.maybe("data", serde_json::from_str::<&RawValue>(json).ok()),
        };
        let person = match self.style {
            Style::Json => String::new(),
            Style::Person => {
                let (Data::Text(data) | Data::Json(data)) = &message.data;
                shown::message(message.time_ms, &message.channel, message.event.as_deref(), data)
            }
        };
        let more = self.line(line, person, cursor)?;
        let Some(left) = &mut self.left else { return Ok(more) };
        *left -= 1;
        Ok(more && *left > 0)
    }

    fn refused(&mut self, channel: &str, code: &str, message: &str) -> Result<bool, Failure> {
        let why = format!("{}: {} ({})", plain(channel), plain(message), plain(code));
        let line = JsonLine::of("error").field("channel", channel).field("code", code);
        let line = line.field("message", message);
        let more = self.style == Style::Person || self.line(line, String::new(), None)?;
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
    fn line(&self, line: JsonLine, person: String, cursor: Option<&str>) -> Result<bool, Failure> {
        let text = match self.style {
            Style::Person => Some(person).filter(|text| !text.is_empty()),
            Style::Json => Some(line.end()),
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

/// The line of a gap, and the channel or pattern that it is about.
fn gap_line<'g>(gap: &'g Gap<'_>) -> (JsonLine, Option<&'g str>) {
    let line = JsonLine::of("gap");
    let (line, what) = match &gap.target {
        Target::Channel(name) => (line.field("channel", name), Some(&**name)),
        Target::Pattern(name) => (line.field("pattern", name), Some(&**name)),
        Target::All => (line.field("all", &true), None),
    };
    let missed = |(after, through)| serde_json::json!({ "after": after, "through": through });
    let line = line.field("reason", &gap.reason);
    let line = line.maybe("missed", gap.missed.map(missed).as_ref());
    (line.maybe("ended", gap.ended.then_some(&true)), what)
}
