//! A queue that gives every holder its fair share of work.

use core::hash::{BuildHasher, Hash};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::RandomState;

/// Holders without an item that are remembered, besides as many as there are items.
const IDLE_HOLDERS_MAX: usize = 1_024;

/// A holder without an item is remembered until the others have got so many times the credit.
const CREDITS_REMEMBERED: u64 = 16;

/// Items of work that wait, of many holders: self-clocked fair queueing (Golestani, 1994).
///
/// A holder is whoever the work is done for: an address, a user. [`take`](Self::take) takes an item of the
/// holder that will have got the fewest units of work when it is done, and [`done`](Self::done) says how many
/// units the item was. The next item of a holder is expected to be as many units as its last one. So holders
/// that always have items get equal numbers of units, whatever an item costs and however many items they
/// have. A holder that asks for less than its part does not wait for a round of the others: it waits for the
/// item under way, and at times for as much as one large item of another holder. The virtual time follows
/// the beginnings of items, and not their ends as with Golestani.
///
/// A holder that has got less than its part may get that much later, at the most the
/// [credit](Self::with_credit) of the queue: so an item that comes sooner than usual does not wait until the
/// others have got as much.
///
/// The items of one holder are taken first in, first out. Nothing is remembered once no item waits.
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
    /// Whether the holder of the item under way was new.
    under_way: Option<bool>,
    arrivals: u64,
    len: usize,
    credit: u64,
}

/// A holder in the order: the virtual time at which its next item is expected to end. At the same time those
/// that have just come are first, and else the order is that of arrival.
type Place = (u64, bool, u64);

/// A holder that is not forgotten.
#[derive(Debug)]
struct Known<T> {
    items: VecDeque<T>,
    /// The virtual time at which the next item begins.
    begins: u64,
    /// The units that are expected of it.
    units: u64,
    /// `None` while an item is under way.
    place: Option<Place>,
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

    /// Puts `item` behind the others of `holder`.
    pub fn add(&mut self, holder: H, item: T) {
        self.add_sized(holder, item, 0);
    }

    /// Puts `item` behind the others of `holder`. A holder that is not known is expected to need `units`
    /// for it. Without that number a crowd of new holders with large items comes before one that asks for little again
    /// and again.
    pub fn add_sized(&mut self, holder: H, item: T, units: u64) {
        self.len += 1;
        match self.holders.entry(holder) {
            Entry::Occupied(known) => {
                let known = known.into_mut();
                known.items.push_back(item);
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
                let items = VecDeque::from([item]);
                none.insert(Known { items, begins: self.now, units, place: None });
                return self.file(holder, false);
            }
        }
        self.file(holder, true);
    }

    /// Takes the next item. Call [`done`](Self::done) with its holder before the next call.
    pub fn take(&mut self) -> Option<(H, T)> {
        let ((ends, was_here, _), holder) = self.order.pop_first()?;
        self.pass(ends);
        let known = self.holders.get_mut(&holder)?;
        let item = known.items.pop_front()?;
        self.len -= 1;
        known.place = None;
        self.under_way = Some(!was_here);
        self.now = self.now.max(known.begins);
        Some((holder, item))
    }

    /// Says that the item of `holder` that was taken last was so many units of work.
    pub fn done(&mut self, holder: H, units: u64) {
        let under_way = self.under_way.take();
        if self.len == 0 {
            return self.clear();
        }
        let Some(was_new) = under_way else { return };
        if was_new {
            // Without this, new holders that keep coming would starve the known ones.
            let sharing = (self.order.len() + self.ahead.len() + 1) as u64;
            let units = self.rest.saturating_add(units);
            self.now = self.now.saturating_add(units / sharing);
            self.rest = units % sharing;
        }
        let Some(known) = self.holders.get_mut(&holder) else { return };
        known.begins = known.begins.saturating_add(units);
        known.units = units;
        self.file(holder, true);
    }

    /// Takes back the last item of `holder`, if one waits.
    pub fn cancel(&mut self, holder: &H) -> Option<T> {
        let known = self.holders.get_mut(holder)?;
        let item = known.items.pop_back()?;
        let place = known.place.filter(|_| known.items.is_empty());
        self.len -= 1;
        if let Some(place) = place {
            self.order.remove(&place);
            self.file(*holder, true);
        }
        if self.under_way.is_none() && self.len == 0 {
            self.clear();
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
        let place = (known.begins.saturating_add(known.units), was_here, self.arrivals);
        self.arrivals += 1;
        known.place = Some(place);
        if !known.items.is_empty() {
            self.order.insert(place, holder);
            return;
        }
        self.ahead.insert(place, holder);
        if self.ahead.len() + self.idle.len() > IDLE_HOLDERS_MAX + self.len {
            let first = self.idle.pop_first().or_else(|| self.ahead.pop_first());
            first.and_then(|(_, holder)| self.holders.remove(&holder));
        }
    }

    /// Says that the item which is taken is expected to end at this virtual time. Forgets the holders without an item
    /// that have got so much less than the others that they would have no more credit for it.
    fn pass(&mut self, ends: u64) {
        while let Some(entry) = self.ahead.first_entry().filter(|it| it.key().0 <= self.now) {
            let (place, holder) = entry.remove_entry();
            self.idle.insert(place, holder);
        }
        let stay = self.credit.saturating_mul(CREDITS_REMEMBERED);
        let is_over = |place: &Place| place.0.saturating_add(stay) <= ends;
        while let Some(entry) = self.idle.first_entry().filter(|it| is_over(it.key())) {
            self.holders.remove(&entry.remove());
        }
    }

    /// Forgets what the holders have got.
    fn clear(&mut self) {
        self.holders.clear();
        self.order.clear();
        self.ahead.clear();
        self.idle.clear();
        (self.now, self.rest, self.under_way) = (0, 0, None);
    }
}

#[cfg(test)]
mod tests {
    use super::{FairQueue, IDLE_HOLDERS_MAX};

    /// Takes items until `units` are spent; an item is so many units.
    fn work(queue: &mut FairQueue<u8, u64>, units: u64) -> Vec<u8> {
        let (mut spent, mut served) = (0, Vec::new());
        while spent < units {
            let Some((holder, cost)) = queue.take() else { break };
            queue.done(holder, cost);
            spent += cost;
            served.push(holder);
        }
        served
    }

    #[test]
    fn holders_get_equal_units_whatever_an_item_costs() {
        let mut queue = FairQueue::new();
        for _ in 0..1_000 {
            queue.add(1, 10);
            queue.add(2, 100);
            queue.add(3, 1);
        }
        let served = work(&mut queue, 3_000);
        let units = |holder, cost| cost * served.iter().filter(|it| **it == holder).count() as u64;
        for units in [units(1, 10), units(2, 100), units(3, 1)] {
            assert!((900..=1_100).contains(&units), "{units}");
        }
    }

    #[test]
    fn new_holders_with_large_items_do_not_delay_small_ones() {
        let mut queue = FairQueue::new();
        (0..200).for_each(|holder| queue.add_sized(holder, 1_000, 900));
        for _ in 0..40 {
            queue.add_sized(200, 20, 20);
            assert_eq!(work(&mut queue, 1), [200]);
            // Two newcomers in between.
            assert_eq!(work(&mut queue, 2_000).len(), 2);
        }
    }

    #[test]
    fn a_holder_that_asks_for_little_is_next() {
        let mut queue = FairQueue::new();
        for holder in 0..100 {
            (0..1_000).for_each(|_| queue.add(holder, 50 + u64::from(holder)));
        }
        work(&mut queue, 100_000);
        for _ in 0..1_000 {
            queue.add(200, 20);
            assert_eq!(work(&mut queue, 1), [200]);
            // A hundred others get at least twice as much each in between.
            work(&mut queue, 100 * 50);
        }
    }

    /// Serves a holder that asks for four items of 20 units, then a hundred others with 100 units each.
    /// Returns how many of the last 40 bursts' items were next.
    fn bursts(queue: &mut FairQueue<u8, u64>) -> usize {
        for holder in 0..100 {
            (0..10_000).for_each(|_| queue.add(holder, 10));
        }
        work(queue, 100_000);
        let mut next = 0;
        for burst in 0..50 {
            for _ in 0..4 {
                queue.add(200, 20);
                let is_next = work(queue, 1) == [200];
                next += usize::from(burst >= 10 && is_next);
            }
            work(queue, 100 * 100);
        }
        next
    }

    #[test]
    fn a_holder_that_has_got_less_than_its_part_has_a_credit() {
        assert_eq!(bursts(&mut FairQueue::new().with_credit(100)), 160);
        assert!(bursts(&mut FairQueue::new()) < 80);
    }

    #[test]
    fn a_credit_is_bounded_and_none_for_those_who_have_just_come() {
        let mut queue = FairQueue::new().with_credit(100);
        for holder in 0..100 {
            (0..1_000).for_each(|_| queue.add(holder, 50));
        }
        (0..100).for_each(|_| queue.add(200, 20));
        let next = |queue: &mut FairQueue<u8, u64>| {
            let served = work(queue, 2_000);
            served.iter().take_while(|it| **it == 200).count()
        };
        assert!(next(&mut queue) <= 1);
        work(&mut queue, 1_000_000);
        assert_eq!(queue.cancel(&200), None, "it has had its part");
        // However long it stays away: it is forgotten, or has its credit at the most.
        for away in [10, 100, 1_000] {
            queue.add(200, 20);
            work(&mut queue, 100 * away);
            (0..100).for_each(|_| queue.add(200, 20));
            // Until its item is expected to end behind those of the others, of 50 units.
            assert!(next(&mut queue) <= (100 + 50) / 20 + 2);
            work(&mut queue, 1_000_000);
        }
    }

    #[test]
    fn work_is_billed_to_a_holder_that_comes_back() {
        let mut queue = FairQueue::new();
        queue.add(1, 1_000);
        queue.add(2, 10);
        assert_eq!(work(&mut queue, 1_000), [1]);
        queue.add(1, 1_000);
        (0..100).for_each(|_| queue.add(2, 10));
        let served = work(&mut queue, 2_000);
        let at = served.iter().position(|it| *it == 1).expect("it is served");
        assert!((99..=101).contains(&at), "after {at} items of the other");
    }

    #[test]
    fn new_holders_without_end_do_not_starve_a_known_one() {
        let mut queue = FairQueue::new();
        queue.add(0_u64, 20_u64);
        queue.add(1, 1_000);
        let mut served = 0;
        for newcomer in 2..10_000 {
            queue.add(newcomer, 1_000);
            let (holder, cost) = queue.take().expect("some wait");
            if holder == 0 {
                served += 1;
                queue.add(0, 20);
            }
            queue.done(holder, cost);
        }
        assert!(served > 100, "{served}");
    }

    #[test]
    fn a_crowd_with_items_larger_than_expected_does_not_delay_a_modest_holder() {
        let mut queue = FairQueue::new().with_credit(100);
        let modest = 1_000;
        let mut waits = Vec::new();
        for _ in 0..40 {
            (0..250).for_each(|holder| queue.add_sized(holder, 770, 700));
            // The modest one asks for 20 units each time that the crowd has got 20,000.
            for _ in 0..10 {
                queue.add_sized(modest, 20, 10);
                let before = core::iter::from_fn(|| {
                    let (holder, cost) = queue.take()?;
                    queue.done(holder, cost);
                    (holder != modest).then_some(cost)
                });
                waits.push(before.sum::<u64>());
                for _ in 0..26 {
                    let Some((holder, cost)) = queue.take() else { break };
                    queue.done(holder, cost);
                }
            }
        }
        // It is new for the first time only.
        let longest = waits[1..].iter().max();
        assert!(longest.is_some_and(|longest| *longest <= 770), "{waits:?}");
    }

    #[test]
    fn an_item_that_is_taken_back_is_not_served() {
        let mut queue = FairQueue::new();
        for (holder, item) in [(1, 'a'), (2, 'b'), (1, 'c')] {
            queue.add(holder, item);
        }
        assert_eq!((queue.cancel(&1), queue.cancel(&3), queue.len()), (Some('c'), None, 2));
        assert_eq!((queue.cancel(&2), queue.cancel(&2)), (Some('b'), None));
        assert_eq!(queue.take(), Some((1, 'a')));
        queue.done(1, 1);
        assert_eq!((queue.take(), queue.len()), (None, 0));
    }

    #[test]
    fn holders_that_come_and_go_are_forgotten() {
        let mut queue = FairQueue::new();
        queue.add(0_u32, 'a');
        for holder in 1..100_000 {
            queue.add(holder, 'b');
            assert_eq!(queue.cancel(&holder), Some('b'));
            assert!(queue.holders.len() <= IDLE_HOLDERS_MAX + 2);
            let filed = queue.order.len() + queue.ahead.len() + queue.idle.len();
            assert_eq!(filed, queue.holders.len());
        }
        assert_eq!((queue.len(), queue.take()), (1, Some((0, 'a'))));
    }

    #[test]
    fn one_holder_is_first_in_first_out_and_nothing_is_left() {
        let mut queue = FairQueue::new();
        for item in 0..100 {
            queue.add('a', item);
            queue.add('b', item + 1_000);
        }
        assert_eq!(queue.len(), 200);
        let (mut a, mut b) = (0..100, 1_000..1_100);
        while let Some((holder, item)) = queue.take() {
            queue.done(holder, 7);
            assert_eq!(Some(item), if holder == 'a' { a.next() } else { b.next() });
        }
        assert!(queue.is_empty() && a.next().is_none() && b.next().is_none());
        assert!(queue.holders.is_empty() && queue.order.is_empty());
        assert!(queue.ahead.is_empty() && queue.idle.is_empty());
    }
}
