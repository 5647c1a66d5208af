//! An archive in memory that answers when a test lets it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use sockeye_hub::{Cursor, Epoch, Kind, Seq};
use sockeye_service::sequencing::{
    Archive, Archived, Full, Page, Question, Range, Ticket, Unavailable,
};
use sockeye_service::wire::{Data, Payload};

/// Messages of `c` on disk: more than any page, queue or answer has room for.
pub(super) const TOKENS: u64 = 20_000;

pub(super) struct Disk {
    /// The archive keeps no message up to here.
    pub(super) floor: u64,
    /// The newest message.
    pub(super) last: u64,
    pub(super) questions: VecDeque<Question>,
    /// All questions so far.
    pub(super) asked: Vec<Range>,
    pub(super) canceled: Vec<Ticket>,
    pub(super) is_slow: bool,
    pub(super) is_broken: bool,
    pub(super) is_full: bool,
}

/// The messages 1 to 20,000 of `c`, read without any index.
#[derive(Clone)]
pub(crate) struct Naive(Arc<Mutex<Disk>>);

impl Default for Naive {
    fn default() -> Self {
        let disk = Disk {
            floor: 0,
            last: TOKENS,
            questions: VecDeque::new(),
            asked: Vec::new(),
            canceled: Vec::new(),
            is_slow: false,
            is_broken: false,
            is_full: false,
        };
        Self(Arc::new(Mutex::new(disk)))
    }
}

impl Naive {
    pub(super) fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().expect("no test has failed inside")
    }
}

fn text(seq: u64) -> Payload {
    Payload { data: Data::text(seq.to_string()), ..Payload::empty() }
}

fn entry(seq: u64) -> Archived {
    let (position, channel) = (Cursor::new(Epoch(7), Seq(seq)), "c".into());
    Archived { position, channel, time_ms: 1, kind: Kind::Message, payload: text(seq) }
}

fn page(question: &Question, disk: &Disk) -> Page {
    assert!(question.bytes_max > 0 && question.messages_max > 0);
    let has_it = question.targets.iter().any(|it| **it == *"c");
    let kept = disk.floor + 1..=if has_it { disk.last } else { disk.floor };
    let missing = (has_it && disk.floor > 0).then(|| ("c".into(), Seq(disk.floor)));
    let missing = missing.into_iter();
    match question.range {
        Range::After { after, through } => {
            assert!(after < through);
            let wanted = |seq: &u64| (after.0 + 1..=through.0).contains(seq);
            let all: Vec<u64> = kept.filter(wanted).collect();
            let page = &all[..all.len().min(question.messages_max)];
            let more = page.len() < all.len();
            let end = page.last().copied().filter(|_| more).map_or(through, Seq);
            let missing = missing.filter(|(_, floor)| *floor > after).collect();
            let entries = page.iter().map(|seq| entry(*seq)).collect();
            Page { entries, through: end, missing, more, ..Page::default() }
        }
        Range::Before { before } => {
            let all: Vec<u64> = kept.filter(|seq| *seq < before.0).collect();
            let page = &all[all.len() - all.len().min(question.messages_max)..];
            let more = page.len() < all.len();
            let entries = page.iter().map(|seq| entry(*seq)).collect();
            let (through, missing) = (before.previous(), missing.collect());
            Page { entries, through, missing, more, ..Page::default() }
        }
    }
}

impl Archive for Naive {
    fn ask(&mut self, question: Question) -> Result<(), Full> {
        let mut disk = self.disk();
        if disk.is_full {
            return Err(Full);
        }
        disk.asked.push(question.range);
        disk.questions.push_back(question);
        Ok(())
    }

    fn cancel(&mut self, ticket: Ticket) {
        self.disk().canceled.push(ticket);
    }

    fn next(&mut self) -> Option<(Ticket, Result<Page, Unavailable>)> {
        let mut disk = self.disk();
        if disk.is_slow {
            return None;
        }
        let question = disk.questions.pop_front()?;
        let page = if disk.is_broken { Err(Unavailable) } else { Ok(page(&question, &disk)) };
        Some((question.ticket, page))
    }
}
