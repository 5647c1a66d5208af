//! Polls: a held request is a subscriber, and its answer is all that it gets.
//!
//! A poll that is expected to cost little is answered, or begins to wait, in the call that reads its
//! request. Any other one is [held](super::held) for its turn first.

mod label;
mod waiting;

use sockeye_hub::{
    Budget, Cursor, Entry, Fetch, Item, Kind, Progress, Start, SubscriberKey, Target,
};
use sockeye_server::{Answer, Context, Hold, Reply, Request, Status, StreamKey, Time};

use crate::dialect::caching::{Caching, is_known};
use crate::dialect::held::{self, KnownTags, too_many};
use crate::dialect::history::no_archive;
use crate::dialect::outlet::{Delivery, EntryBody};
use crate::dialect::recipient::cursor_text;
use crate::dialect::reply::{self, NO_STORE};
use crate::engine::access::Standing;
use crate::engine::archive::Waiter;
use crate::engine::handshakes::Places;
use crate::engine::{Principal, Taken, Watch, units};
use crate::wire::{Code, CursorText, Gap, PollBody, Problem, Query, Rest};
use crate::{Pending, Service};

/// Whether a poll may be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// Until there is something to answer with.
    Wait,
    /// Never: it is answered now.
    None,
}

/// A poll as its request asks for it.
struct Asked<'p> {
    channels: &'p [&'p str],
    caching: Caching,
    start: Start,
    /// The time until which the client waits; `None` if it does not.
    until: Option<Time>,
}

impl Asked<'_> {
    fn targets(&self) -> impl Iterator<Item = Target<'_>> {
        targets(self.channels)
    }
}

/// The targets of these names.
fn targets<'n>(names: &'n [&'n str]) -> impl Iterator<Item = Target<'n>> + Clone {
    names.iter().filter_map(|name| Target::new(name).ok())
}

/// A poll that is held for its turn.
#[derive(Debug)]
pub(crate) struct Wanted {
    who: Principal,
    channels: Vec<String>,
    start: Start,
    until: Option<Time>,
    caching: Caching,
    /// The entity tags that the client has.
    known: KnownTags,
}

impl Wanted {
    /// The position that it names.
    pub(super) const fn start(&self) -> Start {
        self.start
    }
}

/// When a poll is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In the call that reads its request.
    Request,
    /// In its turn, after it was held.
    Turn,
}

/// The outcome of a poll.
enum Polled {
    Answer(Reply),
    /// It is subscribed, and waits until this time.
    Waits(SubscriberKey, Time),
}

/// The items of a poll.
struct Filled {
    body: PollBody,
    rest: Rest,
    /// The cursor behind them.
    cursor: Cursor,
    /// What has to be read before there can be more.
    fetch: Option<Fetch>,
}

impl Filled {
    fn nothing(cursor: Cursor) -> Self {
        Self { body: PollBody::new(), rest: Rest::Nothing, cursor, fetch: None }
    }
}

impl Service {
    /// Answers a poll if there is something for it or it does not want to wait, or holds it.
    pub(crate) fn poll(
        &mut self,
        request: &Request<'_>,
        who: &Principal,
        query: &Query<'_>,
        start: Start,
        context: &mut Context<'_>,
    ) -> Result<Answer<Pending>, Problem> {
        let channels = query.channels(&self.engine.limits.wire)?;
        let wait_ms = query.number("wait")?.unwrap_or(0).saturating_mul(1_000);
        let wait_ms = wait_ms.min(self.engine.limits.wait_ms_max);
        let until = (wait_ms != 0).then_some(self.engine.now + wait_ms);
        let caching = self.caching(request, who, targets(&channels));
        let asked = Asked { channels: &channels, caching, start, until };
        // [service:redeem-first] A poll that waits for its ticket subscribes behind that.
        if who.unredeemed().is_some() || !self.is_cheap(&asked) {
            return self.hold_poll(request, who, &asked, wait_ms);
        }
        let is_known = |tag: &str| is_known(request, tag);
        match self.poll_now(who, &asked, (At::Request, &is_known), context)? {
            Polled::Answer(reply) => Ok(self.code(reply, caching.coding(), context).into()),
            Polled::Waits(subscriber, until) => {
                // The service ends the poll itself at `until`, so the server's hold has no deadline.
                let hold = Hold::new(u64::MAX);
                let delivery = Delivery::poll(caching.coding());
                Ok(Answer::Hold(hold, Pending::Poll((subscriber, delivery), until, who.clone())))
            }
        }
    }

    /// Whether a poll is expected to cost no more than a request may in the call that reads it: few
    /// channels, and few and short messages since its cursor. For a pattern it is expected to cost as much
    /// as all messages since then.
    fn is_cheap(&self, asked: &Asked<'_>) -> bool {
        // [service:opening-waits] It may wait for its cursor first.
        if self.engine.is_ahead(asked.start).is_some() {
            return false;
        }
        let targets = asked.channels.len() as u64 * units::TARGET;
        let Some(left) = units::AT_ONCE.checked_sub(targets) else { return false };
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let messages = count(left / units::ITEM);
        let overhead = messages.saturating_mul(Entry::<EntryBody>::OVERHEAD_BYTES);
        let bytes = count(units::text_for(left)).saturating_add(overhead);
        let budget = Budget { messages, bytes };
        self.engine.hub.owes_at_most(asked.targets(), asked.start, budget)
    }

    /// Holds a poll for its turn.
    fn hold_poll(
        &mut self,
        request: &Request<'_>,
        who: &Principal,
        asked: &Asked<'_>,
        wait_ms: u64,
    ) -> Result<Answer<Pending>, Problem> {
        let headers = match asked.until {
            None => asked.caching.vary_early(),
            Some(_) => Vec::new(),
        };
        let limits = &self.engine.limits;
        let hold_ms = wait_ms.saturating_add(limits.archive_ms_max);
        let hold_ms = hold_ms.saturating_add(limits.opening_wait_ms);
        let wanted = Wanted {
            who: who.clone(),
            channels: asked.channels.iter().map(|name| (*name).to_owned()).collect(),
            start: asked.start,
            until: asked.until,
            caching: asked.caching,
            known: KnownTags::of(request),
        };
        let coding = asked.caching.coding();
        self.hold(who, (held::Wanted::Poll(wanted), coding), Hold::new(hold_ms).headers(headers))
    }

    /// Answers a poll whose turn has come. `None` if it waits for something, or the archive, from now on.
    pub(super) fn poll_in_turn(
        &mut self,
        stream: StreamKey,
        wanted: &Wanted,
        half_closed: bool,
        context: &mut Context<'_>,
    ) -> Result<Option<Reply>, Problem> {
        let Wanted { who, channels, start, until, caching, known } = wanted;
        // [service:revoked] Its next request is checked anew.
        let rules = (&self.engine.access, &self.engine.anybody, self.engine.calendar);
        let has_lost_rights = rules.0.standing(who, rules.1, rules.2) != Standing::Same;
        // [service:opening-waits] It may find its cursor at another machine.
        let goes_on_elsewhere = context.is_draining() && self.engine.is_ahead(*start).is_some();
        if has_lost_rights || goes_on_elsewhere {
            return self.come_again(*start, who).map(Some);
        }
        let channels: Vec<&str> = channels.iter().map(String::as_str).collect();
        let asked = Asked { channels: &channels, caching: *caching, start: *start, until: *until };
        match self.poll_now(who, &asked, (At::Turn, &|tag| known.has(tag)), context)? {
            Polled::Answer(reply) => Ok(Some(reply)),
            Polled::Waits(subscriber, until) => {
                let of = (subscriber, Delivery::poll(caching.coding()));
                self.open_poll(stream, of, until, who.clone());
                // [service:half-closed]
                if half_closed {
                    self.answer_late(subscriber, context);
                }
                Ok(None)
            }
        }
    }

    /// Subscribes a poll. It is answered if there is something for it or it does not want to wait, and else
    /// it waits.
    fn poll_now(
        &mut self,
        who: &Principal,
        asked: &Asked<'_>,
        (at, is_known): (At, &dyn Fn(&str) -> bool),
        context: &mut Context<'_>,
    ) -> Result<Polled, Problem> {
        let Asked { channels, until, .. } = *asked;
        context.spend(channels.len() as u64 * units::TARGET);
        let label = self.label(asked, at);
        let may = |channel: &&str| self.may_read(who, channel).is_ok();
        if until.is_none() && channels.iter().all(may) && is_known(label.tag()) {
            self.engine.renew_presence(channels, who);
            return Ok(Polled::Answer(label.unchanged()));
        }
        let connected = self.engine.hub.connect();
        let subscriber = connected.map_err(|_| self.engine.refuse_place(who, Places::All))?;
        let taken = self.subscribe_poll(subscriber, who, asked)?;
        let Filled { mut body, rest, cursor, fetch } = self.fill(subscriber, context);
        let waits_for_archive = body.is_empty() && taken.ended.is_empty() && !context.is_draining();
        if let Some(fetch) = fetch.filter(|_| waits_for_archive) {
            return self.wait_for_page(subscriber, who, asked, fetch);
        }
        for channel in taken.ended {
            body.ended(channel, &CursorText::new(cursor));
        }
        // [service:ended-before] It is told, and where all have ended, not held for nothing.
        let nothing_comes = taken.known.len() == channels.len();
        let ends_at = until.filter(|_| !context.is_draining() && !nothing_comes);
        match ends_at {
            Some(until) if body.is_empty() && rest == Rest::Nothing => {
                if let Err(refusal) = self.engine.admit_place(who, Places::All) {
                    self.engine.leave(subscriber);
                    return Err(refusal.into());
                }
                // [service:presence-polls] Presence begins only here, after every channel was
                // admitted and the poll is held.
                self.enter_presence(subscriber, who, channels);
                Ok(Polled::Waits(subscriber, until))
            }
            Some(_) | None => {
                // An end that is told again brings a client nowhere, so it makes no answer final.
                let holds = label.holds(&body, rest);
                for channel in taken.known {
                    body.ended(channel, &CursorText::new(cursor));
                }
                self.engine.leave(subscriber);
                self.engine.renew_presence(channels, who);
                let reply = label.answer(holds, body, rest, &self.proved(cursor, who));
                Ok(Polled::Answer(reply))
            }
        }
    }

    /// Subscribes a poll to all of its channels, or refuses it.
    fn subscribe_poll<'p>(
        &mut self,
        subscriber: SubscriberKey,
        who: &Principal,
        asked: &Asked<'p>,
    ) -> Result<Taken<'p>, Problem> {
        let (mut refusal, from) = (None, (asked.start, Watch::No));
        let taken =
            self.engine.subscribe(subscriber, who, asked.channels, from, |text, refused| {
                refusal.get_or_insert_with(|| Problem::of_target(text, refused));
            });
        match refusal {
            None => Ok(taken),
            // The whole poll is refused: with one channel missing, the client would take it for a
            // channel without messages.
            Some(refusal) => {
                self.engine.leave(subscriber);
                Err(refusal)
            }
        }
    }

    fn enter_presence(&mut self, subscriber: SubscriberKey, who: &Principal, channels: &[&str]) {
        for target in channels.iter().filter_map(|name| Target::new(name).ok()) {
            self.engine.enter_presence(subscriber, target, who, Watch::No);
        }
    }

    /// Has a poll wait until the archive has answered, and if the client waits, until there is something
    /// for it.
    fn wait_for_page(
        &mut self,
        subscriber: SubscriberKey,
        who: &Principal,
        asked: &Asked<'_>,
        fetch: Fetch,
    ) -> Result<Polled, Problem> {
        let place = self.engine.admit_place(who, Places::All);
        let admitted = place.map_err(Problem::from).and_then(|()| {
            let holder = self.engine.holder(who);
            // [service:bound-archive]
            if !self.engine.admit_reader(holder) {
                return Err(too_many());
            }
            let waiter = Waiter { holder, payer: self.engine.work.payer(who), is_request: true };
            let bytes = self.engine.limits.answer_bytes();
            let asked = self.engine.await_page(subscriber, waiter, fetch, bytes);
            asked.map_err(|_| no_archive())
        });
        if let Err(problem) = admitted {
            self.engine.leave(subscriber);
            return Err(problem);
        }
        // [service:archive-patience]
        match asked.until {
            None => self.engine.renew_presence(asked.channels, who),
            Some(_) => self.enter_presence(subscriber, who, asked.channels),
        }
        self.engine.reading.patience.insert(subscriber, asked.until);
        let limits = &self.engine.limits;
        let by_archive = self.engine.now + limits.archive_ms_max.min(limits.wait_ms_max);
        Ok(Polled::Waits(subscriber, asked.until.map_or(by_archive, |it| it.max(by_archive))))
    }

    /// The answer to a poll that is to come again with what it came with.
    ///
    /// [service:opening-waits] A 204 says that the client has everything up to its cursor. That is not known of a
    /// cursor which this service cannot keep, and has not told a gap for.
    fn come_again(&self, start: Start, who: &Principal) -> Result<Reply, Problem> {
        match self.engine.hub.fault(start) {
            None => Ok(self.nothing(self.engine.begin_again_at(start), who)),
            Some(_) => Err(not_judged()),
        }
    }

    /// The answer to a poll that gets nothing.
    fn nothing(&self, cursor: Cursor, who: &Principal) -> Reply {
        let cursor = self.proved(cursor, who);
        Reply::empty(Status::NO_CONTENT).header(NO_STORE).header(reply::cursor(&cursor))
    }

    /// A cursor, with its proof if the poll came with a ticket.
    fn proved(&self, cursor: Cursor, who: &Principal) -> CursorText {
        let proof = self.engine.access.proof(who, self.engine.calendar);
        cursor_text(cursor, proof.as_deref())
    }

    /// The items of a poll, as many as one answer may have, and the cursor behind them.
    ///
    /// [service:bound-answer] An item that was fetched and has no room in the answer comes with the
    /// next poll, whose cursor is before it.
    fn fill(&mut self, key: SubscriberKey, context: &mut Context<'_>) -> Filled {
        let (items, pulled) = self.engine.fetch_items(key, self.poll_budget());
        context.spend(units::POLL);
        self.engine.count_pull(items.len(), context);
        self.collect(key, items, pulled)
    }

    /// As much as fits into one answer, however short its messages are.
    fn poll_budget(&self) -> Budget {
        let messages = self.engine.limits.poll_messages_max;
        let overhead = messages.saturating_mul(Entry::<EntryBody>::OVERHEAD_BYTES);
        Budget { messages, bytes: self.engine.limits.answer_bytes().saturating_add(overhead) }
    }

    /// The answer that these items make.
    fn collect(
        &mut self,
        key: SubscriberKey,
        mut items: Vec<Item<EntryBody>>,
        pulled: Option<Progress>,
    ) -> Filled {
        let (mut body, bytes) = (PollBody::new(), self.engine.limits.answer_bytes());
        let (mut replayed, mut reached, mut cut) = (0, None, None);
        for item in items.drain(..) {
            match item {
                Item::Message(entry) => {
                    if !entry.body.payload().is_expired(entry.time_ms, &self.engine.log_time) {
                        if !body.entry_within(&entry, &CursorText::new(entry.position), bytes) {
                            cut = reached;
                            break;
                        }
                        replayed += u64::from(entry.kind == Kind::Message);
                    }
                    reached = Some(entry.position);
                }
                Item::Gap(gap) => body.gap(Gap::from(&gap)),
                // The answer has everything that the stream caught up with.
                Item::Sync(sync) => body.sync(&CursorText::new(sync.cursor), sync.gaps, replayed),
            }
        }
        self.engine.keep_buffer(items);
        let rest = match (cut, pulled) {
            (None, None | Some(Progress::Live)) => Rest::Nothing,
            // Overrun while it waited: the next poll, from the same cursor, is told of the gap.
            (Some(_), _)
            | (None, Some(Progress::More | Progress::Overrun(_) | Progress::Fetch(_))) => {
                Rest::More
            }
        };
        let fetch = match pulled {
            Some(Progress::Fetch(fetch)) => Some(fetch),
            Some(Progress::Live | Progress::More | Progress::Overrun(_)) | None => None,
        };
        let cursor = cut.unwrap_or_else(|| self.engine.cursor_of(key));
        Filled { body, rest, cursor, fetch }
    }
}

/// The refusal of a poll that ends before its client was told what is wrong with its cursor.
fn not_judged() -> Problem {
    Problem::new(Code::Unavailable, "come again with the cursor: it was not judged")
}
