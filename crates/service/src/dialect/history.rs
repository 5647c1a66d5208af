//! `GET /v1/channels/{channel}/history`: pages of a channel, from memory or from the archive.
//!
//! Every request is [held](super::held): a page may be long, and the archive may have to be asked.

use std::rc::Rc;

use sockeye_hub::{ChannelName, Cursor, Entry, Page, Query as Part, Seq, Start, Target, Token};
use sockeye_server::{Answer, Context, Reply, Request, Status};

use crate::dialect::caching::{Caching, page_holds};
use crate::dialect::held::{self, KnownTags};
use crate::dialect::outlet::EntryBody;
use crate::dialect::reply::{self, json_body};
use crate::engine::archive::{self, Waiter};
use crate::engine::{Principal, units};
use crate::sequencing::{self, Range};
use crate::wire::reply::{cut_history, history};
use crate::wire::{Code, Problem, Query, channel_name, is_end, path_segment};
use crate::{Pending, Service};

/// A page of history if the request does not say how long.
const MESSAGES: u64 = 100;

/// The messages of a page, and the channel's end.
type Entries = Vec<Rc<Entry<EntryBody>>>;

/// The part of a channel that a request asks for.
#[derive(Debug)]
pub(crate) struct Wanted {
    channel: String,
    part: Part,
    /// The cursor that bounds the part, if the request names one and not a number.
    bound: Option<Cursor>,
    messages_max: usize,
    caching: Caching,
    /// The entity tags that the client has.
    known: KnownTags,
}

impl Wanted {
    fn name(&self) -> ChannelName<'_> {
        ChannelName::new(&self.channel).expect("checked when it was asked for")
    }

    /// The position that it names.
    pub(super) fn start(&self) -> Option<Start> {
        self.bound.map(Start::After)
    }
}

/// The messages that were found of a part.
pub(super) struct Found {
    page: Page,
    pub(super) entries: Entries,
    /// The position from which the next page goes on, if there is one.
    next: Option<Cursor>,
}

impl Service {
    /// The newest messages, or those after or before a position.
    pub(crate) fn history(
        &mut self,
        who: &Principal,
        channel: &str,
        request: &Request<'_>,
        query: &Query<'_>,
        context: &mut Context<'_>,
    ) -> Result<Answer<Pending>, Problem> {
        let channel = path_segment(channel)?;
        let name = channel_name(&channel)?;
        who.may_subscribe(Target::Channel(name), &self.engine.namespaces, self.engine.calendar)?;
        let limit = query.number("limit")?.unwrap_or(MESSAGES);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let (part, bound) = part(query)?;
        self.check_bound(bound)?;
        context.spend(units::TARGET);
        let caching = self.caching(request, who, [Target::Channel(name)].into_iter());
        let messages_max = limit.min(self.engine.limits.history_messages_max);
        let known = KnownTags::of(request);
        let channel = channel.into_owned();
        let wanted = Wanted { channel, part, bound, messages_max, caching, known };
        let hold = self.hold_for_turn(caching.vary_early());
        self.hold(who, (held::Wanted::History(wanted), caching.coding()), hold)
    }

    /// Refuses the cursor of another log.
    fn check_bound(&self, bound: Option<Cursor>) -> Result<(), Problem> {
        let is_here =
            |it: Cursor| it.epoch == self.engine.hub.position().epoch && self.engine.hub.agrees(it);
        if bound.is_none_or(is_here) {
            return Ok(());
        }
        let message = "the cursor is of a history that this log does not have: begin without it";
        Err(Problem::new(Code::NotFound, message))
    }

    /// Builds the page of a held request from memory. `None` if the archive has to be asked, and then
    /// it is.
    pub(super) fn build_page(
        &mut self,
        id: u64,
        wanted: &Wanted,
        waiter: Waiter,
        context: &mut Context<'_>,
    ) -> Result<Option<Reply>, Problem> {
        // A new epoch may have begun since the request came.
        self.check_bound(wanted.bound)?;
        let found = self.in_memory(wanted);
        self.engine.count_pull(found.entries.len(), context);
        match self.beyond_memory(wanted, &found.page) {
            None => Ok(Some(self.history_reply(wanted, found))),
            Some(range) => self.ask_archive(id, wanted, waiter, range).map(|()| None),
        }
    }

    /// Reads a part from memory.
    fn in_memory(&mut self, wanted: &Wanted) -> Found {
        let (name, mut entries) = (wanted.name(), Vec::new());
        let (part, limit, now_ms) = (wanted.part, wanted.messages_max, self.engine.log_time.ms);
        let page = self.engine.hub.history(name, part, limit, now_ms, &mut entries);
        let next = far_end(part, &entries).filter(|_| page.more);
        Found { page, entries, next }
    }

    /// The question to the archive, if memory does not know the whole answer. Memory has everything
    /// after the page's floor.
    fn beyond_memory(&self, wanted: &Wanted, page: &Page) -> Option<Range> {
        if !self.engine.hub.has_archive() {
            return None;
        }
        // [service:history-archive]
        match wanted.part {
            Part::After(seq) => {
                let through = page.position.seq;
                (seq < page.floor).then_some(Range::After { after: seq, through })
            }
            Part::Before(seq) => {
                // Above the head the archive may have messages that nobody was told of yet.
                let before = seq.min(page.position.seq.next());
                let may_be_more = !page.more && page.floor > Seq::ZERO && before > Seq(1);
                may_be_more.then_some(Range::Before { before })
            }
        }
    }

    /// Asks the archive for what memory lacks of a part.
    fn ask_archive(
        &mut self,
        id: u64,
        wanted: &Wanted,
        waiter: Waiter,
        range: Range,
    ) -> Result<(), Problem> {
        let part = archive::Part {
            channel: wanted.channel.as_str().into(),
            range,
            messages_max: wanted.messages_max,
            bytes_max: self.engine.limits.answer_bytes(),
        };
        self.engine.await_history(id, waiter, part).map_err(|_| no_archive())
    }

    /// Joins the archive's page of a part and what memory has of it. `position` is the head when
    /// the archive was asked.
    pub(super) fn in_archive(
        &mut self,
        wanted: &Wanted,
        position: Cursor,
        found: sequencing::Page,
    ) -> Option<Found> {
        if position.epoch != self.engine.hub.position().epoch {
            return None;
        }
        let memory = self.in_memory(wanted);
        let floor = found.missing.first().map_or(Seq::ZERO, |(_, floor)| *floor);
        // Memory may have what the archive has dropped.
        if memory.page.floor <= floor {
            return Some(memory);
        }
        let sequencing::Page { entries, through, mut more, .. } = found;
        let mut entries = self.engine.recalled(entries);
        let is_cut = entries.len() > wanted.messages_max;
        entries.truncate(wanted.messages_max);
        more |= is_cut;
        let next = match wanted.part {
            // A page may have no message, and more behind it.
            Part::After(_) if entries.is_empty() && !is_cut => Some(self.engine.hub.at(through)),
            Part::After(_) | Part::Before(_) => far_end(wanted.part, &entries),
        };
        let page = Page { position, floor, more };
        Some(Found { page, entries, next: next.filter(|_| more) })
    }

    /// The answer, cut to the bytes of one.
    pub(super) fn history_reply(&self, wanted: &Wanted, found: Found) -> Reply {
        let Wanted { channel, part, bound, caching, known, .. } = wanted;
        let Found { mut page, mut entries, next: fetched } = found;
        // [service:ttl] Messages past their time to live are left out.
        let now = self.engine.log_time;
        entries.retain(|entry| !entry.body.payload().is_expired(entry.time_ms, &now));
        let is_cut = cut_history(&mut entries, *part, self.engine.limits.answer_bytes());
        page.more |= is_cut;
        // [service:history-next] Also behind messages that are left out.
        let next = if is_cut { far_end(*part, &entries) } else { fetched };
        let has_end = entries.iter().any(|entry| is_end(entry));
        let holds = page_holds(*part, *bound, &page, &entries, has_end);
        let tag = tag(page.position, &entries, next, has_end);
        let reply = match known.has(&tag) {
            true => Reply::empty(Status::NOT_MODIFIED),
            false => json_body(Status::OK, history(channel, &page, &entries, next)),
        };
        // `Vary` was said when the request was held.
        caching.mark_without_vary(reply.header(reply::text("ETag", &tag)), holds)
    }
}

/// The refusal of a request that needs an archive which cannot be read.
pub(crate) fn no_archive() -> Problem {
    Problem::new(Code::Unavailable, "older history cannot be read now")
}

/// The part that `after` or `before` names, each a `seq` or a cursor.
fn part(query: &Query<'_>) -> Result<(Part, Option<Cursor>), Problem> {
    match (bound(query, "after")?, bound(query, "before")?) {
        (None, None) => Ok((Part::Before(Seq(u64::MAX)), None)),
        (Some((seq, bound)), None) => Ok((Part::After(seq), bound)),
        (None, Some((seq, bound))) => Ok((Part::Before(seq), bound)),
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
