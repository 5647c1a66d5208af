//! History beyond memory: the sessions that wait for pages of the archive.
//!
//! ```text
//!  pull ─► Progress::Fetch ─► await_page ─► (queue) ─► Archive::ask
//!                                                          │
//!  take_page, pull ◄──────── next_page ◄─────────── Archive::next
//! ```
//!
//! A session waits for one page at a time, and goes behind the others for its next one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use sockeye_hub::{Fetch, Fetched, Progress, Seq, SubscriberKey};

use crate::engine::streams::Items;
use crate::engine::{Body, Dialect, Engine};
use crate::sequencing::{Archive, Archived, Page, Question, Range, Ticket, Unavailable};

/// The questions to the archive.
#[derive(Default)]
pub(crate) struct Reading {
    archive: Option<Box<dyn Archive>>,
    /// The ticket of the last question.
    tickets: Ticket,
    /// Questions under way.
    asked: BTreeMap<Ticket, SubscriberKey>,
    /// Sessions that wait for a page.
    waiting: BTreeMap<SubscriberKey, Wait>,
    /// Those among them that were not asked for yet. Sessions that are gone are skipped.
    queue: VecDeque<SubscriberKey>,
    /// Polls that wait for their page and for nothing else.
    pub(crate) impatient: BTreeSet<SubscriberKey>,
}

/// What a session waits for.
#[derive(Clone, Copy, Debug)]
struct Wait {
    fetch: Fetch,
    /// `None` while it is in the queue.
    ticket: Option<Ticket>,
}

/// An answer of the archive, for the dialect.
pub(crate) enum Arrived<D: Dialect> {
    /// The page of a session.
    Session(SubscriberKey, Result<Fetched<Body<D::Forms>>, Unavailable>),
    /// A session may ask for its page now.
    Turn(SubscriberKey),
}

impl Reading {
    /// The number of sessions that wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Forgets a session that is gone.
    pub(crate) fn forget(&mut self, key: SubscriberKey) {
        self.impatient.remove(&key);
        self.stop(key);
    }

    /// Cancels a session's question.
    fn stop(&mut self, key: SubscriberKey) {
        if let Some(Wait { ticket: Some(ticket), .. }) = self.waiting.remove(&key) {
            self.cancel(ticket);
        }
    }

    /// Forgets a question.
    fn cancel(&mut self, ticket: Ticket) {
        if self.asked.remove(&ticket).is_some()
            && let Some(archive) = &mut self.archive
        {
            archive.cancel(ticket);
        }
    }

    fn ask(&mut self, key: SubscriberKey, question: Question) -> Result<Ticket, Unavailable> {
        let archive = self.archive.as_mut().ok_or(Unavailable)?;
        let ticket = question.ticket;
        archive.ask(question).map_err(|_| Unavailable)?;
        self.asked.insert(ticket, key);
        Ok(ticket)
    }

    fn next_ticket(&mut self) -> Ticket {
        self.tickets += 1;
        self.tickets
    }
}

impl<D: Dialect> Engine<D> {
    /// Attaches an archive, which has what memory no longer has.
    pub(crate) fn attach_archive(&mut self, archive: Box<dyn Archive>) {
        self.hub.attach_archive();
        self.reading.archive = Some(archive);
    }

    /// Has a session wait for a page, of at most so many bytes.
    ///
    /// # Errors
    /// The archive does not take the question.
    pub(crate) fn await_page(
        &mut self,
        key: SubscriberKey,
        fetch: Fetch,
        bytes_max: usize,
    ) -> Result<(), Unavailable> {
        if self.reading.waiting.get(&key).is_some_and(|it| it.fetch == fetch) {
            return Ok(());
        }
        // It has subscribed something since it asked.
        self.reading.stop(key);
        // [service:bound-archive]
        if self.reading.asked.len() >= self.limits.archive_questions_max {
            self.reading.waiting.insert(key, Wait { fetch, ticket: None });
            self.reading.queue.push_back(key);
            return Ok(());
        }
        let Some(subscriber) = self.hub.subscriber(key) else { return Ok(()) };
        let targets: Vec<Box<str>> = subscriber.targets().map(Into::into).collect();
        let limits = &self.hub.config().limits;
        let question = Question {
            ticket: self.reading.next_ticket(),
            missing_max: limits.pattern_gaps_max + 2 * targets.len() + 1,
            targets,
            range: Range::After { after: fetch.after, through: fetch.through },
            messages_max: self.limits.archive_messages_max.max(1),
            bytes_max: bytes_max.max(1),
        };
        let ticket = self.reading.ask(key, question)?;
        self.reading.waiting.insert(key, Wait { fetch, ticket: Some(ticket) });
        Ok(())
    }

    /// The next answer of the archive, or a session whose turn it is to ask.
    pub(crate) fn next_page(&mut self) -> Option<Arrived<D>> {
        while let Some((ticket, answer)) = self.reading.archive.as_mut()?.next() {
            // Somebody may have gone meanwhile.
            let Some(key) = self.reading.asked.remove(&ticket) else { continue };
            let Some(Wait { fetch, .. }) = self.reading.waiting.remove(&key) else { continue };
            let page = answer.and_then(|page| self.fetched(fetch, page));
            return Some(Arrived::Session(key, page));
        }
        while self.reading.asked.len() < self.limits.archive_questions_max {
            let key = self.reading.queue.pop_front()?;
            let is_queued = |it: &Wait| it.ticket.is_none();
            if self.reading.waiting.get(&key).is_some_and(is_queued) {
                self.reading.waiting.remove(&key);
                return Some(Arrived::Turn(key));
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
