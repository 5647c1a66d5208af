//! A queue that gives every holder its fair share of work.

use core::hash::{BuildHasher, Hash};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::RandomState;

#[cfg(test)]
mod tests;

/// Holders without an item that are remembered, besides as many as there are items.
const IDLE_HOLDERS_MAX: usize = 1_024;

/// Items of work that wait, of many holders: self-clocked fair queueing (Golestani, 1994).
///
/// A holder is whoever the work is done for: an address, a user. [`take`](Self::take) takes an item of the
/// holder that will have got the fewest units of work when it is done, and [`done`](Self::done) says how many
/// units the item was. The next item of a holder is expected to be as many units as its last one of the same
/// [kind](Self::add_of_kind). A larger one before counts, too: the expectation falls by a sixteenth with each smaller
/// item. The first item of a kind is expected to be as many units as such items of all holders took of late on average.
///
/// So holders that always have items get equal numbers of units, whatever an item costs and however many items they
/// have. A holder that asks for less than its part does not wait for a round of the others: it waits for the item under
/// way, and at times for as much as one large item of another holder. The virtual time follows
/// the beginnings of items, and not their ends as with Golestani.
///
/// A holder that has got less than its part may get that much later, at the most the
/// [credit](Self::with_credit) of the queue: so an item that comes sooner than usual does not wait until the
/// others have got as much.
///
/// The items of one holder are taken first in, first out. Once no item waits, what holders have got counts no more.
/// A bounded number of holders is remembered, for what their items cost.
///
/// ```
/// use sockeye_reactor::FairQueue;
///
/// let mut queue = FairQueue::new();
/// for item in 1..=3 {
///     queue.add("greedy", item);
/// }
/// assert_eq!(queue.take(), Some(("greedy", 1)));
/// queue.add("modest", 4);
/// queue.done("greedy", 500);
/// assert_eq!(queue.take(), Some(("modest", 4)));
/// queue.done("modest", 20);
/// assert_eq!(queue.take(), Some(("greedy", 2)));
/// ```
#[derive(Debug)]
pub struct FairQueue<H, T, S = RandomState> {
    holders: HashMap<H, Known<T>, S>,
    /// The holders with items, but for that of the item under way.
    order: BTreeMap<Place, H>,
    /// The holders without an item that have got more than the virtual time. If each item were done piece by piece
    /// with all others, theirs would still be under way.
    ahead: BTreeMap<Place, H>,
    /// The other holders without an item.
    idle: BTreeMap<Place, H>,
    /// The virtual time, in units that one holder gets: the latest beginning of an item, or later if new
    /// holders got units.
    now: u64,
    /// Units of new holders that are not in the virtual time yet, because they are less than one for each holder.
    rest: u64,
    under_way: Option<UnderWay>,
    averages: [Average; KINDS],
    arrivals: u64,
    len: usize,
    credit: u64,
}

/// The number of kinds of items.
const KINDS: usize = 5;

/// The latest item has a part of 1 in so many in an average, as a power of two.
const AVERAGE_SHIFT: u32 = 4;

/// An expectation falls by 1 in so many with each item that is smaller.
const FADING: u64 = 16;

/// The average of the units that items of one kind took of late.
#[derive(Clone, Copy, Debug, Default)]
struct Average(u64);

impl Average {
    const fn of(units: u64) -> Self {
        Self(units.saturating_mul(1 << AVERAGE_SHIFT))
    }

    const fn units(self) -> u64 {
        self.0 >> AVERAGE_SHIFT
    }

    const fn note(&mut self, units: u64) {
        self.0 = match self.0 {
            0 => Self::of(units).0,
            sum => (sum - (sum >> AVERAGE_SHIFT)).saturating_add(units),
        };
    }
}

/// The item under way.
#[derive(Clone, Copy, Debug)]
struct UnderWay {
    /// Whether its holder was new.
    was_new: bool,
    kind: usize,
}

/// A holder in the order: the virtual time at which its next item is expected to end. At the same time those
/// that have just come are first, and else the order is that of arrival.
type Place = (u64, bool, u64);

/// A holder that is not forgotten.
#[derive(Debug)]
struct Known<T> {
    /// Its items, each with its kind.
    items: VecDeque<(T, usize)>,
    /// The virtual time at which the next item begins.
    begins: u64,
    /// The units that its next item of each kind is expected to be; 0 if it has had none.
    expected: [u64; KINDS],
    /// `None` while an item is under way.
    place: Option<Place>,
}

impl<T> Known<T> {
    /// The virtual time at which the next item is expected to end.
    fn ends(&self, averages: &[Average; KINDS]) -> u64 {
        let Some(&(_, kind)) = self.items.front() else { return self.begins };
        let units = self.expected[kind];
        self.begins.saturating_add(if units == 0 { averages[kind].units() } else { units })
    }
}

impl<H, T, S: Default> Default for FairQueue<H, T, S> {
    fn default() -> Self {
        let holders = HashMap::default();
        let (order, ahead, idle) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self {
            holders,
            order,
            ahead,
            idle,
            now: 0,
            rest: 0,
            under_way: None,
            averages: [Average::default(); KINDS],
            arrivals: 0,
            len: 0,
            credit: 0,
        }
    }
}

impl<H, T> FairQueue<H, T> {
    /// An empty queue, which hashes holders with a random key.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<H: Copy + Eq + Hash, T, S: BuildHasher> FairQueue<H, T, S> {
    /// The queue with a credit of so many units for each holder; it was 0.
    pub fn with_credit(self, units: u64) -> Self {
        Self { credit: units, ..self }
    }

    /// Sets the units that the first item of each kind is expected to be.
    pub fn with_expected(self, units: [u64; KINDS]) -> Self {
        Self { averages: units.map(Average::of), ..self }
    }

    /// Puts `item` behind the others of `holder`.
    pub fn add(&mut self, holder: H, item: T) {
        self.add_of_kind(0, holder, item);
    }

    /// Puts `item`, which is of this kind, behind the others of `holder`. There are five kinds, from 0 on;
    /// greater numbers are taken for the last one.
    pub fn add_of_kind(&mut self, kind: usize, holder: H, item: T) {
        let kind = kind.min(KINDS - 1);
        self.len += 1;
        match self.holders.entry(holder) {
            Entry::Occupied(known) => {
                let known = known.into_mut();
                known.items.push_back((item, kind));
                if known.items.len() > 1 {
                    return;
                }
                let Some(place) = known.place else { return };
                if self.ahead.remove(&place).is_none() {
                    self.idle.remove(&place);
                }
                known.begins = known.begins.max(self.now.saturating_sub(self.credit));
            }
            Entry::Vacant(none) => {
                let items = VecDeque::from([(item, kind)]);
                let expected = [0; KINDS];
                none.insert(Known { items, begins: self.now, expected, place: None });
                return self.file(holder, false);
            }
        }
        self.file(holder, true);
    }

    /// Takes the next item. Call [`done`](Self::done) with its holder before the next call.
    pub fn take(&mut self) -> Option<(H, T)> {
        let ((_, was_here, _), holder) = self.order.pop_first()?;
        self.pass();
        let known = self.holders.get_mut(&holder)?;
        let (item, kind) = known.items.pop_front()?;
        self.len -= 1;
        known.place = None;
        self.under_way = Some(UnderWay { was_new: !was_here, kind });
        self.now = self.now.max(known.begins);
        Some((holder, item))
    }

    /// Says that the item of `holder` that was taken last was so many units of work. An item of no units says nothing
    /// about the next one.
    pub fn done(&mut self, holder: H, units: u64) {
        self.end(holder, units, units > 0);
    }

    /// The same for an item that was put off, or handed on: it says nothing about the next one.
    pub fn done_in_vain(&mut self, holder: H, units: u64) {
        self.end(holder, units, false);
    }

    fn end(&mut self, holder: H, units: u64, is_telling: bool) {
        let Some(under_way) = self.under_way.take() else { return };
        if under_way.was_new {
            self.move_on(units);
        }
        let Some(known) = self.holders.get_mut(&holder) else { return };
        known.begins = known.begins.saturating_add(units);
        if is_telling {
            self.averages[under_way.kind].note(units);
            let expected = &mut known.expected[under_way.kind];
            // Small items must not hide that large ones are among them: each holder would be taken for modest once.
            *expected = units.max(*expected - expected.div_ceil(FADING));
        }
        self.file(holder, true);
    }

    /// Takes back the last item of `holder`, if one waits.
    pub fn cancel(&mut self, holder: &H) -> Option<T> {
        let known = self.holders.get_mut(holder)?;
        let (item, _) = known.items.pop_back()?;
        let place = known.place.filter(|_| known.items.is_empty());
        self.len -= 1;
        if let Some(place) = place {
            self.order.remove(&place);
            self.file(*holder, true);
        }
        Some(item)
    }

    /// Items that wait.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no item waits.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Gives a holder its place in the order, or among those without an item.
    fn file(&mut self, holder: H, was_here: bool) {
        let Some(known) = self.holders.get_mut(&holder) else { return };
        let place = (known.ends(&self.averages), was_here, self.arrivals);
        self.arrivals += 1;
        known.place = Some(place);
        if !known.items.is_empty() {
            self.order.insert(place, holder);
            return;
        }
        if self.len == 0 && self.under_way.is_none() {
            self.forgive(place.0);
        }
        let without = if place.0 > self.now { &mut self.ahead } else { &mut self.idle };
        without.insert(place, holder);
        // An item that is taken leaves one holder less to be remembered, and its holder may be one more.
        while self.ahead.len() + self.idle.len() > IDLE_HOLDERS_MAX + self.len {
            let first = self.idle.pop_first().or_else(|| self.ahead.pop_first());
            let Some((_, holder)) = first else { break };
            self.holders.remove(&holder);
        }
    }

    /// Moves the virtual time by what a new holder has got. Without this, new holders that keep coming would starve
    /// the known ones.
    fn move_on(&mut self, units: u64) {
        let sharing = (self.order.len() + self.ahead.len() + 1) as u64;
        let units = self.rest.saturating_add(units);
        self.rest = units % sharing;
        let now = self.now.saturating_add(units / sharing);
        // If items take more than expected, the time would pass the ends of those that wait. Whoever came then would wait
        // for all of them.
        let next = self.order.first_key_value().map_or(now, |(place, _)| place.0);
        self.now = now.min(next).max(self.now);
    }

    /// Finds the holders without an item that have not got more than the virtual time any more.
    fn pass(&mut self) {
        while let Some(entry) = self.ahead.first_entry().filter(|it| it.key().0 <= self.now) {
            let (place, holder) = entry.remove_entry();
            self.idle.insert(place, holder);
        }
    }

    /// Moves the virtual time up to the holder that has got most, because no item waits; `begins` is the time of the
    /// holder that has just ended.
    fn forgive(&mut self, begins: u64) {
        let last = self.ahead.last_key_value().map_or(0, |(last, _)| last.0);
        self.now = self.now.max(last).max(begins);
    }
}
