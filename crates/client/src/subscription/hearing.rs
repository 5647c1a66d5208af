//! The interpreter of a hub's messages, the same for all transports: turns each message into an event, a move of the
//! cursor, or the end of the connection.

use std::borrow::Cow;

use super::end::{End, is_about_credentials, is_passing};
use super::event::{Gap, Publication, SubscriptionEvent, Target};
use super::ledger::{Ledger, Place};
use super::position::Position;
use super::said::{self, Said};
use super::{Take, Transport};
use crate::{Error, HubError};

/// The state of a subscription: its ledger, kept over all connections, and what this connection said.
pub(super) struct Hearing {
    pub(super) ledger: Ledger,
    pub(super) retry_ms_max: u64,
    transport: Transport,
    /// Why the client must leave this connection, once there is a reason.
    pub(super) verdict: Option<End>,
    /// A message deferred until its implied gap is reported: kind, JSON, and the cursor beside it.
    deferred: Option<(Cow<'static, str>, String, Option<String>)>,
    /// `Connected` was reported.
    opened: bool,
    /// The hub has answered on this connection.
    pub(super) has_answered: bool,
    /// Cursors on this connection belong to this subscription: on a WebSocket only after `subscribed`.
    counts: bool,
    /// A message came on this connection.
    pub(super) messages: bool,
    /// `Sync` was reported on this connection.
    synced: bool,
    /// Gaps reported since the last `Sync`, over all connections.
    gaps: u64,
}

impl Hearing {
    pub(super) const fn new(ledger: Ledger, transport: Transport, retry_ms_max: u64) -> Self {
        Self {
            ledger,
            retry_ms_max,
            transport,
            verdict: None,
            deferred: None,
            opened: false,
            has_answered: false,
            counts: false,
            messages: false,
            synced: false,
            gaps: 0,
        }
    }

    /// Begins another connection. `goes_on`: the end of the last one was not reported.
    pub(super) fn begin(&mut self, transport: Transport, goes_on: bool) {
        let goes_on = goes_on && self.transport == transport;
        self.ledger.begin();
        self.transport = transport;
        self.deferred = None;
        (self.has_answered, self.messages) = (false, false);
        (self.opened, self.synced) = (self.opened && goes_on, self.synced && goes_on);
        // [client:hub-cursor] Before `subscribed`, a WebSocket's cursors are those of the log.
        self.counts = transport != Transport::WebSocket;
    }

    pub(super) const fn counts(&self) -> bool {
        self.counts
    }

    /// Reports that the hub accepted the connection, once.
    pub(super) fn open<R>(&mut self, take: Take<'_, R>) -> Option<R> {
        if core::mem::replace(&mut self.opened, true) {
            return None;
        }
        Some(take(SubscriptionEvent::Connected { transport: self.transport }))
    }

    /// Takes in the deferred message, if there is one.
    pub(super) fn hear_deferred<R>(&mut self, take: Take<'_, R>) -> Option<R> {
        let (kind, json, beside) = self.deferred.take()?;
        match &*kind {
            "" => self.hint(&json, take),
            kind => self.hear(kind, &json, beside.as_deref(), take),
        }
    }

    /// Takes in a message of this kind, and the cursor that came beside it.
    pub(super) fn hear<R>(
        &mut self,
        kind: &str,
        json: &str,
        beside: Option<&str>,
        take: Take<'_, R>,
    ) -> Option<R> {
        let heard = said::read(kind, json).and_then(|found| match found {
            None => Ok(None),
            Some((said, own)) => Ok(Some((said, said::cursor(beside, own)?))),
        });
        let (said, cursor) = match heard {
            Ok(Some(heard)) => heard,
            Ok(None) => return None,
            Err(error) => return self.fail(error),
        };
        let is_of_the_log =
            matches!(said, Said::Message(_) | Said::Gap(_) | Said::Sync { .. } | Said::End { .. });
        // [client:hub-cursor] Before the subscription, messages may be of another epoch.
        if is_of_the_log && !self.counts {
            return None;
        }
        if let (Said::Message(_) | Said::Sync { .. } | Said::End { .. }, Some(cursor)) =
            (&said, &cursor)
            && self.ledger.place(cursor.at) == Place::Foreign
        {
            return self.declare(kind, json, beside, take);
        }
        self.act(said, cursor, take)
    }

    /// Acts on a message whose cursor, if it has one, is of the epoch that the ledger knows.
    fn act<R>(
        &mut self,
        said: Said<'_>,
        cursor: Option<said::Cursor<'_>>,
        take: Take<'_, R>,
    ) -> Option<R> {
        match said {
            // The WebSocket handles it.
            Said::Welcome { .. } => None,
            Said::Subscribed => {
                self.counts = true;
                if let Some(cursor) = cursor {
                    self.ledger.hint(&cursor.text, cursor.at);
                }
                None
            }
            Said::Message(message) => self.message(message, cursor, take),
            Said::Gap(gap) => self.gap(gap, take),
            Said::Sync { recovered, gaps, replayed } => match cursor {
                Some(said::Cursor { text, at }) => {
                    self.ledger.hear();
                    self.ledger.reach(&text, at);
                    self.sync(text, recovered, gaps, replayed, take)
                }
                None => self.fail(HubError::Strange),
            },
            Said::End { channel } => self.end(channel, cursor, take),
            Said::Error { channel, code, message } => self.refused(channel, code, message, take),
            Said::Goaway { code, reason, retry_ms } => {
                if let Some(cursor) = cursor.filter(|_| self.counts) {
                    self.ledger.hint(&cursor.text, cursor.at);
                }
                self.verdict = Some(End::goaway(code, &reason, retry_ms, self.retry_ms_max));
                None
            }
        }
    }

    /// Reports that the client has everything up to this cursor.
    fn sync<R>(
        &mut self,
        cursor: Cow<'_, str>,
        recovered: bool,
        gaps: u64,
        replayed: u64,
        take: Take<'_, R>,
    ) -> Option<R> {
        // The hub sends `sync` in each poll, and the caller gets it once.
        let is_known = core::mem::replace(&mut self.synced, true);
        let gaps = core::mem::take(&mut self.gaps).max(gaps);
        if is_known && gaps == 0 {
            return None;
        }
        let recovered = recovered && gaps == 0;
        Some(take(SubscriptionEvent::Sync { cursor, recovered, gaps, replayed }))
    }

    /// Takes in a cursor that comes with nothing else.
    pub(super) fn hint<R>(&mut self, text: &str, take: Take<'_, R>) -> Option<R> {
        let Some(at) = Position::parse(text) else { return self.fail(HubError::Strange) };
        match self.ledger.hint(text, at) {
            Place::Ours => None,
            Place::Foreign => self.declare("", text, None, take),
        }
    }

    /// Reports `Sync` for an empty answer: the hub sends no more to a poll that missed nothing.
    pub(super) fn caught_up<R>(&mut self, take: Take<'_, R>) -> Option<R> {
        let cursor = Cow::Owned(self.ledger.cursor()?.to_owned());
        self.sync(cursor, true, 0, 0, take)
    }

    fn message<R>(
        &mut self,
        message: Publication<'_>,
        cursor: Option<said::Cursor<'_>>,
        take: Take<'_, R>,
    ) -> Option<R> {
        let Some(said::Cursor { text, at }) = cursor else { return self.fail(HubError::Strange) };
        // An error, and not ignored: client and hub may read a pattern differently.
        if !self.ledger.covers(&message.channel) {
            return self.fail(HubError::Strange);
        }
        self.ledger.hear();
        if self.ledger.has_shown(at) || !self.ledger.wants(&message.channel) {
            return None;
        }
        self.ledger.show(&text, at);
        self.messages = true;
        Some(take(SubscriptionEvent::Message(Publication { cursor: text, ..message })))
    }

    fn gap<R>(&mut self, gap: Gap<'_>, take: Take<'_, R>) -> Option<R> {
        self.ledger.hear();
        let name = match &gap.target {
            Target::Channel(name) | Target::Pattern(name) => Some(&**name),
            Target::All => None,
        };
        // A channel that ended may begin again in another epoch; the caller left it.
        if let Target::Channel(channel) = &gap.target
            && !self.ledger.wants(channel)
        {
            return None;
        }
        // [client:hub-gap] Only these two reasons say how much is missing.
        if !["trimmed", "limit"].contains(&&*gap.reason) {
            self.ledger.excuse(name);
        }
        if gap.ended
            && let Target::Channel(channel) = &gap.target
        {
            self.strike(channel);
        }
        self.gaps += 1;
        Some(take(SubscriptionEvent::Gap(gap)))
    }

    fn end<R>(
        &mut self,
        channel: Cow<'_, str>,
        cursor: Option<said::Cursor<'_>>,
        take: Take<'_, R>,
    ) -> Option<R> {
        let Some(said::Cursor { text, at }) = cursor else { return self.fail(HubError::Strange) };
        if !self.ledger.covers(&channel) {
            return self.fail(HubError::Strange);
        }
        self.ledger.hear();
        if self.strike(&channel) {
            self.ledger.reach(&text, at);
        } else if self.ledger.is_struck(&channel)
            || self.ledger.has_shown(at)
            || !self.ledger.wants(&channel)
        {
            return None;
        } else {
            self.ledger.show(&text, at);
        }
        Some(take(SubscriptionEvent::End { channel, cursor: text }))
    }

    /// Takes an ended channel off the ledger; the subscription is over without any.
    fn strike(&mut self, channel: &str) -> bool {
        let was_wanted = self.ledger.strike(channel);
        if self.ledger.wanted().is_empty() {
            self.verdict = Some(End::Over);
        }
        was_wanted
    }

    fn refused<R>(
        &mut self,
        channel: Option<Cow<'_, str>>,
        code: Cow<'_, str>,
        message: Cow<'_, str>,
        take: Take<'_, R>,
    ) -> Option<R> {
        let why = || {
            let (code, message) = (Box::from(&*code), Box::from(&*message));
            Error::Hub(HubError::Refused { code, message })
        };
        let Some(channel) = channel.filter(|_| !is_passing(&code)) else {
            self.verdict = Some(if is_passing(&code) {
                // [client:hub-busy] A later attempt may succeed, and a reconnect loses nothing.
                End::Busy { why: why(), retry_ms: 0 }
            } else if is_about_credentials(&code) {
                End::Credentials(why())
            } else {
                End::Stop(why())
            });
            return None;
        };
        if !self.ledger.strike(&channel) {
            return None;
        }
        if self.ledger.wanted().is_empty() {
            self.verdict = Some(End::Stop(why()));
        }
        Some(take(SubscriptionEvent::Refused { channel, code, message }))
    }

    /// [client:hub-epoch] Reports the gap that a change of epoch implies, and defers the message that follows it.
    fn declare<R>(
        &mut self,
        kind: &str,
        json: &str,
        beside: Option<&str>,
        take: Take<'_, R>,
    ) -> Option<R> {
        self.deferred =
            Some((Cow::Owned(kind.to_owned()), json.to_owned(), beside.map(str::to_owned)));
        self.ledger.excuse(None);
        self.gaps += 1;
        let (target, reason) = (Target::All, Cow::Borrowed("epoch"));
        Some(take(SubscriptionEvent::Gap(Gap { target, reason, missed: None, ended: false })))
    }

    fn fail<R>(&mut self, error: HubError) -> Option<R> {
        self.verdict = Some(End::Stop(Error::Hub(error)));
        None
    }
}
