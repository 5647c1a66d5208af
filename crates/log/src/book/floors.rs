//! The channels that have lost records, by their floors.

use std::collections::BTreeSet;

use super::channels::Figures;

/// The floors of the rows in the database. Readers compare the index `channels_by_floor` with them, as no checksum
/// covers an index.
#[derive(Debug, Default)]
pub(super) struct Floors(BTreeSet<(u64, u32)>);

impl Floors {
    /// Notes what a channel was, and what it is now.
    pub(super) fn change(&mut self, id: u32, from: Option<&Figures>, to: Option<&Figures>) {
        let floor = |figures: &Figures| figures.has_row.then_some(figures.stats.floor);
        let floor = |figures: Option<&Figures>| figures.and_then(floor).filter(|floor| *floor > 0);
        let (from, to) = (floor(from), floor(to));
        if from != to {
            if let Some(floor) = from {
                self.0.remove(&(floor, id));
            }
            self.0.extend(to.map(|floor| (floor, id)));
        }
    }

    /// The channels from a floor and number on, the lowest floors first.
    pub(super) fn starting_at(&self, place: (u64, u32)) -> impl Iterator<Item = u32> {
        self.0.range(place..).map(|(_, id)| *id)
    }
}
