//! A commit that is being made: the figures that its channels will have.

use std::collections::{BTreeSet, HashMap};

use crate::Record;
use crate::book::{Book, Figures};
use crate::record::kept_bytes;
use crate::rows::Stats;

/// The channel of a record, and the channel's record before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) channel: u32,
    pub(super) previous: u64,
    /// Until when its key is kept.
    pub(super) until_ms: u64,
}

/// A commit that is being made. Nothing of it is in the book yet.
#[derive(Debug, Default)]
pub(super) struct Stage {
    /// One for each record.
    pub(super) places: Vec<Place>,
    /// The figures of the channels that it touches, and the first record that their rows in the
    /// database do not count.
    pub(super) channels: HashMap<u32, Touched>,
    /// Channels that are forgotten.
    pub(super) forgotten: Vec<u32>,
    /// The newest record of those.
    pub(super) horizon: u64,
    /// Records that it drops.
    pub(super) dropped: u64,
    /// Bytes of those, by the namespaces' slots.
    pub(super) freed: HashMap<usize, u64>,
    /// Keys that it drops, with their channels.
    pub(super) keys: Vec<(u64, u32)>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Touched {
    pub(super) stats: Stats,
    /// The first record that the row does not count; zero once it is written.
    pub(super) unsaved: u64,
    /// Whether it has a row already.
    pub(super) has_row: bool,
    /// The floor that its row has.
    pub(super) old_floor: u64,
}

impl Stage {
    /// Places the records in their channels.
    pub(super) fn add(&mut self, book: &mut Book, records: &[Record]) {
        for record in records {
            let channel = book.id_of(&record.channel).expect("a record that waits has a channel");
            book.look_at_early(channel);
            let key_ms = book.rule_of(channel).key_ms;
            let bytes = kept_bytes(&record.channel, record.body.len() as u64);
            let touched = self.touch(book, channel);
            let previous = touched.stats.last;
            touched.stats.add(record.seq, record.time_ms, record.kind, bytes);
            if touched.unsaved == 0 {
                touched.unsaved = record.seq;
            }
            let until_ms = record.time_ms.saturating_add(key_ms);
            self.places.push(Place { channel, previous, until_ms });
        }
    }

    /// The figures that a channel will have.
    pub(super) fn touch(&mut self, book: &Book, id: u32) -> &mut Touched {
        self.channels.entry(id).or_insert_with(|| {
            let channel = book.channel(id).expect("only the log's thread removes channels");
            let Figures { stats, has_row, at_work, .. } = channel.figures;
            Touched { stats, unsaved: at_work.unsaved, has_row, old_floor: stats.floor }
        })
    }

    /// The channels whose rows have to be written with this commit: new ones, and those whose
    /// oldest records it drops.
    pub(super) fn changed(&self) -> BTreeSet<u32> {
        let changed = self.channels.iter();
        let changed = changed.filter(|(_, it)| !it.has_row || it.stats.floor != it.old_floor);
        changed.map(|(id, _)| *id).collect()
    }
}
