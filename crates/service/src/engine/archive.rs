//! History beyond memory: the sessions and requests that wait for pages of the archive.
//!
//! ```text
//!  pull ─► Progress::Fetch ─► await_page ─┐
//!  GET history ───────────► await_history ┴─► (queue) ─► Archive::ask
//!                                                             │
//!  take_page, pull; the answer ◄───── next_page ◄────── Archive::next
//! ```
//!
//! A session waits for one page at a time, and goes behind the others for its next one. Where many
//! wait, users and addresses have their turns alternately.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use sockeye_hub::{Entry, Fetch, Fetched, Holder, Progress, Seq, SubscriberKey};
use sockeye_server::Time;

use crate::engine::streams::Items;
use crate::engine::{Body, Dialect, Engine, Limits};
use crate::sequencing::{Archive, Archived, Full, Page, Question, Range, Ticket, Unavailable};

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
    /// Those among them that were not asked for yet: of each holder in the order of their numbers.
    queue: BTreeMap<(Holder, u64), Asker>,
    /// The number of the last one in the queue.
    queued: u64,
    /// The holder that had the last turn, and who of it.
    served: Holder,
    turn: Option<Asker>,
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
enum Asker {
    Session(SubscriberKey),
    /// A request for history, by its number.
    Request(u64),
}

/// The holder that a wait for a page counts against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiter {
    pub(crate) holder: Holder,
    /// Whether it is a request: the number of those is bounded.
    pub(crate) is_request: bool,
}

/// A wait for a page.
#[derive(Debug)]
struct Wait {
    waiter: Waiter,
    wanted: Wanted,
    place: Place,
}

#[derive(Debug)]
enum Wanted {
    Fetch(Fetch),
    Part(Part),
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
enum Place {
    /// Not asked for yet: the number in the queue.
    Queued(u64),
    Asked(Ticket),
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
    /// A session may ask for its page now.
    Turn(SubscriberKey),
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

    /// Forgets a session that is gone.
    pub(crate) fn forget(&mut self, key: SubscriberKey) {
        self.patience.remove(&key);
        self.stop(Asker::Session(key));
    }

    /// Forgets a request that is gone.
    pub(crate) fn forget_request(&mut self, id: u64) {
        self.stop(Asker::Request(id));
    }

    /// When the archive has to be asked again. If those who were asked for have gone, nothing else
    /// wakes the loop for the queue: at once.
    pub(crate) fn deadline(&self) -> Time {
        match self.full_until {
            _ if self.queue.is_empty() => Time::NEVER,
            Some(until) => until,
            None if self.asked.is_empty() => Time::from_millis(0),
            None => Time::NEVER,
        }
    }

    /// Cancels the question of somebody who waits.
    fn stop(&mut self, asker: Asker) {
        let Some(wait) = self.leave(asker) else { return };
        if let Place::Asked(ticket) = wait.place
            && self.asked.remove(&ticket).is_some()
            && let Some(archive) = &mut self.archive
        {
            archive.cancel(ticket);
        }
    }

    /// Ends a wait, also in the queue.
    fn leave(&mut self, asker: Asker) -> Option<Wait> {
        let wait = self.waiting.remove(&asker)?;
        let holder = wait.waiter.holder;
        if let Place::Queued(number) = wait.place {
            self.queue.remove(&(holder, number));
        }
        if wait.waiter.is_request {
            self.discount(holder);
        }
        Some(wait)
    }

    fn enter(&mut self, asker: Asker, waiter: Waiter, wanted: Wanted, place: Place) {
        if waiter.is_request {
            *self.requests.entry(waiter.holder).or_default() += 1;
        }
        if let Place::Queued(number) = place {
            self.queue.insert((waiter.holder, number), asker);
        }
        self.waiting.insert(asker, Wait { waiter, wanted, place });
    }

    fn enqueue(&mut self, asker: Asker, waiter: Waiter, wanted: Wanted) {
        self.queued += 1;
        self.enter(asker, waiter, wanted, Place::Queued(self.queued));
    }

    /// Whether another question may be asked now. [service:bound-archive]
    fn may_ask(&self, limits: &Limits, now: Time) -> bool {
        self.asked.len() < limits.archive_questions_max.max(1)
            && self.full_until.is_none_or(|until| until <= now)
    }

    /// Whether an asker may ask now: it has its turn, or nobody waits before it.
    /// [service:fair-archive]
    fn has_turn(&mut self, asker: Asker) -> bool {
        self.turn.take_if(|it| *it == asker).is_some() || self.queue.is_empty()
    }

    /// Asks, or if the archive takes no question, waits in the queue.
    fn ask(
        &mut self,
        (asker, waiter): (Asker, Waiter),
        wanted: Wanted,
        question: Question,
        now: Time,
    ) -> Result<(), Unavailable> {
        let archive = self.archive.as_mut().ok_or(Unavailable)?;
        let ticket = question.ticket;
        match archive.ask(question) {
            Ok(()) => {
                self.full_until = None;
                self.asked.insert(ticket, asker);
                self.enter(asker, waiter, wanted, Place::Asked(ticket));
            }
            // [service:archive-full]
            Err(Full) => {
                self.full_until = Some(now + ASK_AGAIN_MS);
                self.enqueue(asker, waiter, wanted);
            }
        }
        Ok(())
    }

    /// Takes the next asker out of the queue: each holder has its turn.
    fn pop(&mut self) -> Option<(Asker, Wait)> {
        let after = (Bound::Excluded((self.served, u64::MAX)), Bound::Unbounded);
        let next = self.queue.range(after).next().or_else(|| self.queue.first_key_value());
        let ((holder, _), asker) = next.map(|(at, asker)| (*at, *asker))?;
        (self.served, self.turn) = (holder, Some(asker));
        self.leave(asker).map(|wait| (asker, wait))
    }

    fn next_ticket(&mut self) -> Ticket {
        self.tickets += 1;
        self.tickets
    }

    /// The next answer to somebody who still waits.
    fn next(&mut self) -> Option<(Asker, Wait, Result<Page, Unavailable>)> {
        loop {
            let (ticket, answer) = self.archive.as_mut()?.next()?;
            self.full_until = None;
            // Somebody may have gone meanwhile.
            let Some(asker) = self.asked.remove(&ticket) else { continue };
            let Some(wait) = self.leave(asker) else { continue };
            match answer {
                Ok(_) => self.counters.pages += 1,
                Err(Unavailable) => self.counters.unavailable += 1,
            }
            return Some((asker, wait, answer));
        }
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
        if waits_for.is_some_and(|it| matches!(it, Wanted::Fetch(other) if *other == fetch)) {
            return Ok(());
        }
        // It has subscribed something since it asked.
        self.reading.stop(asker);
        let wanted = Wanted::Fetch(fetch);
        if !self.reading.has_turn(asker) || !self.reading.may_ask(&self.limits, self.now) {
            self.reading.enqueue(asker, waiter, wanted);
            return Ok(());
        }
        let Some(subscriber) = self.hub.subscriber(key) else { return Ok(()) };
        let targets: Vec<Box<str>> = subscriber.targets().map(Into::into).collect();
        let question = Question {
            ticket: self.reading.next_ticket(),
            missing_max: self.hub.config().limits.pattern_gaps_max + 2 * targets.len() + 1,
            targets,
            range: Range::After { after: fetch.after, through: fetch.through },
            messages_max: self.limits.archive_messages_max.max(1),
            bytes_max: bytes_max.max(1),
        };
        self.reading.ask((asker, waiter), wanted, question, self.now)
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
        let asker = Asker::Request(id);
        if !self.reading.has_turn(asker) || !self.reading.may_ask(&self.limits, self.now) {
            self.reading.enqueue(asker, waiter, Wanted::Part(part));
            return Ok(());
        }
        let question = Question {
            ticket: self.reading.next_ticket(),
            targets: vec![part.channel.clone()],
            range: part.range,
            messages_max: part.messages_max.max(1),
            bytes_max: part.bytes_max.max(1),
            missing_max: 1,
        };
        self.reading.ask((asker, waiter), Wanted::Part(part), question, self.now)
    }

    /// The next answer of the archive, or a session whose turn it is to ask.
    pub(crate) fn next_page(&mut self) -> Option<Arrived<D>> {
        if let Some((asker, wait, answer)) = self.reading.next() {
            return Some(match (asker, wait.wanted) {
                (Asker::Session(key), Wanted::Fetch(fetch)) => {
                    let page = answer.and_then(|page| self.fetched(fetch, page));
                    Arrived::Session(key, page)
                }
                (Asker::Session(key), Wanted::Part(_)) => Arrived::Turn(key),
                (Asker::Request(id), _) => Arrived::Request(id, answer),
            });
        }
        while self.reading.may_ask(&self.limits, self.now) {
            let (asker, Wait { waiter, wanted, .. }) = self.reading.pop()?;
            match (asker, wanted) {
                (Asker::Session(key), _) => return Some(Arrived::Turn(key)),
                (Asker::Request(id), Wanted::Part(part)) => {
                    if let Err(why) = self.await_history(id, waiter, part) {
                        return Some(Arrived::Request(id, Err(why)));
                    }
                }
                (Asker::Request(_), Wanted::Fetch(_)) => {}
            }
        }
        None
    }

    /// A page for the hub. An archive that gets nowhere cannot be read.
    fn fetched(&self, fetch: Fetch, page: Page) -> Result<Fetched<Body<D::Forms>>, Unavailable> {
        if page.through <= fetch.after {
            return Err(Unavailable);
        }
        let missing = page.missing.into_iter().map(|(name, floor)| (Rc::from(name), floor));
        let missing: Vec<(Rc<str>, Seq)> = missing.collect();
        let entries = page.entries.into_iter().filter_map(|it| self.archived(it)).collect();
        let Page { through, is_missing_more, .. } = page;
        Ok(Fetched { fetch, entries, through, missing, is_missing_more })
    }

    /// A message of the archive for the hub; `None` if it is of another epoch.
    fn archived(&self, archived: Archived) -> Option<sockeye_hub::Archived<Body<D::Forms>>> {
        let Archived { position, channel, time_ms, kind, payload } = archived;
        let is_of_epoch = position.epoch == self.hub.position().epoch;
        let (seq, channel, cost) = (position.seq, Rc::from(channel), payload.cost());
        let body = Body::new(payload);
        let archived = sockeye_hub::Archived { seq, channel, time_ms, kind, body, cost };
        Some(archived).filter(|_| is_of_epoch)
    }

    /// The messages of a page as entries of the log.
    pub(crate) fn recalled(&self, page: Vec<Archived>) -> Vec<Rc<Entry<Body<D::Forms>>>> {
        let archived = page.into_iter().filter_map(|it| self.archived(it));
        archived.map(|it| self.hub.recall(it)).collect()
    }

    /// Hands a session's page to the hub, and returns the items that the session gets.
    pub(crate) fn take_page(
        &mut self,
        key: SubscriberKey,
        page: Fetched<Body<D::Forms>>,
    ) -> (Items<D>, Option<Progress>) {
        let mut items = core::mem::take(&mut self.items);
        let subscriber = self.hub.subscriber(key);
        let progress = subscriber.map(|mut it| it.take_page(page, &mut items));
        (items, progress)
    }
}
