//! The WebSocket transport of a subscription (`GET /v1/ws`, subprotocol `sockeye.v1.json`).

use sockeye_reactor::Time;
use sockeye_websocket::{CloseCode, Message};

use super::end::End;
use super::options::Credentials;
use super::{Context, Take, request, said};
use crate::web_socket::{ConnectOptions, SocketEvent, WebSocketMachine};
use crate::{Deadline, Entropy, Error, HubError, Machine, UsageError};

const SUBPROTOCOL: &str = "sockeye.v1.json";
/// The bounds on the ping interval that a hub announces, in milliseconds.
const PING_MS: core::ops::RangeInclusive<u64> = 1_000..=600_000;

/// A WebSocket from its handshake to its end.
pub(super) struct Socket {
    machine: WebSocketMachine,
    /// How long the hub may be silent; `None` before its `welcome`.
    silence_ms: Option<u64>,
    until: Time,
}

/// The results of a turn, beside the event that it reported.
#[derive(Default)]
struct Turn {
    welcome_ms: Option<u64>,
    end: Option<End>,
}

impl Socket {
    /// Begins the handshake.
    pub(super) fn begin(
        context: &Context,
        entropy: &Entropy,
        out: &mut Vec<u8>,
    ) -> Result<Self, UsageError> {
        let url = context.options.url.with_target(&context.options.path("/v1/ws"))?;
        let mut options = ConnectOptions::to(&url);
        options.headers = request::headers(&context.options);
        options.subprotocols.push(SUBPROTOCOL.to_owned());
        if let Some(Credentials::Ticket(ticket)) = &context.options.credentials {
            options.subprotocols.push(format!("sockeye.ticket.{ticket}"));
        }
        let bytes_max = context.options.message_bytes_max as u64;
        options.limits.message_bytes_max = bytes_max;
        options.limits.frame_bytes_max = bytes_max;
        options.ping_ms = None;
        let mut machine = WebSocketMachine::new(options, context.limits, entropy.clone())?;
        machine.connected(context.now, out);
        Ok(Self { machine, silence_ms: None, until: context.now + context.limits.head_ms })
    }

    pub(super) fn deadline(&self) -> Time {
        self.until.min(self.machine.deadline())
    }

    pub(super) fn next<R>(
        &mut self,
        context: &mut Context,
        input: &mut &mut [u8],
        out: &mut Vec<u8>,
        take: Take<'_, R>,
    ) -> Result<Option<R>, End> {
        if !input.is_empty()
            && let Some(silence_ms) = self.silence_ms.filter(|_| context.hearing.counts())
        {
            self.until = context.now + silence_ms;
        }
        loop {
            let mut turn = Turn::default();
            let is_welcome = self.silence_ms.is_none();
            let heard = self.machine.next(context.now, input, out, &mut |event| {
                turn.hear(event, is_welcome, context, take)
            });
            if let Some(ping_ms) = turn.welcome_ms {
                self.silence_ms = Some(ping_ms.clamp(*PING_MS.start(), *PING_MS.end()) * 2);
                self.subscribe(context, out)?;
            }
            match (heard, turn.end) {
                (Err(error), _) => {
                    return Err(End::socket(error, context.options.retry_ms_max));
                }
                (Ok(_), Some(end)) => return Err(end),
                (Ok(Some(Some(told))), None) => return Ok(Some(told)),
                (Ok(Some(None)), None) if context.hearing.verdict.is_none() => {}
                (Ok(_), None) => break,
            }
        }
        if self.until <= context.now && context.hearing.verdict.is_none() {
            return Err(End::lost(Error::TimedOut(Deadline::Silence)));
        }
        Ok(None)
    }

    fn subscribe(&mut self, context: &Context, out: &mut Vec<u8>) -> Result<(), End> {
        let ledger = &context.hearing.ledger;
        let (channels, cursor) = (ledger.wanted(), ledger.cursor());
        let command = said::Subscribe { r#type: "subscribe", channels, cursor };
        let text = serde_json::to_string(&command).expect("texts are always JSON");
        let sent = self.machine.send(Message::Text(&text), out);
        sent.map_err(|error| End::lost(Error::Usage(error)))
    }

    /// The connection has ended; what that means, the machine says next.
    pub(super) fn disconnected(&mut self, now: Time, why: Error) {
        self.machine.disconnected(now, why);
    }

    /// Sends a Close frame, so that the hub frees the stream at once. An error changes nothing.
    pub(super) fn close(&mut self, now: Time, out: &mut Vec<u8>) {
        let _ = self.machine.close(now, CloseCode::NORMAL, "", out);
    }
}

impl Turn {
    fn hear<R>(
        &mut self,
        event: SocketEvent<'_>,
        is_welcome: bool,
        context: &mut Context,
        take: Take<'_, R>,
    ) -> Option<R> {
        match event {
            SocketEvent::Open(opened) if opened.subprotocol.as_deref() == Some(SUBPROTOCOL) => {}
            SocketEvent::Open(_) => {
                self.end = Some(End::Unfit(Error::Hub(HubError::Subprotocol)));
            }
            SocketEvent::Message(Message::Text(text)) => {
                return self.hear_text(text, is_welcome, context, take);
            }
            SocketEvent::Message(Message::Binary(_)) => {
                self.end = Some(End::Stop(Error::Hub(HubError::Strange)));
            }
            SocketEvent::Close(reason) => {
                self.end = Some(End::farewell(reason, context.options.retry_ms_max));
            }
            SocketEvent::Closed(_) => self.end = Some(End::lost(Error::Ended)),
            SocketEvent::Piece(_) | SocketEvent::Ping(_) | SocketEvent::Pong(_) => {}
        }
        None
    }

    fn hear_text<R>(
        &mut self,
        text: &str,
        is_welcome: bool,
        context: &mut Context,
        take: Take<'_, R>,
    ) -> Option<R> {
        let kind = match said::kind(text) {
            Ok(kind) => kind,
            Err(error) => {
                self.end = Some(End::Stop(Error::Hub(error)));
                return None;
            }
        };
        if kind != "welcome" || !is_welcome {
            return context.hearing.hear(&kind, text, None, take);
        }
        match said::read(&kind, text) {
            Ok(Some((said::Said::Welcome { ping_ms }, _))) => {
                self.welcome_ms = Some(ping_ms);
                context.hearing.has_answered = true;
                context.hearing.open(take)
            }
            Ok(_) | Err(_) => {
                self.end = Some(End::Stop(Error::Hub(HubError::Strange)));
                None
            }
        }
    }
}
