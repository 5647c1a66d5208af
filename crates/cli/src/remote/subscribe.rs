//! `sockeye subscribe`: prints what a subscription tells.

use std::io::IsTerminal as _;

use mio::{Events, Poll, Token};
use serde_json::value::RawValue;
use sockeye_client::{
    Data, Driver, Entropy, Error, Gap, HubError, Publication, SubscriptionEvent,
    SubscriptionOptions, Target, Transport as Spoken, sans_io,
};
use sockeye_terminal::{Failure, OrFail, notice, plain::JsonLine, signals, span};

use super::args::{From, SubscribeOptions, Transport};
use super::ways::{Ways, is_busy, name};
use super::words::Server;
use super::{Remote, plain, shown};
use crate::endpoint::output::{End, Output, Stop};
use crate::endpoint::{GATHERED_BYTES_MAX, Problem, wait};

type Client = Driver<sans_io::Subscription>;

const SOURCE: Token = Token(0);

/// Prints messages until there are no more to come, the reader has left, or a signal comes.
pub fn run(options: &SubscribeOptions) -> Result<(), Failure> {
    let remote = Remote::new(&options.server)?;
    let asked = asked(options, &remote)?;
    let cannot = || "cannot subscribe".to_owned();
    let poll = Poll::new().or_fail(cannot)?;
    let output = Output::new(poll.registry())?;
    let mut printer = Printer::new(options, &remote, &asked, output);
    let entropy = Entropy::system().or_fail(cannot)?;
    let machine = sans_io::Subscription::new(asked, remote.network.limits, entropy);
    let network = remote.network;
    let driver = Driver::new(machine.or_fail(cannot)?, network, poll.registry(), SOURCE);
    match printer.follow(poll, driver.or_fail(cannot)?) {
        Ok(()) | Err(End::Stop(Stop::NoReader)) => Ok(()),
        Err(End::Problem(problem)) => Err(problem.into()),
        Err(End::Stop(Stop::Failed(error))) => Err(Failure(format!("cannot write: {error}"))),
        Err(End::Stop(Stop::Signal)) => {
            if let Some(cursor) = &printer.cursor {
                notice(format_args!("last cursor: {}", plain(cursor)));
            }
            signals::end();
            Ok(())
        }
    }
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
    output: Output,
    /// The cursor behind everything that was written.
    cursor: Option<String>,
    /// The ends of the lines in the output, and the cursors behind them.
    ends: Vec<(usize, String)>,
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
    fn new(
        options: &SubscribeOptions,
        remote: &Remote,
        asked: &SubscriptionOptions,
        output: Output,
    ) -> Self {
        let person = !options.json && std::io::stdout().is_terminal();
        Self {
            server: Server::new(&remote.address),
            ways: Ways::new(asked.transports.clone()),
            output,
            cursor: asked.cursor.clone().filter(|it| it != "now"),
            ends: Vec::new(),
            style: if person { Style::Person } else { Style::Json },
            quiet: options.quiet,
            left: options.count,
            wanted: options.channels.clone(),
            refusal: None,
        }
    }

    /// Prints events until the subscription is over.
    fn follow(&mut self, mut poll: Poll, mut driver: Client) -> Result<(), End> {
        let mut events = Events::with_capacity(8);
        loop {
            while self.output.bytes.len() < GATHERED_BYTES_MAX
                && let Some(event) = self.next(&mut driver)?
            {
                let (transport, cursor) = (driver.machine().transport(), driver.machine().cursor());
                if !self.print(event, transport, cursor)? {
                    driver.act(sans_io::Subscription::close);
                }
            }
            self.write()?;
            if driver.is_over() {
                return Ok(());
            }
            wait(&mut poll, &mut events, driver.deadline())?;
            for event in &events {
                match event.token() {
                    SOURCE => driver.on_event(event),
                    _ => self.output.on_event(event)?,
                }
            }
        }
    }

    /// Takes the next event that has come.
    fn next(&mut self, driver: &mut Client) -> Result<Option<SubscriptionEvent<'static>>, End> {
        match driver.next(|event| event.into_owned()) {
            // There are no other credentials.
            Ok(Some(SubscriptionEvent::CredentialsNeeded { why })) | Err(why) => {
                self.write()?;
                Err(self.failure(&why))
            }
            Ok(event) => Ok(event),
        }
    }

    /// Prints one event, behind which this cursor stands; whether more are wanted. `next` is the transport of the
    /// connection, or of the next one.
    fn print(
        &mut self,
        event: SubscriptionEvent<'_>,
        next: Spoken,
        cursor: Option<&str>,
    ) -> Result<bool, End> {
        match event {
            SubscriptionEvent::Connected { transport } => {
                if let Some(words) = self.ways.connected(transport) {
                    self.notice(&words)?;
                }
            }
            SubscriptionEvent::Lost { why, wait_ms } => self.lost(&why, wait_ms, next)?,
            SubscriptionEvent::Message(message) => return Ok(self.message(&message, cursor)),
            SubscriptionEvent::Gap(gap) => {
                let (line, what) = gap_line(&gap);
                self.line(line, shown::gap(what, &gap.reason), cursor);
            }
            SubscriptionEvent::Sync { cursor: at, recovered, gaps, replayed } => {
                if self.style == Style::Person && replayed > 0 {
                    self.notice(&format!("up to date; {replayed} came out of history"))?;
                }
                let line = JsonLine::of("sync").field("cursor", &at).field("recovered", &recovered);
                let line = line.field("gaps", &gaps).field("replayed", &replayed);
                self.line(line, String::new(), cursor);
            }
            SubscriptionEvent::End { channel, cursor: at } => {
                let line = JsonLine::of("end").field("channel", &channel).field("cursor", &at);
                self.line(line, format!("-- {}: ended", plain(&channel)), cursor);
            }
            SubscriptionEvent::Refused { channel, code, message } => {
                self.refused(&channel, &code, &message)?;
            }
            // There may be new ones.
            _ => {}
        }
        Ok(true)
    }

    /// Prints a message; whether more are wanted.
    fn message(&mut self, message: &Publication<'_>, cursor: Option<&str>) -> bool {
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
        self.line(line, person, cursor);
        self.left = self.left.map(|left| left - 1);
        self.left != Some(0)
    }

    fn refused(&mut self, channel: &str, code: &str, message: &str) -> Result<(), End> {
        let why = format!("{}: {} ({})", plain(channel), plain(message), plain(code));
        let line = JsonLine::of("error").field("channel", channel).field("code", code);
        let line = line.field("message", message);
        self.line(line, String::new(), None);
        self.wanted.retain(|wanted| wanted != channel);
        self.refusal.get_or_insert_with(|| why.clone());
        if !self.wanted.is_empty() {
            self.write()?;
            notice(format_args!("{why}"));
        }
        Ok(())
    }

    /// Handles a lost connection. If the hub has never answered, the run fails, unless the server asks for a later
    /// attempt or another transport may work.
    fn lost(&mut self, why: &Error, wait_ms: u64, next: Spoken) -> Result<(), End> {
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
            self.notice(&format!("{words}; again in {}{by}", span::words(wait_ms)))?;
        }
        Ok(())
    }

    /// Prints a notice behind the output, if notices are wanted.
    fn notice(&mut self, text: &str) -> Result<(), End> {
        if !self.quiet {
            self.write()?;
            notice(format_args!("{text}"));
        }
        Ok(())
    }

    /// Appends one of two lines to the output, and keeps the cursor behind it.
    fn line(&mut self, line: JsonLine, person: String, cursor: Option<&str>) {
        let out = &mut self.output.bytes;
        match self.style {
            Style::Json => line.push_to(out),
            Style::Person if person.is_empty() => {}
            Style::Person => out.extend_from_slice((person + "\n").as_bytes()),
        }
        self.ends.extend(cursor.map(|cursor| (out.len(), cursor.to_owned())));
    }

    /// Writes the output. After a signal some lines may be left, and the cursor is that of the last whole one.
    fn write(&mut self) -> Result<(), End> {
        let gathered = self.output.bytes.len();
        let flushed = self.output.flush();
        let written = gathered - self.output.bytes.len();
        let whole = self.ends.drain(..).take_while(|(end, _)| *end <= written).last();
        if let Some((_, cursor)) = whole {
            self.cursor = Some(cursor);
        }
        Ok(flushed?)
    }

    /// Returns the failure for a subscription that ends early.
    fn failure(&self, error: &Error) -> End {
        let why = self.server.explain(error, self.ways.is_known());
        End::Problem(Problem::Failed(match (error, &self.refusal) {
            (Error::Hub(HubError::Refused { .. }), Some(first)) if self.wanted.is_empty() => {
                format!("nothing is left to subscribe: {first}")
            }
            (Error::Hub(HubError::Goaway { code: 4300..=4399, .. }), _) => {
                format!("{why}; other credentials are needed")
            }
            _ => why,
        }))
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
