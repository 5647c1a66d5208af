//! Writes the answer to a poll.

use sockeye_hub::Entry;

use super::control::write_sync;
use super::json;
use super::message::fragment;
use super::payload::is_end;
use super::{Control, CursorText, Gap, Payload};

/// The body of a poll's answer, while it is filled.
///
/// Its messages are in the log's order. Gaps and ends stand apart, because a client reads the whole
/// answer: after a gap it loads its state anew, whichever messages came with it.
#[derive(Clone, Debug, Default)]
pub struct PollBody {
    messages: String,
    gaps: String,
    ended: String,
    sync: String,
    is_perishable: bool,
}

impl PollBody {
    /// A body with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a message, or the end of a channel if the entry is its last.
    pub fn entry<M: AsRef<Payload>>(&mut self, entry: &Entry<M>, cursor: &CursorText) {
        if is_end(entry) {
            self.ended(&entry.channel, cursor);
        } else {
            separate(&mut self.messages);
            fragment(entry, cursor, &mut self.messages);
            self.is_perishable |= entry.body.as_ref().ttl_ms.is_some();
        }
    }

    /// Adds it likewise if the whole stays within so many bytes, or if it is the first. Returns
    /// whether it was added.
    pub(crate) fn entry_within<M: AsRef<Payload>>(
        &mut self,
        entry: &Entry<M>,
        cursor: &CursorText,
        bytes_max: usize,
    ) -> bool {
        let (messages, ended) = (self.messages.len(), self.ended.len());
        self.entry(entry, cursor);
        let fits = self.len() <= bytes_max || messages + ended == 0;
        if !fits {
            self.messages.truncate(messages);
            self.ended.truncate(ended);
        }
        fits
    }

    /// Adds the end of a channel that had ended before.
    pub fn ended(&mut self, channel: &str, cursor: &CursorText) {
        separate(&mut self.ended);
        Control::End { channel, cursor }.write_data(&mut self.ended);
    }

    /// Adds a gap.
    pub fn gap(&mut self, gap: Gap<'_>) {
        separate(&mut self.gaps);
        Control::Gap(gap).write_data(&mut self.gaps);
    }

    /// Says that the client has caught up; the last one counts.
    pub fn sync(&mut self, cursor: &CursorText, gaps: u32, replayed: u64) {
        self.sync = json::object(0, |object| write_sync(cursor, gaps, replayed, object));
    }

    /// Whether there is neither message nor gap nor end: nothing to wake a waiting poll for.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.gaps.is_empty() && self.ended.is_empty()
    }

    /// Whether there is a gap.
    pub(crate) fn has_gaps(&self) -> bool {
        !self.gaps.is_empty()
    }

    /// Whether a message has a time to live.
    pub(crate) fn is_perishable(&self) -> bool {
        self.is_perishable
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.messages.len() + self.gaps.len() + self.ended.len() + self.sync.len()
    }

    /// The body. `cursor` is for the next poll, which is to come at once where there is more.
    pub fn finish(self, cursor: &CursorText, rest: Rest) -> String {
        json::object(self.len() + 160, |object| {
            object.text("cursor", cursor.as_str());
            object.array("messages", &self.messages);
            object.array("gaps", &self.gaps);
            if !self.sync.is_empty() {
                object.raw("sync", &self.sync);
            }
            object.array("ended", &self.ended);
            object.boolean("more", rest == Rest::More);
        })
    }
}

/// Whether an answer leaves something for the next poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rest {
    /// It has everything.
    Nothing,
    /// There is more for the next poll.
    More,
}

fn separate(list: &mut String) {
    if !list.is_empty() {
        list.push(',');
    }
}
