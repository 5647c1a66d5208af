//! The archive of a simulated service: the log on disk, read after a while.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use sockeye_hub::{Cursor, Epoch, Kind, Seq};
use sockeye_service::sequencing::{
    Archive, Archived, Full, Page, Question, Range, Ticket, Unavailable,
};

use crate::simulation::log::Mood;
use crate::simulation::oracle::covers;
use crate::simulation::truth::{Entry, Truth};

pub(crate) struct SimArchive {
    truth: Rc<RefCell<Truth>>,
    mood: Rc<RefCell<Mood>>,
    /// Questions under way, some with what was read when they were asked.
    asked: Vec<(Question, Option<Page>)>,
    pub(crate) counts: Rc<Counts>,
}

/// What the archives of a world did.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Questions under way.
    pub(crate) open: Cell<u64>,
    pub(crate) pages: Cell<u64>,
    pub(crate) refused: Cell<u64>,
}

impl SimArchive {
    pub(crate) fn new(
        truth: &Rc<RefCell<Truth>>,
        mood: &Rc<RefCell<Mood>>,
        counts: &Rc<Counts>,
    ) -> Self {
        let (truth, mood, counts) = (Rc::clone(truth), Rc::clone(mood), Rc::clone(counts));
        Self { truth, mood, asked: Vec::new(), counts }
    }

    fn read(&self, question: &Question) -> Page {
        let truth = self.truth.borrow();
        let (after, through) = match question.range {
            Range::After { after, through } => (after, through),
            Range::Before { before } => return read_before(&truth, question, before),
        };
        let is_wanted = |channel: &str| question.targets.iter().any(|it| covers(it, channel));
        let part = truth.kept().filter(|(seq, _)| (after.0 + 1..=through.0).contains(seq));
        let mut part = part
            .filter(|(seq, entry)| is_wanted(&entry.channel) && *seq > truth.floor(&entry.channel));
        let most = match self.mood.borrow_mut().random.below(3) {
            0 => 1,
            _ => question.messages_max,
        };
        let (mut page, mut bytes) = (Page { through, ..Page::default() }, 0);
        for (seq, entry) in part.by_ref() {
            bytes += entry.payload.cost();
            let is_full = page.entries.len() >= most || bytes > question.bytes_max;
            if let Some(last) = page.entries.last().filter(|_| is_full) {
                (page.through, page.more) = (last.position.seq, true);
                break;
            }
            page.entries.push(archived(&truth, seq, entry));
        }
        let floors =
            truth.floors.iter().filter(|(name, floor)| is_wanted(name) && **floor > after.0);
        page.missing = floors.map(|(name, floor)| (name.as_str().into(), Seq(*floor))).collect();
        self.leave_out(question, &mut page);
        page
    }

    /// Of those that only patterns match, it may leave out some, if it says so.
    fn leave_out(&self, question: &Question, page: &mut Page) {
        let is_named = |name: &str| question.targets.iter().any(|target| **target == *name);
        let by_pattern = page.missing.iter().filter(|(name, _)| !is_named(name)).count();
        let is_short = self.mood.borrow_mut().random.one_in(8);
        if by_pattern > question.missing_max || (by_pattern > 0 && is_short) {
            page.missing.retain(|(name, _)| is_named(name));
            page.is_missing_more = true;
        }
    }
}

/// The newest messages of a channel below a position.
fn read_before(truth: &Truth, question: &Question, before: Seq) -> Page {
    let [channel] = &question.targets[..] else { panic!("history of one channel: {question:?}") };
    let floor = truth.floor(channel);
    let kept = truth
        .kept()
        .filter(|(seq, entry)| *seq < before.0 && *seq > floor && entry.channel == **channel);
    let mut entries: Vec<Archived> = kept.map(|(seq, entry)| archived(truth, seq, entry)).collect();
    let most = entries.len().saturating_sub(question.messages_max);
    let mut page = Page { through: before.previous(), more: most > 0, ..Page::default() };
    page.entries = entries.split_off(most);
    page.missing = (floor > 0).then(|| (channel.clone(), Seq(floor))).into_iter().collect();
    page
}

fn archived(truth: &Truth, seq: u64, entry: &Entry) -> Archived {
    Archived {
        position: Cursor::new(Epoch(truth.epoch), Seq(seq)),
        channel: entry.channel.as_str().into(),
        time_ms: entry.log_ms,
        kind: if entry.is_end { Kind::End } else { Kind::Message },
        payload: entry.payload.clone(),
    }
}

impl Archive for SimArchive {
    fn ask(&mut self, question: Question) -> Result<(), Full> {
        let (is_full, is_early) = {
            let Mood { random, is_full, .. } = &mut *self.mood.borrow_mut();
            (random.one_in(*is_full), random.one_in(2))
        };
        if is_full {
            self.counts.refused.set(self.counts.refused.get() + 1);
            return Err(Full);
        }
        if let Range::After { after, through } = question.range {
            let settled = self.truth.borrow().settled;
            assert!(after < through && through.0 <= settled, "{question:?}, and {settled}");
        }
        assert!(question.messages_max > 0 && question.bytes_max > 0);
        assert!(self.asked.iter().all(|(it, _)| it.ticket != question.ticket), "a ticket twice");
        let page = is_early.then(|| self.read(&question));
        self.asked.push((question, page));
        self.counts.open.set(self.counts.open.get() + 1);
        Ok(())
    }

    fn cancel(&mut self, ticket: Ticket) {
        let before = self.asked.len();
        self.asked.retain(|(it, _)| it.ticket != ticket);
        assert_eq!(self.asked.len() + 1, before, "only what is under way is canceled");
        self.counts.open.set(self.counts.open.get() - 1);
    }

    fn next(&mut self) -> Option<(Ticket, Result<Page, Unavailable>)> {
        let (which, is_unavailable) = {
            let Mood { random, reads, is_unavailable, .. } = &mut *self.mood.borrow_mut();
            if self.asked.is_empty() || !random.one_in(*reads) {
                return None;
            }
            (random.below(self.asked.len()), random.one_in(*is_unavailable))
        };
        let (question, page) = self.asked.remove(which);
        self.counts.open.set(self.counts.open.get() - 1);
        if is_unavailable {
            self.counts.refused.set(self.counts.refused.get() + 1);
            return Some((question.ticket, Err(Unavailable)));
        }
        self.counts.pages.set(self.counts.pages.get() + 1);
        let page = page.unwrap_or_else(|| self.read(&question));
        Some((question.ticket, Ok(page)))
    }
}

/// The questions of a process that has been killed are nobody's.
impl Drop for SimArchive {
    fn drop(&mut self) {
        self.counts.open.set(self.counts.open.get() - self.asked.len() as u64);
    }
}
