//! A queue in which holders have their turns alternately.

use core::hash::{BuildHasher, Hash};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::RandomState;

/// Short pieces of work that wait, of many holders: deficit round robin (Shreedhar and Varghese, 1995), with
/// new holders first, as in the scheduler of FQ-CoDel (RFC 8290 §4.2).
///
/// In a round each holder gets a quantum of units for each unit of its weight, and [`take`](Self::take) takes
/// its items until that is spent. A holder that was not in the queue comes before the round, once: it
/// keeps its place in the round until the round has passed it without an item.
///
/// A step costs the same however many holders there are, and less than with a
/// [`FairQueue`](crate::FairQueue). But whoever asks for more than its part waits for a round, which is long if
/// items are large: use a [`FairQueue`](crate::FairQueue) for those.
///
/// Of the items of one holder the newest and the oldest are taken alternately: a new item does not wait
/// behind a crowd, and none waits for ever. Nothing is remembered once no item waits.
///
/// ```
/// use sockeye_reactor::RoundQueue;
///
/// let mut queue = RoundQueue::new(100);
/// for item in 1..=3 {
///     queue.add("greedy", 1, item);
/// }
/// assert_eq!(queue.take(), Some(3));
/// queue.done(100);
/// queue.add("modest", 1, 4);
/// assert_eq!(queue.take(), Some(4));
/// queue.done(20);
/// assert_eq!(queue.take(), Some(1));
/// ```
#[derive(Debug)]
pub struct RoundQueue<H, T, S = RandomState> {
    quantum: u32,
    /// The place of each holder in `flows`.
    places: HashMap<H, usize, S>,
    flows: Vec<Flow<H, T>>,
    /// Places without a holder.
    free: Vec<usize>,
    /// Holders that come before the round.
    new: VecDeque<usize>,
    round: VecDeque<usize>,
    /// The place of the holder whose item was taken last.
    last: usize,
    len: usize,
}

/// The items of one holder.
#[derive(Debug)]
struct Flow<H, T> {
    holder: H,
    items: VecDeque<T>,
    weight: u32,
    /// The oldest item is next, and not the newest.
    oldest: bool,
    /// Units that it may spend before others have their turn. Below zero it has spent too many.
    credit: i64,
}

impl<H, T> Flow<H, T> {
    /// The newest item, or else the oldest.
    fn next(&mut self) -> Option<T> {
        self.oldest = !self.oldest;
        if self.oldest { self.items.pop_back() } else { self.items.pop_front() }
    }
}

impl<H: Copy + Eq + Hash, T> RoundQueue<H, T> {
    /// An empty queue, which hashes holders with a random key. `quantum`: the units of a holder's turn.
    pub fn new(quantum: u32) -> Self {
        Self::with_hasher(quantum, RandomState::new())
    }
}

impl<H: Copy + Eq + Hash, T, S: BuildHasher> RoundQueue<H, T, S> {
    /// An empty queue that hashes holders in this way.
    pub fn with_hasher(quantum: u32, hasher: S) -> Self {
        Self {
            quantum: quantum.max(1),
            places: HashMap::with_hasher(hasher),
            flows: Vec::new(),
            free: Vec::new(),
            new: VecDeque::new(),
            round: VecDeque::new(),
            last: 0,
            len: 0,
        }
    }

    /// Adds an item of `holder`. The holder has this weight until the round has passed it
    /// without an item.
    pub fn add(&mut self, holder: H, weight: u32, item: T) {
        self.len += 1;
        let none = match self.places.entry(holder) {
            Entry::Occupied(known) => return self.flows[*known.get()].items.push_back(item),
            Entry::Vacant(none) => none,
        };
        let weight = weight.max(1);
        let credit = i64::from(self.quantum) * i64::from(weight);
        let place = self.free.pop().unwrap_or(self.flows.len());
        none.insert(place);
        self.new.push_back(place);
        match self.flows.get_mut(place) {
            Some(flow) => {
                // Its list has room from before.
                flow.items.push_back(item);
                (flow.holder, flow.weight, flow.credit) = (holder, weight, credit);
                flow.oldest = false;
            }
            None => {
                let items = VecDeque::from([item]);
                self.flows.push(Flow { holder, items, weight, oldest: false, credit });
            }
        }
    }

    /// Takes the next item. [`done`](Self::done) says what it was.
    pub fn take(&mut self) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        loop {
            let of_new = self.new.front().copied();
            let place = of_new.or_else(|| self.round.front().copied())?;
            let flow = &mut self.flows[place];
            if flow.credit > 0
                && let Some(item) = flow.next()
            {
                self.len -= 1;
                self.last = place;
                return Some(item);
            }
            if flow.credit <= 0 {
                flow.credit += i64::from(self.quantum) * i64::from(flow.weight);
            }
            let is_gone = flow.items.is_empty() && of_new.is_none();
            match of_new {
                Some(_) => self.new.pop_front(),
                None => self.round.pop_front(),
            };
            match is_gone {
                true => self.forget(place),
                false => self.round.push_back(place),
            }
        }
    }

    /// Says that the item that was taken last was so many units of work.
    pub fn done(&mut self, units: u64) {
        if self.len == 0 {
            return self.clear();
        }
        let units = i64::try_from(units).unwrap_or(i64::MAX);
        let flow = &mut self.flows[self.last];
        flow.credit = flow.credit.saturating_sub(units);
    }

    /// Items that wait.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no item waits.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn forget(&mut self, place: usize) {
        self.places.remove(&self.flows[place].holder);
        self.free.push(place);
    }

    /// Forgets the holders. None has an item.
    fn clear(&mut self) {
        self.places.clear();
        self.flows.clear();
        self.free.clear();
        self.new.clear();
        self.round.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::RoundQueue;

    /// Takes items until `units` are spent; an item is so many units.
    fn work(queue: &mut RoundQueue<u8, (u8, u64)>, units: u64) -> Vec<u8> {
        let (mut spent, mut served) = (0, Vec::new());
        while spent < units {
            let Some((holder, cost)) = queue.take() else { break };
            queue.done(cost);
            spent += cost;
            served.push(holder);
        }
        served
    }

    fn units(served: &[u8], holder: u8, cost: u64) -> u64 {
        cost * served.iter().filter(|it| **it == holder).count() as u64
    }

    #[test]
    fn holders_get_units_in_proportion_to_their_weights() {
        let mut queue = RoundQueue::new(50);
        for _ in 0..2_000 {
            queue.add(1, 1, (1, 10));
            queue.add(2, 1, (2, 200));
            queue.add(3, 2, (3, 5));
        }
        let served = work(&mut queue, 8_000);
        for units in [units(&served, 1, 10), units(&served, 2, 200), units(&served, 3, 5) / 2] {
            assert!((1_750..=2_250).contains(&units), "{units}");
        }
    }

    #[test]
    fn a_new_item_is_next_and_an_old_one_waits_for_no_more_than_twice_what_is_before_it() {
        let mut queue = RoundQueue::new(7);
        (0..100).for_each(|item| queue.add(1, 1, item));
        let mut taken = Vec::new();
        for item in 100..150 {
            queue.add(1, 1, item);
            for _ in 0..2 {
                taken.push(queue.take().unwrap());
                queue.done(5);
            }
        }
        let newest: Vec<u64> = taken.iter().copied().step_by(2).collect();
        let oldest: Vec<u64> = taken.iter().copied().skip(1).step_by(2).collect();
        assert_eq!((newest, oldest), ((100..150).collect(), (0..50).collect()));
        while let Some(item) = queue.take() {
            queue.done(item);
            taken.push(item);
        }
        taken.sort_unstable();
        assert_eq!(taken, (0..150).collect::<Vec<u64>>(), "each once");
        assert!(queue.is_empty() && queue.places.is_empty() && queue.flows.is_empty());
    }

    #[test]
    fn who_asks_for_little_is_next_among_many_who_ask_for_all() {
        let mut queue = RoundQueue::new(50);
        for item in 0..20_000_u32 {
            let holder = (item % 200) as u8;
            queue.add(holder, 1, (holder, 50));
        }
        work(&mut queue, 20_000);
        for _ in 0..20 {
            queue.add(200, 1, (200, 20));
            assert_eq!(work(&mut queue, 1), [200]);
            // The round passes it without an item.
            work(&mut queue, 11_000);
        }
        // If it comes back sooner, it has to wait for its place in the round and no longer.
        queue.add(200, 1, (200, 50));
        assert_eq!(work(&mut queue, 1), [200]);
        queue.add(200, 1, (200, 50));
        let served = work(&mut queue, 201 * 50 + 100);
        assert_eq!(units(&served, 200, 1), 1);
    }

    #[test]
    fn new_holders_that_keep_coming_starve_nobody() {
        let mut queue = RoundQueue::new(50);
        (0..400).for_each(|_| queue.add(0, 1, (0, 50)));
        let (mut next, mut served) = (0_u8, 0);
        for _ in 0..2_000 {
            // A hundred of them come back as soon as they are served.
            queue.add(1 + next, 1, (1 + next, 50));
            next = (next + 1) % 100;
            served += work(&mut queue, 1).iter().filter(|it| **it == 0).count();
        }
        assert!(served >= 15, "{served}");
    }

    #[test]
    fn a_large_item_is_paid_for() {
        let mut queue = RoundQueue::new(10);
        for _ in 0..100 {
            queue.add(1, 1, (1, 1_000));
            queue.add(2, 1, (2, 10));
        }
        let served = work(&mut queue, 1_980);
        assert_eq!((units(&served, 1, 1), units(&served, 2, 1)), (1, 98));
    }
}
