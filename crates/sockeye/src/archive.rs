//! History that memory no longer has, read from the log on disk.

use sockeye_hub::{ChannelName, Cursor, Epoch, Pattern, Seq, Target};
use sockeye_log::{Page as Found, Query, Range as Part, Reader, Readers, Target as Wanted};
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
    /// Where each question under way ends.
    asked: std::collections::HashMap<Ticket, Seq>,
}

impl DiskArchive {
    /// The archive of the loop that `waker` wakes.
    pub(crate) fn new(readers: &Readers, epoch: Epoch, waker: Waker) -> Self {
        let reader = readers.reader(move || {
            // A loop that cannot be woken has ended already.
            let _ = waker.wake();
        });
        Self { reader, epoch, asked: std::collections::HashMap::new() }
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
        let (range, end) = match question.range {
            Range::After { after, through } => {
                (Part::After { after: after.0, through: through.0 }, through)
            }
            Range::Before { before } => (Part::Before { before: before.0 }, before.previous()),
        };
        let query = Query {
            ticket: question.ticket,
            targets: question.targets.iter().map(|text| wanted(text)).collect(),
            range,
            records_max: question.messages_max,
            bytes_max: u64::try_from(question.bytes_max).unwrap_or(u64::MAX),
            missing_max: question.missing_max,
        };
        self.reader.ask(query).map_err(|_| Full)?;
        self.asked.insert(question.ticket, end);
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
            let Some(end) = self.asked.remove(&ticket) else { continue };
            let page = match found {
                Ok(found) => self.page(found, end).ok_or(Unavailable),
                Err(error) => {
                    log::error!(error:%; "the log cannot be read");
                    Err(Unavailable)
                }
            };
            return Some((ticket, page));
        }
    }
}
