//! History that memory no longer has, read from the log on disk.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use sockeye_hub::{ChannelName, Cursor, Epoch, Pattern, Seq, Target};
use sockeye_log::{Error, Page as Found, Query, Range as Part, Reader, Readers, Target as Wanted};
use sockeye_server::Waker;
use sockeye_service::Record;
use sockeye_service::sequencing::{
    Archive, Archived, Full, Page, Question, Range, Ticket, Unavailable,
};
use sockeye_service::wire::Payload;

/// Damaged messages that are logged since the log was opened.
const TOLD_MAX: usize = 1_000;

/// Damaged messages that one question passes. It gives up the rest of its history.
const PASSED_MAX: usize = 64;

/// The log on disk, for the archive of each loop.
#[derive(Clone)]
pub(crate) struct Archives {
    readers: Readers,
    epoch: Epoch,
    /// The damaged messages that were logged.
    told: Arc<Mutex<BTreeSet<u64>>>,
}

impl Archives {
    pub(crate) fn new(readers: Readers, epoch: Epoch) -> Self {
        Self { readers, epoch, told: Arc::default() }
    }

    /// The archive of the loop that `waker` wakes.
    pub(crate) fn archive(&self, waker: Waker) -> DiskArchive {
        self.archive_with(move || {
            // A loop that cannot be woken has ended already.
            let _ = waker.wake();
        })
    }

    fn archive_with(&self, wake: impl Fn() + Send + Sync + 'static) -> DiskArchive {
        let reader = self.readers.reader(wake);
        let (epoch, told) = (self.epoch, Arc::clone(&self.told));
        DiskArchive { reader, epoch, told, asked: HashMap::new() }
    }
}

/// The archive of one loop.
pub(crate) struct DiskArchive {
    reader: Reader,
    epoch: Epoch,
    told: Arc<Mutex<BTreeSet<u64>>>,
    /// The questions under way.
    asked: HashMap<Ticket, Asked>,
}

/// A question under way.
struct Asked {
    question: Question,
    /// The damage that it has met.
    damage: Option<Damage>,
}

/// Damaged messages that a question has met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Damage {
    /// The one that is told.
    first: Seq,
    /// The last one.
    last: Seq,
    /// How many.
    count: usize,
    /// What was asked then.
    side: Side,
}

/// A side of a damaged message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// The messages between it and the position from which the question reads.
    Near,
    /// The messages beyond it.
    Far,
}

impl DiskArchive {
    /// Asks the reader for a part of what a question wants.
    fn read(&mut self, question: &Question, range: Part) -> Result<(), Full> {
        let query = Query {
            ticket: question.ticket,
            targets: question.targets.iter().map(|text| wanted(text)).collect(),
            range,
            records_max: question.messages_max,
            bytes_max: u64::try_from(question.bytes_max).unwrap_or(u64::MAX),
            missing_max: question.missing_max,
        };
        self.reader.ask(query).map_err(|_| Full)
    }

    fn page(&self, found: Found, end: Seq) -> Option<Page> {
        let mut entries = Vec::with_capacity(found.entries.len());
        for it in found.entries {
            entries.push(Archived {
                position: Cursor::new(self.epoch, Seq(it.seq)),
                channel: it.channel.as_ref().into(),
                time_ms: it.time_ms,
                kind: Record::kind_of(it.kind)?,
                payload: Payload::from_log(&it.body)?,
            });
        }
        let missing = found.missing.into_iter();
        Some(Page {
            entries,
            // Positions above the newest record are void.
            through: if found.more { Seq(found.through) } else { end },
            missing: missing.map(|(name, floor)| (name.as_ref().into(), Seq(floor))).collect(),
            is_missing_more: found.is_missing_more,
            more: found.more,
        })
    }

    /// The answer to a question; `None` if it was asked again.
    fn answer(
        &mut self,
        asked: Asked,
        found: Result<Found, Error>,
    ) -> Option<Result<Page, Unavailable>> {
        let (range, damage) = (asked.question.range, asked.damage);
        match (found, damage) {
            (Ok(found), None) => Some(self.page(found, end_of(range)).ok_or(Unavailable)),
            (Ok(found), Some(damage)) => {
                let Some(page) = self.page(found, end_of(range)) else {
                    return Some(Err(Unavailable));
                };
                let is_before = matches!(range, Range::Before { .. });
                match beyond(damage).filter(|_| is_before && page.entries.is_empty()) {
                    Some((part, damage)) => self.ask_again(asked, part, damage),
                    None => Some(Ok(beside(page, &asked, damage))),
                }
            }
            (Err(Error::Damaged { seq }), _) if has(range, Seq(seq)) => {
                self.tell(seq);
                match part_beside(range, damage, Seq(seq)) {
                    Ok((part, damage)) => self.ask_again(asked, part, damage),
                    Err(damage) => Some(Ok(beside(Page::default(), &asked, damage))),
                }
            }
            (Err(error), _) => {
                log::error!(error:%; "the log cannot be read");
                Some(Err(Unavailable))
            }
        }
    }

    /// Asks for another part of what a question wants.
    fn ask_again(
        &mut self,
        mut asked: Asked,
        part: Part,
        damage: Damage,
    ) -> Option<Result<Page, Unavailable>> {
        if self.read(&asked.question, part).is_err() {
            return Some(Err(Unavailable));
        }
        asked.damage = Some(damage);
        self.asked.insert(asked.question.ticket, asked);
        None
    }

    /// Logs a damaged message once.
    fn tell(&self, seq: u64) {
        // No code panics while it changes them.
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < TOLD_MAX && told.insert(seq) {
            log::error!(seq; "a message in the log is damaged, and is a gap for its readers");
            if told.len() == TOLD_MAX {
                log::error!("more damaged messages are not logged: see `sockeye log verify`");
            }
        }
    }
}

/// The part to read when a question that has met this damage meets a damaged message. An error has
/// the damage where no part is left.
fn part_beside(range: Range, met: Option<Damage>, damaged: Seq) -> Result<(Part, Damage), Damage> {
    let (first, count) = match (range, met) {
        (Range::Before { .. }, Some(met)) => (met.first, met.count + 1),
        // The last one is the nearest, and the next page begins with it.
        (Range::After { .. }, Some(met)) => (damaged, met.count + 1),
        (_, None) => (damaged, 1),
    };
    let damage = Damage { first, last: damaged, count, side: Side::Near };
    if count > PASSED_MAX {
        return Err(damage);
    }
    match range {
        Range::After { after, .. } => {
            // A channel whose row is damaged is found so again, whatever part is asked for.
            let is_again = met.is_some_and(|met| damaged >= met.last);
            let through = damaged.previous();
            match after < through && !is_again {
                true => Ok((Part::After { after: after.0, through: through.0 }, damage)),
                false => Err(damage),
            }
        }
        Range::Before { before } => {
            let before = met.map_or(before, |met| met.last);
            // The near side was sound a moment ago, so it is the row here, too.
            let is_again = met.is_some_and(|met| met.side == Side::Near || damaged >= met.last);
            let through = before.previous();
            match damaged < through {
                _ if is_again => Err(damage),
                true => Ok((Part::After { after: damaged.0, through: through.0 }, damage)),
                false => beyond(damage).ok_or(damage),
            }
        }
    }
}

/// The part before a damaged message, for a question that goes backwards and found nothing nearer.
fn beyond(damage: Damage) -> Option<(Part, Damage)> {
    let is_left = damage.side == Side::Near && damage.last > Seq(1);
    let part = Part::Before { before: damage.last.0 };
    is_left.then_some((part, Damage { side: Side::Far, ..damage }))
}

/// The page of the messages beside a damaged one.
fn beside(page: Page, asked: &Asked, damage: Damage) -> Page {
    let Damage { first, last, side, .. } = damage;
    let names = || {
        let targets = asked.question.targets.iter();
        targets.filter(|it| matches!(Target::new(it), Ok(Target::Channel(_))))
    };
    let missing = || names().map(|name| (name.clone(), first)).collect();
    match (asked.question.range, page.entries.last()) {
        // The next page begins with the gap.
        (Range::After { .. }, _) if page.more => page,
        (Range::After { .. }, Some(last)) => {
            Page { through: last.position.seq, more: true, ..page }
        }
        (Range::After { through, .. }, None) => Page {
            through: first,
            missing: missing(),
            is_missing_more: names().count() < asked.question.targets.len(),
            more: first < through,
            ..page
        },
        (Range::Before { .. }, None) => Page { missing: missing(), more: false, ..page },
        // The next page tells whether there is anything beyond it.
        (Range::Before { .. }, Some(_)) => {
            let more = if side == Side::Near { last > Seq(1) } else { page.more };
            Page { missing: missing(), more, ..page }
        }
    }
}

/// Whether a question reads a position.
fn has(range: Range, seq: Seq) -> bool {
    match range {
        Range::After { after, through } => after < seq && seq <= through,
        Range::Before { before } => seq < before,
    }
}

const fn end_of(range: Range) -> Seq {
    match range {
        Range::After { through, .. } => through,
        Range::Before { before } => before.previous(),
    }
}

fn wanted(text: &str) -> Wanted {
    match Target::new(text) {
        Ok(Target::Pattern(_)) => {
            let text = text.to_owned();
            Wanted::Matching(Box::new(move |name| {
                let pattern = Pattern::new(&text);
                ChannelName::new(name)
                    .is_ok_and(|name| pattern.is_ok_and(|pattern| pattern.matches(name)))
            }))
        }
        Ok(Target::Channel(_)) | Err(_) => Wanted::Name(text.into()),
    }
}

impl Archive for DiskArchive {
    fn ask(&mut self, question: Question) -> Result<(), Full> {
        let part = match question.range {
            Range::After { after, through } => Part::After { after: after.0, through: through.0 },
            Range::Before { before } => Part::Before { before: before.0 },
        };
        self.read(&question, part)?;
        self.asked.insert(question.ticket, Asked { question, damage: None });
        Ok(())
    }

    fn cancel(&mut self, ticket: Ticket) {
        self.asked.remove(&ticket);
        self.reader.cancel(ticket);
    }

    fn next(&mut self) -> Option<(Ticket, Result<Page, Unavailable>)> {
        loop {
            let (ticket, found) = self.reader.poll()?;
            // A canceled question may still be answered.
            let Some(asked) = self.asked.remove(&ticket) else { continue };
            if let Some(page) = self.answer(asked, found) {
                return Some((ticket, page));
            }
        }
    }
}

#[cfg(test)]
mod tests;
