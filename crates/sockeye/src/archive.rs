//! History that memory no longer has, read from the log on disk.

use std::collections::HashMap;

use sockeye_hub::{ChannelName, Cursor, Epoch, Pattern, Seq, Target};
use sockeye_log::{Error, Page as Found, Query, Range as Part, Reader, Readers, Target as Wanted};
use sockeye_server::Waker;
use sockeye_service::Record;
use sockeye_service::sequencing::{
    Archive, Archived, Full, Page, Question, Range, Ticket, Unavailable,
};
use sockeye_service::wire::Payload;

/// The archive of one loop.
pub(crate) struct DiskArchive {
    reader: Reader,
    epoch: Epoch,
    /// The questions under way.
    asked: HashMap<Ticket, Asked>,
}

/// A question under way.
struct Asked {
    question: Question,
    /// The damaged record before which it is asked again.
    damaged: Option<Seq>,
}

impl DiskArchive {
    /// The archive of the loop that `waker` wakes.
    pub(crate) fn new(readers: &Readers, epoch: Epoch, waker: Waker) -> Self {
        let reader = readers.reader(move || {
            // A loop that cannot be woken has ended already.
            let _ = waker.wake();
        });
        Self { reader, epoch, asked: HashMap::new() }
    }

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
        let (range, damaged) = (asked.question.range, asked.damaged);
        match (found, damaged) {
            (Ok(found), None) => Some(self.page(found, end_of(range)).ok_or(Unavailable)),
            (Ok(found), Some(seq)) => {
                let page = self.page(found, end_of(range)).map(|it| beside(it, &asked, seq));
                Some(page.ok_or(Unavailable))
            }
            (Err(Error::Damaged { seq }), _) if has(range, Seq(seq)) => {
                log::error!(seq; "a message in the log is damaged, and is a gap for its readers");
                self.ask_beside(asked, Seq(seq))
            }
            (Err(error), _) => {
                log::error!(error:%; "the log cannot be read");
                Some(Err(Unavailable))
            }
        }
    }

    /// Asks for the sound messages on the near side of a damaged one. Without any the damaged one is
    /// missing.
    fn ask_beside(&mut self, mut asked: Asked, damaged: Seq) -> Option<Result<Page, Unavailable>> {
        let (after, through) = match asked.question.range {
            Range::After { after, .. } => (after, damaged.previous()),
            Range::Before { before } => (damaged, before.previous()),
        };
        // A channel whose row is damaged is found so again, whatever part is asked for.
        let is_again = asked.damaged.is_some_and(|before| match asked.question.range {
            Range::After { .. } => damaged >= before,
            Range::Before { .. } => damaged <= before,
        });
        if is_again || after >= through {
            return Some(Ok(beside(Page::default(), &asked, damaged)));
        }
        if self.read(&asked.question, Part::After { after: after.0, through: through.0 }).is_err() {
            return Some(Err(Unavailable));
        }
        asked.damaged = Some(damaged);
        self.asked.insert(asked.question.ticket, asked);
        None
    }
}

/// The page of the messages on the near side of a damaged one.
fn beside(page: Page, asked: &Asked, damaged: Seq) -> Page {
    let names = || {
        let targets = asked.question.targets.iter();
        targets.filter(|it| matches!(Target::new(it), Ok(Target::Channel(_))))
    };
    let missing = || names().map(|name| (name.clone(), damaged)).collect();
    match (asked.question.range, page.entries.last()) {
        // The next page begins with the gap.
        (Range::After { .. }, _) if page.more => page,
        (Range::After { .. }, Some(last)) => {
            Page { through: last.position.seq, more: true, ..page }
        }
        (Range::After { through, .. }, None) => Page {
            through: damaged,
            missing: missing(),
            is_missing_more: names().count() < asked.question.targets.len(),
            more: damaged < through,
            ..page
        },
        (Range::Before { .. }, _) => Page { missing: missing(), more: false, ..page },
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
        self.asked.insert(question.ticket, Asked { question, damaged: None });
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
