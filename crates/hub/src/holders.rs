//! Holders: the users and addresses that quotas count, and what each of them holds.

use std::collections::{BTreeMap, HashMap};

use crate::subscribers::Link;
use crate::{Hub, Refusal, Target};

/// The user or address whose quotas a subscriber counts against.
///
/// The number is the caller's: all subscribers of one user, or of one address, have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder(u64);

impl Holder {
    /// Nobody: the subscriber is not counted, as that of a back end.
    pub const UNCOUNTED: Self = Self(0);

    /// A holder that has shown a credential. The upper two bits of the number do not count.
    pub const fn known(number: u64) -> Self {
        Self(number << 2 | 1)
    }

    /// A holder that has shown none. The upper two bits of the number do not count.
    pub const fn stranger(number: u64) -> Self {
        Self(number << 2 | 2)
    }

    const fn is_counted(self) -> bool {
        self.0 != Self::UNCOUNTED.0
    }

    /// The claim of this holder, which holds `held` of at most `own_max`, on a resource of `room`.
    pub const fn claim(self, held: usize, own_max: usize, room: usize) -> Claim {
        match self.0 & 3 {
            0 => Claim::First,
            1 => Claim::of_known(held, own_max, room),
            _ => Claim::of_stranger(held, own_max, room),
        }
    }
}

/// How much of a resource that all clients share may be in use when a client asks for more of it.
///
/// | claim | of | may use |
/// |---|---|---|
/// | `First` | a known client that holds little, and one that is not counted | all of it |
/// | `Second` | a known client that holds much | 15/16 |
/// | `Third` | a stranger that holds little | 14/16 |
/// | `Last` | a stranger that holds much | 13/16 |
///
/// So strangers leave something for known clients, and those that hold much leave something for
/// those that come new. A holder holds much from an eighth of its own quota on. A quota as large as
/// the resource says nothing about a holder: it never holds much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// On all of it.
    First,
    /// On 15/16 of it.
    Second,
    /// On 14/16 of it.
    Third,
    /// On 13/16 of it.
    Last,
}

impl Claim {
    /// The claim of a known client that holds `held` of at most `own_max`, on a resource of `room`.
    pub const fn of_known(held: usize, own_max: usize, room: usize) -> Self {
        if holds_much(held, own_max, room) { Self::Second } else { Self::First }
    }

    /// The claim of a stranger, likewise.
    pub const fn of_stranger(held: usize, own_max: usize, room: usize) -> Self {
        if holds_much(held, own_max, room) { Self::Last } else { Self::Third }
    }

    /// The part of a resource that it is on.
    pub const fn of(self, room: usize) -> usize {
        // [hub:claims]
        let kept_for_others = match self {
            Self::First => 0,
            Self::Second => room / 16,
            Self::Third => room / 8,
            Self::Last => room / 8 + room / 16,
        };
        room - kept_for_others
    }
}

const fn holds_much(held: usize, own_max: usize, room: usize) -> bool {
    own_max < room && held >= own_max.div_ceil(8)
}

/// The channels or patterns that holders are in, each counted once, however many subscribers of the
/// holder are in it.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    /// By item and holder: the subscriptions.
    subscriptions: BTreeMap<(u32, Holder), u32>,
    /// By holder: the items. A holder without any has no entry. Never iterated.
    items: HashMap<Holder, usize>,
}

impl Holdings {
    /// The number of items that a holder is in.
    pub(crate) fn held(&self, holder: Holder) -> usize {
        self.items.get(&holder).copied().unwrap_or(0)
    }

    /// The number of holders that are in any.
    pub(crate) fn holders(&self) -> usize {
        self.items.len()
    }

    /// Whether a quota has room for one more item of the holder.
    pub(crate) fn has_room(&self, holder: Holder, own_max: usize) -> bool {
        !holder.is_counted() || self.held(holder) < own_max
    }

    /// Whether a quota has room for a subscription of the holder to this item: it is in it already,
    /// or may be in one more.
    pub(crate) fn may_enter(&self, item: u32, holder: Holder, own_max: usize) -> bool {
        self.has_room(holder, own_max) || self.subscriptions.contains_key(&(item, holder))
    }

    /// Counts a subscription.
    pub(crate) fn enter(&mut self, item: u32, holder: Holder) {
        if !holder.is_counted() {
            return;
        }
        let subscriptions = self.subscriptions.entry((item, holder)).or_default();
        *subscriptions += 1;
        if *subscriptions == 1 {
            *self.items.entry(holder).or_default() += 1;
        }
    }

    /// Takes a subscription off the count.
    pub(crate) fn leave(&mut self, item: u32, holder: Holder) {
        let Some(subscriptions) = self.subscriptions.get_mut(&(item, holder)) else { return };
        *subscriptions -= 1;
        if *subscriptions == 0 {
            self.subscriptions.remove(&(item, holder));
            self.count_one_less(holder);
        }
    }

    /// Takes all subscriptions to an item off the count.
    pub(crate) fn release(&mut self, item: u32) {
        let all = (item, Holder(u64::MIN))..=(item, Holder(u64::MAX));
        let holders: Vec<Holder> = self.subscriptions.range(all).map(|((_, it), _)| *it).collect();
        for holder in holders {
            self.subscriptions.remove(&(item, holder));
            self.count_one_less(holder);
        }
    }

    fn count_one_less(&mut self, holder: Holder) {
        let Some(items) = self.items.get_mut(&holder) else { return };
        *items -= 1;
        if *items == 0 {
            self.items.remove(&holder);
        }
    }
}

impl<M> Hub<M> {
    /// Whether a new subscription is within its holder's quotas and its claims; `known` is its channel or
    /// pattern, if that is there already.
    pub(crate) fn check_quotas(
        &self,
        target: Target<'_>,
        known: Option<Link>,
        holder: Holder,
    ) -> Result<(), Refusal> {
        let limits = &self.config.limits;
        match (target, known) {
            (_, Some(Link::Channel(channel))) => {
                self.channels.may_join(channel, holder, &self.config)
            }
            // [hub:restored-channels]
            (Target::Channel(name), _)
                if self.channels.past(name.as_str(), &self.config).is_known() =>
            {
                Ok(())
            }
            (Target::Channel(name), _) => {
                let id = self.config.id_of(name.namespace());
                self.channels.may_add_bare(id, holder, &self.config)
            }
            (Target::Pattern(_), Some(Link::Pattern(pattern))) => {
                let most = limits.patterns_per_holder_max;
                let may_enter = self.pattern_holdings.may_enter(pattern, holder, most);
                may_enter.then_some(()).ok_or(Refusal::OwnPatterns { most })
            }
            (Target::Pattern(_), None) => {
                let most = limits.patterns_per_holder_max;
                // [hub:quota-patterns]
                if !self.pattern_holdings.has_room(holder, most) {
                    return Err(Refusal::OwnPatterns { most });
                }
                let held = self.pattern_holdings.held(holder);
                // [hub:bound-patterns]
                let room = holder.claim(held, most, limits.patterns_max).of(limits.patterns_max);
                (self.patterns.len() < room).then_some(()).ok_or(Refusal::Patterns)
            }
        }
    }

    /// Counts a subscription against the quotas of its holder.
    pub(crate) fn hold(&mut self, link: Link, holder: Holder) {
        match link {
            Link::Channel(channel) => self.channels.hold(channel, holder),
            Link::Pattern(pattern) => self.pattern_holdings.enter(pattern, holder),
        }
    }

    /// Takes a subscription off the quotas of its holder.
    pub(crate) fn release(&mut self, link: Link, holder: Holder) {
        match link {
            Link::Channel(channel) => self.channels.holdings.leave(channel, holder),
            Link::Pattern(pattern) => self.pattern_holdings.leave(pattern, holder),
        }
    }

    /// Counts all subscriptions to channels anew: no channel has a message any more.
    pub(crate) fn recount_holdings(&mut self) {
        let Self { channels, subscribers, .. } = self;
        channels.holdings = Holdings::default();
        for (state, holder) in subscribers.iter_with_holders() {
            for subscription in state.subscriptions.iter() {
                if let Link::Channel(channel) = subscription.link {
                    channels.hold(channel, holder);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [hub:claims]
    #[test]
    fn who_comes_later_leaves_something_to_who_comes_first() {
        for room in [0, 1, 7, 16, 100, 65_536] {
            let parts =
                [Claim::First, Claim::Second, Claim::Third, Claim::Last].map(|it| it.of(room));
            assert!(parts.is_sorted_by(|one, next| one >= next) && parts[0] == room);
            assert!(room < 16 || parts.is_sorted_by(|one, next| one > next), "{parts:?}");
            assert!(parts[3] >= room - room / 4);
        }
        let stranger = Holder::stranger(1);
        assert_eq!(stranger.claim(0, 80, 100), Claim::Third);
        assert_eq!(stranger.claim(9, 80, 100), Claim::Third);
        assert_eq!(stranger.claim(10, 80, 100), Claim::Last);
        assert_eq!(stranger.claim(99, 100, 100), Claim::Third, "behind a proxy");
        assert_eq!(Holder::known(1).claim(10, 80, 100), Claim::Second);
        assert_eq!(Holder::known(1).claim(9, 80, 100), Claim::First);
        assert_eq!(Holder::UNCOUNTED.claim(1_000, 80, 100), Claim::First);
        assert_ne!(Holder::known(1), Holder::stranger(1));
    }

    /// [hub:quota-channels] Against lists that are counted each time.
    #[test]
    fn holdings_are_what_is_held() {
        let (mut holdings, mut naive) = (Holdings::default(), Vec::<(u32, Holder)>::new());
        let mut state = 7_u32;
        for _ in 0..20_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (item, number) = ((state >> 8) % 7, u64::from(state >> 16) % 5);
            let holder = match number {
                0 => Holder::UNCOUNTED,
                1 | 2 => Holder::known(number),
                _ => Holder::stranger(number),
            };
            match state >> 28 {
                0..=7 => {
                    holdings.enter(item, holder);
                    naive.push((item, holder));
                }
                8..=14 => {
                    if let Some(at) = naive.iter().position(|it| *it == (item, holder)) {
                        naive.swap_remove(at);
                        holdings.leave(item, holder);
                    }
                }
                _ => {
                    holdings.release(item);
                    naive.retain(|(it, _)| *it != item);
                }
            }
            let mut held: Vec<u32> =
                naive.iter().filter(|it| it.1 == holder).map(|it| it.0).collect();
            held.sort_unstable();
            held.dedup();
            let count = if holder.is_counted() { held.len() } else { 0 };
            assert_eq!(holdings.held(holder), count);
            let may = !holder.is_counted() || count < 3 || held.contains(&item);
            assert_eq!(holdings.may_enter(item, holder, 3), may);
        }
        for item in 0..7 {
            holdings.release(item);
        }
        assert!(holdings.items.is_empty() && holdings.subscriptions.is_empty());
    }
}
