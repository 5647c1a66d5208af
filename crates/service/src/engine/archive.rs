//! History beyond memory: the sessions and requests that wait for pages of the archive.
//!
//! ```text
//!  pull ─► Progress::Fetch ─► await_page ─┐
//!  GET history ───────────► await_history ┴─► (queue) ─► Archive::ask
//!                                                             │
//!  take_page, pull; the answer ◄── Task::Page ◄── hear ◄── Archive::next
//! ```
//!
//! A session waits for one page at a time, and goes behind the others for its next one. The order in the
//! queue is fair by account. A page that has arrived is a task of the account that asked for it.

mod pages;
mod queue;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use sockeye_hub::{Fetch, Fetched, Holder, SubscriberKey};
use sockeye_server::Time;

use self::queue::Queue;
use crate::engine::work::Payer;
use crate::engine::{Body, Dialect, Engine, Limits, Outlet, Task};
use crate::sequencing::{Archive, Full, Page, Question, Range, Ticket, Unavailable};

/// When an archive that was full is asked again, if it does not answer before, in milliseconds.
const ASK_AGAIN_MS: u64 = 50;

/// The questions to the archive.
#[derive(Default)]
pub(crate) struct Reading {
    archive: Option<Box<dyn Archive>>,
    /// The ticket of the last question.
    tickets: Ticket,
    /// Questions under way.
    asked: BTreeMap<Ticket, Asker>,
    /// Everybody who waits for a page.
    waiting: BTreeMap<Asker, Wait>,
    /// Those among them that were not asked for yet.
    queue: Queue,
    /// Pages that wait for the task of their account. Each keeps the place of its question.
    arrived: BTreeMap<Asker, Arrival>,
    /// Units that were spent on the pages taken last, and that nobody was charged for.
    unbilled: u64,
    /// Polls that wait for a page, and requests that wait for their turn or for the archive, by holder.
    requests: BTreeMap<Holder, usize>,
    /// Those among them that wait for their turn.
    unasked: usize,
    /// When to ask again an archive that took no question.
    full_until: Option<Time>,
    /// Polls that wait for a page, and how long their clients wait if it has nothing for them;
    /// `None`: no longer.
    pub(crate) patience: BTreeMap<SubscriberKey, Option<Time>>,
    counters: ReadingCounters,
}

/// Whoever waits for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asker {
    Session(SubscriberKey),
    /// A request for history, by its number.
    Request(u64),
}

/// The accounts of a wait for a page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiter {
    /// Whose share of the requests that wait it counts against.
    pub(crate) holder: Holder,
    /// The account to which the page is charged.
    pub(crate) payer: Payer,
    /// Whether it is a request: the number of those is bounded.
    pub(crate) is_request: bool,
}

/// A wait for a page.
#[derive(Debug)]
struct Wait {
    waiter: Waiter,
    wanted: Wanted,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Wanted {
    /// A page of a session, of at most so many bytes.
    Fetch(SubscriberKey, Fetch, usize),
    /// A page of a request.
    Part(u64, Part),
}

/// A part of one channel's history.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) channel: Box<str>,
    pub(crate) range: Range,
    pub(crate) messages_max: usize,
    pub(crate) bytes_max: usize,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Not asked for yet: the number in the queue.
    Queued(u64),
    Asked(Ticket),
    /// The page is here, and its task waits.
    Arrived,
}

/// A page that has arrived.
struct Arrival {
    payer: Payer,
    /// `None` if nobody waits for it any more.
    page: Option<Result<Page, Unavailable>>,
    /// Units that it has cost so far.
    units: u64,
}

/// Counts of answers, and gauges of those who wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadingCounters {
    pub(crate) pages: u64,
    pub(crate) unavailable: u64,
    pub(crate) streams: u64,
    pub(crate) requests: u64,
}

impl ReadingCounters {
    pub(crate) fn add(&mut self, other: Self) {
        self.pages += other.pages;
        self.unavailable += other.unavailable;
        self.streams += other.streams;
        self.requests += other.requests;
    }
}

/// An answer of the archive, for the dialect.
pub(crate) enum Arrived<D: Dialect> {
    /// The page of a session.
    Session(SubscriberKey, Result<Fetched<Body<D::Forms>>, Unavailable>),
    /// The page of a request.
    Request(u64, Result<Page, Unavailable>),
}

impl Reading {
    /// The requests that wait.
    fn requests(&self) -> usize {
        self.requests.values().sum()
    }

    /// Counts a request that waits for its turn.
    pub(crate) fn enter_unasked(&mut self, holder: Holder) {
        *self.requests.entry(holder).or_default() += 1;
        self.unasked += 1;
    }

    /// The turn of a request has come, or the request is gone.
    pub(crate) fn leave_unasked(&mut self, holder: Holder) {
        self.discount(holder);
        self.unasked -= 1;
    }

    fn discount(&mut self, holder: Holder) {
        let Some(count) = self.requests.get_mut(&holder) else { return };
        *count -= 1;
        if *count == 0 {
            self.requests.remove(&holder);
        }
    }

    /// The figures.
    pub(crate) fn counters(&self) -> ReadingCounters {
        let requests = self.requests() - self.unasked;
        let streams = self.waiting.len() - requests;
        ReadingCounters { streams: streams as u64, requests: requests as u64, ..self.counters }
    }

    /// Whether a page for this session is here, and waits for its task.
    pub(crate) fn has_page_for(&self, key: SubscriberKey) -> bool {
        self.arrived.get(&Asker::Session(key)).is_some_and(|arrival| arrival.page.is_some())
    }

    /// Forgets a session that is gone.
    pub(crate) fn forget(&mut self, key: SubscriberKey) {
        self.patience.remove(&key);
        self.stop(Asker::Session(key));
    }

    /// Forgets a request that is gone.
    pub(crate) fn forget_request(&mut self, id: u64) {
        self.stop(Asker::Request(id));
    }

    /// When the archive has to be asked again: at once if a place is free for somebody in the queue.
    pub(crate) fn deadline(&self, limits: &Limits) -> Time {
        match self.full_until {
            _ if self.queue.is_empty() => Time::NEVER,
            Some(until) => until,
            None if self.is_place_free(limits) => Time::from_millis(0),
            None => Time::NEVER,
        }
    }

    /// Ends the wait of somebody for a page, and cancels the question.
    fn stop(&mut self, asker: Asker) {
        let Some(wait) = self.leave(asker) else { return };
        match wait.stage {
            Stage::Queued(number) => self.queue.remove(wait.waiter.payer, number),
            Stage::Asked(ticket) => {
                self.asked.remove(&ticket);
                self.queue.release(wait.waiter.payer);
                if let Some(archive) = &mut self.archive {
                    archive.cancel(ticket);
                }
            }
            // Its task takes the place back.
            Stage::Arrived => {
                if let Some(arrival) = self.arrived.get_mut(&asker) {
                    arrival.page = None;
                }
            }
        }
    }

    /// Forgets a wait.
    fn leave(&mut self, asker: Asker) -> Option<Wait> {
        let wait = self.waiting.remove(&asker)?;
        if wait.waiter.is_request {
            self.discount(wait.waiter.holder);
        }
        Some(wait)
    }

    /// Notes a wait.
    fn enter(&mut self, asker: Asker, waiter: Waiter, wanted: Wanted, stage: Stage) {
        if waiter.is_request {
            *self.requests.entry(waiter.holder).or_default() += 1;
        }
        self.waiting.insert(asker, Wait { waiter, wanted, stage });
    }

    /// Whether another question may be under way. A page that has arrived counts until it is taken, which
    /// bounds the memory of pages. [service:bound-archive]
    fn is_place_free(&self, limits: &Limits) -> bool {
        self.asked.len() + self.arrived.len() < limits.archive_questions_max.max(1)
    }

    /// Whether somebody in the queue may ask now.
    fn may_ask(&self, limits: &Limits, now: Time) -> bool {
        self.is_place_free(limits) && self.full_until.is_none_or(|until| until <= now)
    }

    /// Whether an account may ask without waiting in the queue. [service:fair-archive]
    fn may_ask_now(&self, payer: Payer, limits: &Limits, now: Time) -> bool {
        let has_place = self.queue.places_of(payer) < limits.archive_questions_per_payer();
        self.may_ask(limits, now) && self.queue.is_empty() && has_place
    }

    fn next_ticket(&mut self) -> Ticket {
        self.tickets += 1;
        self.tickets
    }

    /// Takes an answer to somebody who still waits. Returns who that is and the units of the page, with
    /// the account, unless it has a task for that asker already.
    fn hear(&mut self) -> Option<(Asker, u64, Option<Payer>)> {
        loop {
            let (ticket, answer) = self.archive.as_mut()?.next()?;
            self.full_until = None;
            // Somebody may have gone meanwhile.
            let Some(asker) = self.asked.remove(&ticket) else { continue };
            let Some(wait) = self.waiting.get_mut(&asker) else { continue };
            let payer = wait.waiter.payer;
            wait.stage = Stage::Arrived;
            let units = match &answer {
                Ok(page) => page.entries.len() as u64,
                Err(Unavailable) => 0,
            };
            match answer {
                Ok(_) => self.counters.pages += 1,
                Err(Unavailable) => self.counters.unavailable += 1,
            }
            match self.arrived.entry(asker) {
                Entry::Vacant(none) => {
                    none.insert(Arrival { payer, page: Some(answer), units });
                    return Some((asker, units, Some(payer)));
                }
                // It has asked for another page since the first one arrived.
                Entry::Occupied(known) => {
                    let arrival = known.into_mut();
                    (arrival.page, arrival.units) = (Some(answer), arrival.units + units);
                    self.queue.release(payer);
                    return Some((asker, units, None));
                }
            }
        }
    }

    /// Takes the page of an asker, and its place. `None` if nobody waits for it any more.
    fn take(&mut self, asker: Asker) -> Option<(Wait, Result<Page, Unavailable>)> {
        let Arrival { payer, page, units } = self.arrived.remove(&asker)?;
        self.queue.release(payer);
        self.unbilled += units;
        let page = page?;
        self.leave(asker).map(|wait| (wait, page))
    }

    /// The units of pages taken since the last call, which were spent before.
    pub(crate) fn take_unbilled(&mut self) -> u64 {
        core::mem::take(&mut self.unbilled)
    }
}

impl<D: Dialect> Engine<D> {
    /// Attaches an archive, which has what memory no longer has.
    pub(crate) fn attach_archive(&mut self, archive: Box<dyn Archive>) {
        self.hub.attach_archive();
        self.reading.archive = Some(archive);
    }

    /// Whether one more request of a holder may wait for its page.
    ///
    /// [service:bound-archive] Of the requests that may wait, each holder has its share, and a claim.
    pub(crate) fn admit_reader(&mut self, holder: Holder) -> bool {
        let (room, own_max) =
            (self.limits.archive_requests_max, self.limits.archive_requests_per_holder_max);
        let own = self.reading.requests.get(&holder).copied().unwrap_or_default();
        let all = self.reading.requests();
        let rejections = &mut self.bounds.rejections;
        if holder != Holder::UNCOUNTED && own >= own_max {
            rejections.own_archive += 1;
            return false;
        }
        let is_room = all < holder.claim(own, own_max, room).of(room);
        rejections.archive += u64::from(!is_room);
        is_room
    }

    /// Has a session wait for a page, of at most so many bytes.
    ///
    /// # Errors
    /// There is no archive.
    pub(crate) fn await_page(
        &mut self,
        key: SubscriberKey,
        waiter: Waiter,
        fetch: Fetch,
        bytes_max: usize,
    ) -> Result<(), Unavailable> {
        let asker = Asker::Session(key);
        let waits_for = self.reading.waiting.get(&asker).map(|it| &it.wanted);
        if waits_for.is_some_and(|it| matches!(it, Wanted::Fetch(_, other, _) if *other == fetch)) {
            return Ok(());
        }
        // It has subscribed something since it asked.
        self.reading.stop(asker);
        self.await_wanted(asker, waiter, Wanted::Fetch(key, fetch, bytes_max))
    }

    /// Has a request wait for a part of a channel's history.
    ///
    /// # Errors
    /// There is no archive.
    pub(crate) fn await_history(
        &mut self,
        id: u64,
        waiter: Waiter,
        part: Part,
    ) -> Result<(), Unavailable> {
        self.await_wanted(Asker::Request(id), waiter, Wanted::Part(id, part))
    }

    /// Asks the archive now, or has the asker wait in the queue.
    fn await_wanted(
        &mut self,
        asker: Asker,
        waiter: Waiter,
        wanted: Wanted,
    ) -> Result<(), Unavailable> {
        let reading = &mut self.reading;
        if reading.archive.is_none() {
            return Err(Unavailable);
        }
        let may_ask = reading.may_ask_now(waiter.payer, &self.limits, self.now);
        let number = reading.queue.number();
        reading.enter(asker, waiter, wanted, Stage::Queued(number));
        if !may_ask || !self.ask(asker) {
            self.reading.queue.push(waiter.payer, number, asker);
        }
        Ok(())
    }

    /// Asks the archive for those whose turn it is.
    fn ask_archive(&mut self) {
        let own_max = self.limits.archive_questions_per_payer();
        while self.reading.may_ask(&self.limits, self.now) {
            let Some((payer, number, asker)) = self.reading.queue.pop(own_max) else { return };
            if !self.ask(asker) {
                return self.reading.queue.push(payer, number, asker);
            }
        }
    }

    /// Asks the archive for what somebody waits for. Returns whether the archive has taken the question.
    fn ask(&mut self, asker: Asker) -> bool {
        let Some(wait) = self.reading.waiting.get(&asker) else { return true };
        let (payer, wanted) = (wait.waiter.payer, wait.wanted.clone());
        let ticket = self.reading.next_ticket();
        let question = self.question(ticket, wanted);
        let reading = &mut self.reading;
        let Some(archive) = &mut reading.archive else { return true };
        // [service:archive-full]
        if let Err(Full) = archive.ask(question) {
            reading.full_until = Some(self.now + ASK_AGAIN_MS);
            return false;
        }
        reading.full_until = None;
        reading.asked.insert(ticket, asker);
        reading.queue.occupy(payer);
        if let Some(wait) = reading.waiting.get_mut(&asker) {
            wait.stage = Stage::Asked(ticket);
        }
        true
    }

    /// The question of somebody who waits.
    fn question(&mut self, ticket: Ticket, wanted: Wanted) -> Question {
        match wanted {
            Wanted::Fetch(key, fetch, bytes_max) => {
                let subscriber = self.hub.subscriber(key);
                let targets = subscriber.as_ref().map(|it| it.targets().map(Into::into).collect());
                let targets: Vec<Box<str>> = targets.unwrap_or_default();
                Question {
                    ticket,
                    missing_max: self.hub.config().limits.pattern_gaps_max + 2 * targets.len() + 1,
                    targets,
                    range: Range::After { after: fetch.after, through: fetch.through },
                    messages_max: self.limits.archive_messages_max.max(1),
                    bytes_max: bytes_max.max(1),
                }
            }
            Wanted::Part(_, part) => Question {
                ticket,
                targets: vec![part.channel],
                range: part.range,
                messages_max: part.messages_max.max(1),
                bytes_max: part.bytes_max.max(1),
                missing_max: 1,
            },
        }
    }

    /// Asks the archive, and hears its answers while the turn has more than `reserve` units. Each answer
    /// becomes a task of the account that asked. [service:fair-archive]
    pub(crate) fn hear_archive(&mut self, reserve: u64, out: &mut impl Outlet<D>) {
        self.ask_archive();
        while let Some((asker, units, payer)) = self.reading.hear() {
            out.spend(units);
            if let Some(payer) = payer {
                self.work.add(payer, Task::Page(asker));
            }
            // [service:turn-yields]
            if out.units_left() <= reserve {
                return out.come_back();
            }
        }
    }

    /// Hears the archive before polls end because their time is over: an answer that has come meanwhile is in time.
    /// [service:archive-page-first]
    pub(crate) fn hear_archive_before_ends(&mut self, reserve: u64, out: &mut impl Outlet<D>) {
        if !self.reading.asked.is_empty() {
            self.hear_archive(reserve, out);
        }
    }

    /// Takes the page of an asker. `None` if nobody waits for it any more.
    pub(crate) fn take_arrived(&mut self, asker: Asker) -> Option<Arrived<D>> {
        let taken = self.reading.take(asker);
        // Its place is free.
        self.ask_archive();
        let (wait, answer) = taken?;
        Some(match wait.wanted {
            Wanted::Fetch(key, fetch, _) => {
                Arrived::Session(key, answer.and_then(|page| self.fetched(fetch, page)))
            }
            Wanted::Part(id, _) => Arrived::Request(id, answer),
        })
    }
}
