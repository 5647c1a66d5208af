//! The probe for ended channels (`GET /v1/position`). A subscription that starts from a cursor or polls, and has no ticket,
//! sends it before it subscribes.
//!
//! The hub reports the end of a channel once. A client whose cursor is after that end would wait for it forever.

use sockeye_reactor::Time;

use super::end::End;
use super::fetch::Fetch;
use super::position::Position;
use super::{Context, request, said};
use crate::{Deadline, Error, UsageError};

/// The first request on a connection, before its transport begins.
pub(super) struct Probe {
    fetch: Fetch,
    until: Time,
}

impl Probe {
    /// Asks for all channels that are wanted by name; `None` if there are only patterns.
    pub(super) fn begin(context: &Context, out: &mut Vec<u8>) -> Result<Option<Self>, UsageError> {
        let wanted = context.hearing.ledger.wanted();
        let names: Vec<String> =
            wanted.iter().filter(|name| !name.contains(['*', '>'])).cloned().collect();
        if names.is_empty() {
            return Ok(None);
        }
        let mut query = String::new();
        let ledger = &context.hearing.ledger;
        let cursor = ledger.cursor().filter(|_| ledger.at().is_some());
        request::add_query(&mut query, &names, cursor, None);
        let query = query.trim_start_matches('&');
        request::get(&context.options, &format!("/v1/position?{query}"), None, out)?;
        let fetch = Fetch::new(context.limits, context.options.message_bytes_max);
        Ok(Some(Self { fetch, until: context.now + context.limits.head_ms }))
    }

    pub(super) const fn deadline(&self) -> Time {
        self.until
    }

    /// Whether the answer has come, and whether the connection can be used again.
    pub(super) fn next(
        &mut self,
        context: &mut Context,
        input: &mut &mut [u8],
    ) -> Result<Option<bool>, End> {
        let had_head = self.fetch.has_head();
        if !self.fetch.take(input).map_err(End::lost)? {
            // [client:hub-coding] A coded answer cannot be read, so its body is not waited for.
            if !had_head && self.fetch.has_head() && self.fetch.is_coded() {
                return Ok(Some(false));
            }
            let is_late = self.until <= context.now;
            let why = Error::TimedOut(Deadline::Head);
            return if is_late { Err(End::lost(why)) } else { Ok(None) };
        }
        let (_, keep_alive) = self.fetch.head();
        self.strike(context);
        Ok(Some(keep_alive && input.is_empty()))
    }

    /// The connection has ended, and the answer may be whole by that.
    pub(super) fn end(&mut self, why: Error, context: &mut Context) -> End {
        if !self.fetch.cut() {
            return End::lost(why);
        }
        self.strike(context);
        context.hearing.verdict.take().unwrap_or(End::Again(context.now))
    }

    /// Strikes out the ended channels. A refusal, or an answer that cannot be read, changes nothing: subscribing will
    /// show.
    fn strike(&self, context: &mut Context) {
        if self.fetch.head().0 != 200 || self.fetch.is_coded() {
            return;
        }
        let Ok(found) = serde_json::from_slice::<said::Positions>(self.fetch.body()) else {
            return;
        };
        // [client:hub-gap] The cursor is of a log that is lost. The hub declares it, and says then what has ended.
        if found.gap.is_some() {
            return;
        }
        let Some(head) = Position::parse(&found.cursor) else { return };
        let ended = found.channels.iter().filter(|it| it.ended);
        let ended: Vec<(&str, u64)> = ended.map(|it| (&*it.channel, it.last)).collect();
        let ledger = &mut context.hearing.ledger;
        ledger.strike_known(head, &ended);
        if ledger.wanted().is_empty() {
            context.hearing.verdict = Some(End::Over);
        }
    }
}
