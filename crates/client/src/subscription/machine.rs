//! A subscription without its network: one state machine over all its connections.

use core::fmt;
use std::collections::VecDeque;

use sockeye_reactor::Time;

use super::end::End;
use super::event::SubscriptionEvent;
use super::hearing::Hearing;
use super::ledger::Ledger;
use super::options::{Credentials, SubscriptionOptions};
use super::poll::Polls;
use super::probe::Probe;
use super::socket::Socket;
use super::stream::Stream;
use super::{Context, Transport};
use crate::backoff::{self, Backoff};
use crate::{Entropy, Error, HubError, Limits, Machine, Peer, UsageError};

/// A connection that lasts so long, in milliseconds, counts as a good one, even without messages.
const STEADY_MS: u64 = 2_000;

/// Channels of a hub as a [`Machine`]: one cursor through all connections and transports.
///
/// ```text
///           ┌──────────────── waited ◄───────────────┐
///           ▼                                        │
///        dialing ──► up: WebSocket, stream, polls ──► waiting        over: all channels have ended,
///           │                      │   lost, sent away ▲             or the hub says never
///           └── none came ─────────┼───────────────────┤                 ▲
///                                  └► needs credentials ┘   from anywhere ┘
/// ```
pub struct Subscription {
    context: Context,
    entropy: Entropy,
    /// A ticket opens one stream.
    is_ticket_used: bool,
    backoff: Backoff,
    phase: Phase,
    /// Whether the driver was asked for a connection and has not reported its end.
    is_linked: bool,
    /// Whether the hub has still to be asked for channels that had ended before.
    wants_probe: bool,
    /// Whether the probe was answered on this connection, and nothing has come since.
    is_behind_probe: bool,
    /// Whether the last connection ended without a report to the user, because it had served its purpose.
    goes_on: bool,
    told: VecDeque<SubscriptionEvent<'static>>,
    failed: Option<Error>,
    opened_at: Time,
}

enum Phase {
    /// No connection is wanted before this time, nor before the last one has ended.
    Waiting(Time),
    Dialing,
    Up(Line),
    /// No connection is wanted before the user has given other credentials, nor before this time.
    NeedsCredentials(Time),
    Over,
}

/// The protocol on a connection: the probe, or a transport.
enum Line {
    Probe(Box<Probe>, Transport),
    Socket(Box<Socket>),
    Stream(Box<Stream>),
    Polls(Box<Polls>),
}

impl Subscription {
    /// A subscription that is about to connect.
    ///
    /// # Errors
    /// The mistake in the options: something cannot stand in a request, or is missing.
    pub fn new(
        options: SubscriptionOptions,
        limits: Limits,
        entropy: Entropy,
    ) -> Result<Self, UsageError> {
        options.check()?;
        let ledger = Ledger::new(options.wanted(), options.cursor.as_deref());
        let preference = options.preference();
        let first = preference.now();
        let is_poll = matches!(first, Transport::LongPoll | Transport::ShortPoll);
        Ok(Self {
            wants_probe: ledger.at().is_some() || (ledger.cursor().is_none() && is_poll),
            is_ticket_used: false,
            backoff: Backoff::default(),
            phase: Phase::Waiting(Time::default()),
            is_linked: false,
            is_behind_probe: false,
            goes_on: false,
            told: VecDeque::new(),
            failed: None,
            opened_at: Time::NEVER,
            context: Context {
                now: Time::default(),
                hearing: Hearing::new(ledger, first, options.retry_ms_max),
                options,
                limits,
                preference,
            },
            entropy,
        })
    }

    /// The cursor after the last reported event. Another subscription goes on from it. `None` before the hub has
    /// given one.
    pub fn cursor(&self) -> Option<&str> {
        self.context.hearing.ledger.cursor()
    }

    /// The transport of the connection, or else of the next one.
    pub fn transport(&self) -> Transport {
        self.context.preference.now()
    }

    /// The channels and patterns that have neither ended nor been refused.
    pub fn wanted(&self) -> &[String] {
        self.context.hearing.ledger.wanted()
    }

    /// Gives other credentials: the answer to [`SubscriptionEvent::CredentialsNeeded`]. At any other time they are
    /// for the next connection.
    ///
    /// # Errors
    /// [`UsageError::Header`] if they cannot be sent; nothing has changed then.
    pub fn set_credentials(&mut self, credentials: Option<Credentials>) -> Result<(), UsageError> {
        let options = &mut self.context.options;
        options.check_credentials(credentials.as_ref())?;
        (options.credentials, self.is_ticket_used) = (credentials, false);
        if let Phase::NeedsCredentials(until) = self.phase {
            self.phase = Phase::Waiting(until);
        }
        Ok(())
    }

    /// Ends the subscription: nothing comes after that. On a WebSocket a Close frame is appended to `out`; its answer
    /// is not waited for.
    pub fn close(&mut self, now: Time, out: &mut Vec<u8>) {
        self.part(now, out);
        self.told.clear();
        self.failed = None;
        self.phase = Phase::Over;
    }

    /// Begins a connection: with the probe if it is still due, or else with the transport.
    fn begin(&mut self, now: Time, out: &mut Vec<u8>) {
        let transport = self.context.preference.next(now);
        let goes_on = core::mem::take(&mut self.goes_on);
        self.context.hearing.begin(transport, goes_on);
        self.opened_at = Time::NEVER;
        self.is_behind_probe = false;
        // A ticket opens one stream, so a probe must not use it up.
        let has_probe = self.wants_probe && !self.has_ticket();
        let probe = if has_probe { Probe::begin(&self.context, out) } else { Ok(None) };
        let line = match probe {
            Ok(Some(probe)) => Ok(Line::Probe(Box::new(probe), transport)),
            Ok(None) => self.line(transport, now, out),
            Err(error) => Err(error),
        };
        match line {
            Ok(line) => self.phase = Phase::Up(line),
            Err(error) => self.fail(Error::Usage(error)),
        }
    }

    /// Begins the protocol of a transport.
    fn line(
        &mut self,
        transport: Transport,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Result<Line, UsageError> {
        self.wants_probe = false;
        self.is_ticket_used |= self.has_ticket();
        Ok(match transport {
            Transport::WebSocket => {
                Line::Socket(Box::new(Socket::begin(&self.context, &self.entropy, out)?))
            }
            Transport::EventStream => Line::Stream(Box::new(Stream::begin(&self.context, out)?)),
            Transport::LongPoll | Transport::ShortPoll => {
                Line::Polls(Box::new(Polls::new(transport, now)))
            }
        })
    }

    const fn has_ticket(&self) -> bool {
        matches!(self.context.options.credentials, Some(Credentials::Ticket(_)))
    }

    /// Hands input to the connection's protocol. `Ok(None)`: it has no event now.
    fn listen<R>(
        &mut self,
        now: Time,
        input: &mut &mut [u8],
        out: &mut Vec<u8>,
        take: super::Take<'_, R>,
    ) -> Result<Option<R>, End> {
        let context = &mut self.context;
        let Phase::Up(line) = &mut self.phase else { return Ok(None) };
        if let Some(told) = context.hearing.hear_deferred(take) {
            return Ok(Some(told));
        }
        if context.hearing.verdict.is_some() {
            return Ok(None);
        }
        self.is_behind_probe &= input.is_empty();
        match line {
            Line::Socket(socket) => socket.next(context, input, out, take),
            Line::Stream(stream) => stream.next(context, input, take),
            Line::Polls(polls) => polls.next(context, input, out, take),
            Line::Probe(probe, transport) => {
                let transport = *transport;
                let Some(keep_alive) = probe.next(context, input)? else { return Ok(None) };
                self.wants_probe = false;
                if self.context.hearing.verdict.is_some() {
                    return Ok(None);
                }
                if !keep_alive {
                    return Err(End::Again(now));
                }
                self.phase = Phase::Up(self.line(transport, now, out)?);
                self.is_behind_probe = true;
                self.listen(now, input, out, take)
            }
        }
    }

    /// Sends a Close frame, if the connection is a WebSocket.
    fn part(&mut self, now: Time, out: &mut Vec<u8>) {
        if let Phase::Up(Line::Socket(socket)) = &mut self.phase
            && self.is_linked
        {
            socket.close(now, out);
        }
    }

    /// Leaves the connection, and decides by its end what comes next.
    fn leave(&mut self, now: Time, end: End, out: &mut Vec<u8>) {
        self.part(now, out);
        let was_up = matches!(self.phase, Phase::Up(_));
        let held_ms = if self.context.hearing.has_answered { now.since(self.opened_at) } else { 0 };
        let was_good = self.context.hearing.messages || held_ms >= STEADY_MS;
        if was_up
            && !self.context.hearing.has_answered
            && matches!(end, End::Lost { .. } | End::Busy { .. })
        {
            self.context.preference.failed(now);
        }
        self.context.hearing.verdict = None;
        let is_fresh = match end {
            // Refusals that lie far apart do not lengthen the wait.
            End::Busy { .. } => held_ms >= backoff::LAST_MS,
            // A connection for polls may end, and the next one is the first that cannot be made.
            End::Lost { .. } | End::Credentials(_) | End::Again(_) => was_good,
            End::Over | End::Stop(_) | End::Unfit(_) => false,
        };
        if is_fresh {
            self.backoff.reset();
        }
        match end {
            End::Over => self.phase = Phase::Over,
            End::Stop(error) => self.fail(error),
            End::Again(at) => (self.phase, self.goes_on) = (Phase::Waiting(at), true),
            End::Unfit(why) => {
                // A slow server may be faster at the next attempt.
                let is_slow = matches!(why, Error::TimedOut(_));
                if self.context.preference.mark_unfit(now) || is_slow {
                    self.wait(now, why, 0, false);
                } else {
                    self.fail(why);
                }
            }
            End::Busy { why, retry_ms } => self.wait(now, why, retry_ms, true),
            End::Lost { why, retry_ms } => self.wait(now, why, retry_ms, false),
            End::Credentials(why) => {
                let wait_ms = self.backoff.wait_ms(0, false, self.entropy.bits());
                self.need_credentials(now + wait_ms, why);
            }
        }
    }

    fn wait(&mut self, now: Time, why: Error, hint_ms: u64, busy: bool) {
        // [client:hub-futile]
        if why.is_futile() {
            return self.fail(why);
        }
        let wait_ms = self.backoff.wait_ms(hint_ms, busy, self.entropy.bits());
        self.told.push_back(SubscriptionEvent::Lost { why, wait_ms });
        self.goes_on = false;
        self.phase = Phase::Waiting(now + wait_ms);
    }

    fn need_credentials(&mut self, until: Time, why: Error) {
        self.told.push_back(SubscriptionEvent::CredentialsNeeded { why });
        self.goes_on = false;
        self.phase = Phase::NeedsCredentials(until);
    }

    fn fail(&mut self, error: Error) {
        self.failed = Some(error);
        self.phase = Phase::Over;
    }

    /// Asks for a connection after the wait, or for credentials if the ticket is used up.
    fn dial(&mut self, now: Time) {
        let is_socket = self.context.preference.next(now) == Transport::WebSocket;
        let has_proof = self.cursor().is_some_and(|cursor| cursor.contains('~'));
        // [client:hub-ticket] A cursor with a proof comes back with the same ticket, but not to a WebSocket.
        if self.is_ticket_used && (is_socket || !has_proof) {
            return self.need_credentials(now, Error::Hub(HubError::TicketUsed));
        }
        (self.phase, self.is_linked) = (Phase::Dialing, true);
    }
}

impl Machine for Subscription {
    type Event<'e> = SubscriptionEvent<'e>;

    fn peer(&self) -> Option<&Peer> {
        match self.phase {
            Phase::Dialing | Phase::Up(_) if self.is_linked => {
                Some(self.context.options.url.peer())
            }
            _ => None,
        }
    }

    fn deadline(&self) -> Time {
        if !self.told.is_empty() || self.failed.is_some() {
            return Time::default();
        }
        match &self.phase {
            Phase::Waiting(_) if self.is_linked => Time::NEVER,
            Phase::Waiting(until) => *until,
            Phase::Up(_) if !self.is_linked => Time::default(),
            Phase::Up(Line::Probe(probe, _)) => probe.deadline(),
            Phase::Up(Line::Socket(socket)) => socket.deadline(),
            Phase::Up(Line::Stream(stream)) => stream.deadline(),
            Phase::Up(Line::Polls(polls)) => polls.deadline(),
            Phase::Dialing | Phase::NeedsCredentials(_) | Phase::Over => Time::NEVER,
        }
    }

    fn connected(&mut self, now: Time, out: &mut Vec<u8>) {
        self.context.now = now;
        if let Phase::Dialing = self.phase {
            self.begin(now, out);
        }
    }

    fn disconnected(&mut self, now: Time, why: Error) {
        self.context.now = now;
        self.is_linked = false;
        match &mut self.phase {
            Phase::Dialing => {
                self.context.hearing.has_answered = false;
                self.context.hearing.messages = false;
                self.wait(now, why, 0, false);
            }
            // The server closed the connection behind its answer, while the next request was in flight.
            Phase::Up(_) if core::mem::take(&mut self.is_behind_probe) => {
                self.context.hearing.verdict = Some(End::Again(now));
            }
            Phase::Up(line) => {
                let context = &mut self.context;
                let end = match line {
                    Line::Probe(probe, _) => {
                        let end = probe.end(why, context);
                        self.wants_probe &= !matches!(end, End::Again(_));
                        Some(end)
                    }
                    Line::Stream(stream) => Some(stream.end(why, context)),
                    Line::Polls(polls) => polls.end(why, context),
                    Line::Socket(socket) => {
                        socket.disconnected(now, why);
                        None
                    }
                };
                if self.context.hearing.verdict.is_none() {
                    self.context.hearing.verdict = end;
                }
            }
            Phase::Waiting(_) | Phase::NeedsCredentials(_) | Phase::Over => {}
        }
    }

    fn next<R>(
        &mut self,
        now: Time,
        input: &mut &mut [u8],
        out: &mut Vec<u8>,
        take: &mut dyn FnMut(Self::Event<'_>) -> R,
    ) -> Result<Option<R>, Error> {
        self.context.now = now;
        loop {
            if let Some(event) = self.told.pop_front() {
                return Ok(Some(take(event)));
            }
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            match self.phase {
                Phase::Waiting(until) if until <= now && !self.is_linked => self.dial(now),
                Phase::Up(_) => {
                    let had_answered = self.context.hearing.has_answered;
                    let heard = self.listen(now, input, out, take);
                    if self.context.hearing.has_answered && !had_answered {
                        self.opened_at = now;
                        self.context.preference.succeeded();
                    }
                    match (heard, self.context.hearing.verdict.is_some()) {
                        (Ok(Some(told)), _) => return Ok(Some(told)),
                        (Ok(None), false) => return Ok(None),
                        (Ok(None), true) => {
                            if let Some(end) = self.context.hearing.verdict.take() {
                                self.leave(now, end, out);
                            }
                        }
                        (Err(end), _) => self.leave(now, end, out),
                    }
                }
                Phase::Waiting(_) | Phase::NeedsCredentials(_) | Phase::Over | Phase::Dialing => {
                    // Input of a connection that was left does not count any more.
                    *input = &mut [];
                    if self.told.is_empty() && self.failed.is_none() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over) && self.told.is_empty() && self.failed.is_none()
    }
}

/// Shows no cursor and no credentials.
impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("url", &self.context.options.url)
            .field("wanted", &self.wanted())
            .field("transport", &self.context.preference.now())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "machine/tests.rs"]
mod tests;
