//! What a store is read for before it goes behind its thread.

use super::Store;
use crate::rows::{KeyRow, RecordRow};
use crate::{Error, Record, table};

/// A channel, as the log remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Channel<'l> {
    /// Its name.
    pub name: &'l str,
    /// The newest record that was dropped. The log has every later one.
    pub floor: u64,
    /// The newest record ever.
    pub last: u64,
    /// The record that ended it, if one did.
    pub ended: Option<u64>,
    /// Records kept.
    pub records: u64,
    /// Their bytes, by [`Record::kept_bytes`].
    pub bytes: u64,
}

/// An idempotency key, kept as long as its rule promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Key<'l> {
    /// The channel that it was published to.
    pub channel: &'l str,
    /// The key.
    pub key: &'l str,
    /// The position of the message that was published with it.
    pub seq: u64,
    /// When it is forgotten, in the caller's milliseconds.
    pub until_ms: u64,
}

impl Store {
    /// Passes all records to `each`, oldest first. They come without their keys, which
    /// [`keys`](Self::keys) has.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the position of a record that is not what was written: the next
    /// opening begins a new epoch. [`Error::Database`] if they can no longer be read.
    pub fn replay(&self, mut each: impl FnMut(Record)) -> Result<(), Error> {
        let done = table::records(self.db(), 0, |found| {
            let seq = found.seq;
            let channel = self.book.lock().channel(found.channel).map(|it| it.name.to_owned());
            let channel = channel.ok_or(Error::Damaged { seq })?;
            found.check(self.epoch(), &channel)?;
            let RecordRow { time_ms, kind, body, .. } = found;
            each(Record { seq, time_ms, kind, channel, key: None, body });
            Ok(())
        });
        // A caller that needs all records would meet this one at each start.
        done.inspect_err(|error| self.condemn_if_damaged(*error))
    }

    /// The newest record that is kept, without its key; `None` if there is none, or if it is damaged.
    ///
    /// # Errors
    /// [`Error::Database`] if it cannot be read.
    pub fn newest(&self) -> Result<Option<Record>, Error> {
        let newest = table::newest(self.db())?;
        Ok(newest.and_then(|found| {
            let channel = self.book.lock().channel(found.channel)?.name.to_owned();
            found.check(self.epoch(), &channel).ok()?;
            let RecordRow { seq, time_ms, kind, body, .. } = found;
            Some(Record { seq, time_ms, kind, channel, key: None, body })
        }))
    }

    /// Passes all channels to `each`, in no order.
    pub fn channels(&self, mut each: impl FnMut(Channel<'_>)) {
        let book = self.book.lock();
        for channel in book.all() {
            let stats = channel.figures.stats;
            each(Channel {
                name: channel.name,
                floor: stats.floor,
                last: stats.last,
                ended: (stats.ended > 0).then_some(stats.ended),
                records: stats.records,
                bytes: stats.bytes,
            });
        }
    }

    /// Passes all keys to `each`, in the order of their messages. Returns how many were skipped
    /// because they are not what was written.
    ///
    /// # Errors
    /// [`Error::Database`] if they cannot be read. If their table is damaged, the next opening begins a new epoch.
    pub fn keys(&self, mut each: impl FnMut(Key<'_>)) -> Result<u64, Error> {
        let mut skipped = 0;
        let read = table::keys(self.db(), |row| {
            let book = self.book.lock();
            let channel = book.channel(row.channel).map_or("", |channel| channel.name);
            if row.is_sound(self.epoch(), channel) {
                let KeyRow { seq, ref key, until_ms, .. } = row;
                each(Key { channel, key, seq, until_ms });
            } else {
                skipped += 1;
            }
            Ok::<(), Error>(())
        });
        // [log:damage]
        if let Err(error) = read {
            self.condemn_if_damaged(error);
            return Err(error);
        }
        Ok(skipped)
    }
}
