//! One lazy timer wheel for a whole loop.

use core::num::NonZeroU32;

use crate::{Key, Time};

/// Milliseconds of one slot. A timer fires up to so much late, and never early.
const TICK_MS: u64 = 16;
/// Slots in the wheel; entries further away than a full turn stay in their slot for another one.
const SLOTS: usize = 1024;

/// The timer of one connection: the time for which it is armed in the wheel.
///
/// The owner keeps its true deadline itself and moves it as often as it likes without touching
/// the wheel. The wheel hands the key back when the *armed* time is reached; the owner then
/// compares with its true deadline and arms again. So activity costs nothing.
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    armed: Time,
}

impl Default for Timer {
    fn default() -> Self {
        Self { armed: Time::NEVER }
    }
}

/// A hashed timer wheel: arming is O(1), advancing costs the slots that went by.
///
/// It keeps the memory of its largest number of entries until it is empty. Arming allocates only for a
/// new largest number. A timer that is armed again for an earlier time has a stale entry besides.
#[derive(Debug)]
pub struct Wheel {
    /// Where each slot's list begins in `entries`.
    slots: Vec<Option<Link>>,
    /// One bit a slot: not empty.
    occupied: [u64; SLOTS / 64],
    /// The links of all slots' lists, and those that are free.
    entries: Vec<Entry>,
    /// Where the list of free links begins.
    free: Option<Link>,
    /// The first tick that has not been handed out.
    tick: u64,
    len: usize,
}

/// An armed timer in a slot's list. Most connections have one, so an entry takes only 16 bytes.
#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Key,
    /// The lower half of the time for which it is armed; [`Wheel::time_of`] adds the upper half.
    at: u32,
    next: Option<Link>,
}

/// Where an entry lies.
#[derive(Clone, Copy, Debug)]
struct Link(NonZeroU32);

impl Link {
    /// # Panics
    /// When 2³² entries are in the wheel.
    fn to(index: usize) -> Self {
        let number = u32::try_from(index + 1).expect("fewer than 2^32 entries");
        Self(NonZeroU32::new(number).expect("one more than an index"))
    }

    const fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl Wheel {
    /// An empty wheel that starts at `now`.
    pub fn new(now: Time) -> Self {
        Self {
            slots: vec![None; SLOTS],
            occupied: [0; SLOTS / 64],
            entries: Vec::new(),
            free: None,
            tick: now.as_millis() / TICK_MS,
            len: 0,
        }
    }

    /// Entries in the wheel, stale ones included.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is in the wheel.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Arms `timer` so that the wheel hands `key` back within 16 ms after `deadline`.
    ///
    /// It does nothing if the timer is armed for that time or an earlier one: when the timer fires, the
    /// owner finds its deadline moved, and arms again. A deadline more than 49 days away is armed for
    /// 49 days, and the owner arms again then, too. [`Time::NEVER`] is never armed.
    ///
    /// # Panics
    /// When 2³² entries are in the wheel.
    pub fn arm(&mut self, timer: &mut Timer, key: Key, deadline: Time) {
        if deadline >= timer.armed {
            return;
        }
        let at = deadline.as_millis().clamp(self.floor(), self.floor() + u64::from(u32::MAX));
        if Time::from_millis(at) >= timer.armed {
            return;
        }
        timer.armed = Time::from_millis(at);
        // Rounded up: a timer fires late by up to a tick, never early.
        let tick = at.div_ceil(TICK_MS).max(self.tick);
        let slot = slot_of(tick);
        let entry = Entry { key, at: lower_half(at), next: self.slots[slot] };
        self.slots[slot] = Some(self.link(entry));
        self.occupied[slot / 64] |= 1 << (slot % 64);
        self.len += 1;
    }

    /// The beginning of the last tick that was handed out. No entry is for an earlier time.
    const fn floor(&self) -> u64 {
        self.tick.saturating_sub(1) * TICK_MS
    }

    /// The time for which `entry` is armed. Every entry is for one of the 2³² milliseconds from the floor
    /// on, so its lower half names one time.
    const fn time_of(&self, entry: Entry) -> Time {
        let floor = self.floor();
        Time::from_millis(floor + entry.at.wrapping_sub(lower_half(floor)) as u64)
    }

    /// Puts `entry` into a free link, or a new one.
    fn link(&mut self, entry: Entry) -> Link {
        if let Some(link) = self.free {
            let place = &mut self.entries[link.index()];
            self.free = place.next;
            *place = entry;
            return link;
        }
        let link = Link::to(self.entries.len());
        self.entries.push(entry);
        link
    }

    /// Appends the entries whose tick has passed at `now` to `fired`, in no particular order.
    ///
    /// A key may be stale. So may an entry, if its timer was armed again for an earlier time:
    /// [`Timer::fire`] returns false for it.
    pub fn advance(&mut self, now: Time, fired: &mut Vec<(Key, Time)>) {
        let last = now.as_millis() / TICK_MS;
        let steps = (last + 1).saturating_sub(self.tick).min(SLOTS as u64);
        for tick in self.tick..self.tick + steps {
            self.empty_slot(slot_of(tick), now, fired);
        }
        self.tick = self.tick.max(last + 1);
        if self.len == 0 {
            // The memory that a crowd needed is given back.
            self.entries.clear();
            self.entries.shrink_to(SLOTS);
            self.free = None;
        }
    }

    /// Hands out the entries of `slot` that are due. Entries for a later turn of the wheel stay.
    fn empty_slot(&mut self, slot: usize, now: Time, fired: &mut Vec<(Key, Time)>) {
        let mut rest = self.slots[slot].take();
        while let Some(link) = rest {
            let at = self.time_of(self.entries[link.index()]);
            let entry = &mut self.entries[link.index()];
            rest = entry.next;
            if at > now {
                entry.next = self.slots[slot].replace(link);
            } else {
                fired.push((entry.key, at));
                entry.next = self.free.replace(link);
                self.len -= 1;
            }
        }
        if self.slots[slot].is_none() {
            self.occupied[slot / 64] &= !(1 << (slot % 64));
        }
    }

    /// The latest moment by which [`Wheel::advance`] wants to be called; [`Time::NEVER`] when
    /// nothing is armed. It may be early for entries that are more than a turn away.
    pub fn next(&self) -> Time {
        if self.len == 0 {
            return Time::NEVER;
        }
        let start = slot_of(self.tick);
        let ahead = (0..=self.occupied.len())
            .find_map(|step| self.ahead_in_word(start, step))
            .expect("an entry has its slot's bit set");
        Time::from_millis((self.tick + ahead) * TICK_MS)
    }

    /// The distance from slot `start` to the first occupied slot in the word `step` words on.
    fn ahead_in_word(&self, start: usize, step: usize) -> Option<u64> {
        let word_number = (start / 64 + step) % self.occupied.len();
        let mut word = self.occupied[word_number];
        if step == 0 {
            word &= !0 << (start % 64);
        }
        let slot = word_number * 64 + word.trailing_zeros() as usize;
        (word != 0).then(|| ((slot + SLOTS - start) % SLOTS) as u64)
    }
}

impl Timer {
    /// Disarms the timer if it is armed for `at`, and returns whether it was. The owner ignores an entry
    /// for another time: it is stale.
    pub fn fire(&mut self, at: Time) -> bool {
        let current = self.armed == at;
        if current {
            self.armed = Time::NEVER;
        }
        current
    }
}

const fn lower_half(ms: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
    let half = ms as u32;
    half
}

fn slot_of(tick: u64) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "less than SLOTS")]
    let slot = (tick % SLOTS as u64) as usize;
    slot
}

#[cfg(test)]
mod tests {
    use super::{Entry, SLOTS, TICK_MS, Timer, Wheel};
    use crate::{Key, Time};

    fn key(n: u64) -> Key {
        Key::from_u64(n)
    }

    #[test]
    fn fires_in_its_tick_and_not_before() {
        let mut wheel = Wheel::new(Time::from_millis(0));
        let mut timer = Timer::default();
        wheel.arm(&mut timer, key(1), Time::from_millis(100));
        let mut fired = Vec::new();
        wheel.advance(Time::from_millis(99), &mut fired);
        assert!(fired.is_empty());
        assert!(wheel.next() >= Time::from_millis(100));
        assert!(wheel.next() <= Time::from_millis(100 + TICK_MS));
        wheel.advance(wheel.next(), &mut fired);
        assert_eq!(fired, [(key(1), Time::from_millis(100))]);
        assert!(timer.fire(fired[0].1));
        assert_eq!((wheel.len(), wheel.next()), (0, Time::NEVER));
    }

    #[test]
    fn a_later_deadline_costs_nothing_and_an_earlier_one_overtakes() {
        let mut wheel = Wheel::new(Time::from_millis(0));
        let mut timer = Timer::default();
        wheel.arm(&mut timer, key(1), Time::from_millis(500));
        wheel.arm(&mut timer, key(1), Time::from_millis(900));
        assert_eq!(wheel.len(), 1);
        wheel.arm(&mut timer, key(1), Time::from_millis(200));
        assert_eq!(wheel.len(), 2);
        let mut fired = Vec::new();
        wheel.advance(Time::from_millis(1000), &mut fired);
        let current = fired.iter().filter(|(_, at)| timer.fire(*at)).count();
        assert_eq!((fired.len(), current), (2, 1), "the overtaken entry is no event");
    }

    #[test]
    fn a_deadline_many_turns_away_is_kept() {
        let turn = SLOTS as u64 * TICK_MS;
        let far = Time::from_millis(3 * turn + 40);
        let mut wheel = Wheel::new(Time::from_millis(0));
        wheel.arm(&mut Timer::default(), key(9), far);
        let (mut now, mut fired, mut visits) = (Time::from_millis(0), Vec::new(), 0);
        while fired.is_empty() {
            now = wheel.next().max(now);
            wheel.advance(now, &mut fired);
            visits += 1;
            assert!(visits < 10, "one early visit a turn at the most");
        }
        assert!(now >= far && now.since(far) <= TICK_MS);
    }

    /// A crowd of idle connections has one each.
    #[test]
    fn an_entry_is_small() {
        assert_eq!((size_of::<Entry>(), size_of::<Option<super::Link>>()), (16, 4));
    }

    /// 2³² milliseconds are 49 days.
    #[test]
    fn a_deadline_months_away_is_kept_wherever_the_clock_stands() {
        for start in [0, 5, (1 << 32) - 40, 1 << 32, (3 << 32) - 1] {
            let (deadline, mut now) =
                (Time::from_millis(start + (5 << 31)), Time::from_millis(start));
            let (mut wheel, mut timer) = (Wheel::new(now), Timer::default());
            let (mut fired, mut visits) = (Vec::new(), 0);
            while now < deadline {
                wheel.arm(&mut timer, key(1), deadline);
                assert_eq!(wheel.len(), 1, "armed once for one deadline");
                // Days go by at a time.
                now = (now + (1 << 28)).min(deadline + 1);
                wheel.advance(now, &mut fired);
                visits += fired.drain(..).filter(|(_, at)| timer.fire(*at) && *at <= now).count();
            }
            assert_eq!((visits, wheel.len()), (3, 0), "two early visits, and the deadline's own");
        }
    }

    #[test]
    fn a_deadline_in_the_past_is_armed_once() {
        let mut wheel = Wheel::new(Time::from_millis(1 << 33));
        let mut timer = Timer::default();
        for ms in [7, 7, 3, 1 << 32] {
            wheel.arm(&mut timer, key(1), Time::from_millis(ms));
        }
        assert_eq!(wheel.len(), 1);
        let mut fired = Vec::new();
        wheel.advance(Time::from_millis((1 << 33) + TICK_MS), &mut fired);
        assert!(fired.len() == 1 && timer.fire(fired[0].1));
    }

    #[test]
    fn a_jump_of_the_clock_hands_out_everything_once() {
        let mut wheel = Wheel::new(Time::from_millis(0));
        for n in 0..5000 {
            wheel.arm(&mut Timer::default(), key(n), Time::from_millis(n * 7));
        }
        let mut fired = Vec::new();
        wheel.advance(Time::from_millis(1 << 40), &mut fired);
        assert_eq!((fired.len(), wheel.len()), (5000, 0));
        wheel.arm(&mut Timer::default(), key(1), Time::from_millis(3));
        assert!(wheel.next() <= Time::from_millis((1 << 40) + 2 * TICK_MS), "the past fires next");
    }

    #[test]
    fn arming_over_and_over_uses_the_same_links() {
        let mut wheel = Wheel::new(Time::from_millis(0));
        // Never empty, so that the links stay.
        wheel.arm(&mut Timer::default(), key(0), Time::from_millis(1 << 40));
        let mut timers = vec![Timer::default(); 100];
        let (mut fired, mut now) = (Vec::new(), Time::from_millis(0));
        for round in 0..3 * SLOTS as u64 {
            for (n, timer) in (0..).zip(&mut timers) {
                wheel.arm(timer, key(n), now + 1 + (n + round) % 700);
            }
            assert_eq!((wheel.len(), wheel.entries.len()), (101, 101), "one link for each timer");
            now = now + 800;
            wheel.advance(now, &mut fired);
            assert!(fired.drain(..).all(|(key, at)| timers[key.index()].fire(at)));
        }
    }

    #[test]
    fn an_empty_wheel_gives_a_crowds_memory_back() {
        let mut wheel = Wheel::new(Time::from_millis(0));
        for n in 0..10 * SLOTS as u64 {
            wheel.arm(&mut Timer::default(), key(n), Time::from_millis(40 + n % 3));
        }
        let mut fired = Vec::new();
        wheel.advance(Time::from_millis(100), &mut fired);
        assert_eq!((fired.len(), wheel.len()), (10 * SLOTS, 0));
        assert!(wheel.entries.capacity() <= SLOTS);
    }
}
