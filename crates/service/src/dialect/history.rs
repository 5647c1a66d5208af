//! `GET /v1/channels/{channel}/history`: pages of a channel.

use std::rc::Rc;

use sockeye_hub::{ChannelName, Cursor, Entry, Query as Part, Seq, Start, Target, Token};
use sockeye_server::{Answer, Reply, Request, Status};

use crate::dialect::caching::{is_known, page_holds};
use crate::dialect::outlet::EntryBody;
use crate::dialect::reply::{self, json_body};
use crate::engine::Principal;
use crate::wire::reply::{cut_history, history};
use crate::wire::{Code, Problem, Query, is_end, path_segment};
use crate::{Pending, Service};

/// A page of history if the request does not say how long.
const MESSAGES: u64 = 100;

/// The messages of a page, and the channel's end.
type Entries = [Rc<Entry<EntryBody>>];

/// The part of a channel that a request asks for.
struct Wanted {
    part: Part,
    /// The cursor that bounds the part, if the request names one and not a number.
    bound: Option<Cursor>,
}

impl Service {
    /// The newest messages, or those after or before a position.
    pub(crate) fn history(
        &mut self,
        who: &Principal,
        channel: &str,
        request: &Request<'_>,
        query: &Query<'_>,
    ) -> Result<Answer<Pending>, Problem> {
        let channel = path_segment(channel)?;
        let name = ChannelName::new(&channel)?;
        who.may_subscribe(Target::Channel(name), &self.engine.namespaces, self.engine.calendar)?;
        let limit = query.number("limit")?.unwrap_or(MESSAGES);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let Wanted { part, bound } = wanted(query)?;
        let is_here = |it: &Cursor| {
            it.epoch == self.engine.hub.position().epoch && self.engine.hub.agrees(*it)
        };
        if !bound.as_ref().is_none_or(is_here) {
            let message =
                "the cursor is of a history that this log does not have: begin without it";
            return Err(Problem::new(Code::NotFound, message));
        }
        let mut entries = Vec::new();
        let limit = limit.min(self.engine.limits.history_messages_max);
        let mut page =
            self.engine.hub.history(name, part, limit, self.engine.log_time.ms, &mut entries);
        let fetched = far_end(part, &entries);
        // [service:ttl] Messages past their time to live are left out.
        let now = self.engine.log_time;
        entries.retain(|entry| !entry.body.payload().is_expired(entry.time_ms, &now));
        let is_cut = cut_history(&mut entries, part, self.engine.limits.answer_bytes());
        page.more |= is_cut;
        // [service:history-next] Also behind messages that are left out.
        let next = if is_cut { far_end(part, &entries) } else { fetched }.filter(|_| page.more);
        let has_end = entries.iter().any(|entry| is_end(entry));
        let holds = page_holds(part, bound, &page, &entries, has_end);
        let caching = self.caching(who, [Target::Channel(name)]);
        let tag = tag(page.position, &entries, next, has_end);
        let reply = match is_known(request, &tag) {
            true => Reply::empty(Status::NOT_MODIFIED),
            false => json_body(Status::OK, history(&channel, &page, &entries, next)),
        };
        Ok(caching.mark(reply.header(reply::text("ETag", &tag)), holds).into())
    }
}

/// The part that `after` or `before` names, each a `seq` or a cursor.
fn wanted(query: &Query<'_>) -> Result<Wanted, Problem> {
    match (bound(query, "after")?, bound(query, "before")?) {
        (None, None) => Ok(Wanted { part: Part::Before(Seq(u64::MAX)), bound: None }),
        (Some((seq, bound)), None) => Ok(Wanted { part: Part::After(seq), bound }),
        (None, Some((seq, bound))) => Ok(Wanted { part: Part::Before(seq), bound }),
        (Some(_), Some(_)) => {
            Err(Problem::new(Code::BadQuery, "after and before exclude each other"))
        }
    }
}

/// A position in the log: a number, or a cursor, which also names the epoch.
fn bound(query: &Query<'_>, name: &str) -> Result<Option<(Seq, Option<Cursor>)>, Problem> {
    let Some(value) = query.one(name)? else { return Ok(None) };
    if let Start::After(cursor) = Token::parse(value).start {
        return Ok(Some((cursor.seq, Some(cursor))));
    }
    Ok(query.number(name)?.map(|seq| (Seq(seq), None)))
}

/// The position from which the next page goes on.
fn far_end(part: Part, entries: &Entries) -> Option<Cursor> {
    let entry = match part {
        Part::After(_) => entries.last(),
        Part::Before(_) => entries.first(),
    };
    entry.map(|entry| entry.position)
}

/// The entity tag of a page. It stands for the messages, and not for `cursor` and `floor`, so it is
/// a weak one.
fn tag(position: Cursor, entries: &Entries, next: Option<Cursor>, has_end: bool) -> String {
    let start = Cursor { seq: Seq::ZERO, ..position };
    let first = entries.first().map_or(start, |entry| entry.position);
    let last = entries.last().map_or(start, |entry| entry.position);
    let next = next.map_or_else(String::new, |next| format!("_{next}"));
    let end = if has_end { "_end" } else { "" };
    format!("W/\"{first}_{last}_{}{next}{end}\"", entries.len())
}
