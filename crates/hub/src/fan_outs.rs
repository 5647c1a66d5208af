//! Fan-outs that are under way: messages that go to the many subscribers of a channel, a few at a time.
//!
//! ```text
//! members   0 1 2 3 4 5 6 7 8 9 …
//!           owed        │ visited: each has the messages, or is behind
//!           ◄───────────┘ the next step
//! ```
//!
//! A list is gone through from its last member to its first. A new member comes to the end, behind the place. One
//! that leaves is replaced by the last one, which is visited, or owed if none is. So no member is missed, and
//! a member that is met again has a mark ([`State::named`]).
//!
//! A live subscriber that a fan-out has still to come to is *owed* its messages: it has everything before them.
//! Whatever comes to such a subscriber first, another fan-out or the caller, brings it what it is owed before
//! anything else. So each subscriber gets the messages of all channels in the order of the log.

use std::cell::Cell;
use std::mem;
use std::rc::Rc;

use crate::burst::{By, Deliver, Offered};
use crate::fan_out::{Reached, fall_behind};
use crate::subscribers::{Link, ReadPosition, Stage, State};
use crate::{Entry, Flow, Hub, Kind, Seq, Stats, SubscriberKey};

/// A fan-out that is under way.
#[derive(Debug)]
struct FanOut<M> {
    channel: u32,
    /// Its messages, in order. There is one at least.
    entries: Vec<Rc<Entry<M>>>,
    /// The lists of subscriptions that are left, each with the number of members that it has not visited. A list
    /// whose channel or pattern is gone is empty. Its place may be taken by another one, whose members have a later
    /// mark.
    lists: Vec<(Link, usize)>,
    has_begun: bool,
    /// The newest of its messages that a subscriber has taken.
    taken: Seq,
}

impl<M> FanOut<M> {
    fn newest(&self) -> Seq {
        self.entries.last().map_or(Seq::ZERO, |entry| entry.seq())
    }

    /// Those of its messages that a subscriber is owed. Adds the comparisons that this takes to `compared`.
    /// [hub:owed-counted]
    fn owed_to(&self, state: &State, compared: &Cell<u64>) -> &[Rc<Entry<M>>] {
        let mut count = 1;
        let mut is_among = |link: Link| {
            let at = self.lists.iter().position(|list| list.0 == link);
            count += at.map_or(self.lists.len(), |at| at + 1);
            at.is_some()
        };
        let is_owed = state.position == ReadPosition::LIVE
            && state.named < self.newest()
            && state.subscriptions.iter().any(|it| is_among(it.link));
        compared.set(compared.get() + count as u64);
        if is_owed { after(&self.entries, state.named) } else { &[] }
    }

    fn members_left(&self) -> usize {
        self.lists.iter().map(|(_, left)| left).sum()
    }
}

/// All fan-outs that are under way, in the order of the log.
#[derive(Debug)]
pub(crate) struct FanOuts<M> {
    all: Vec<FanOut<M>>,
    /// The next step is of the first one from here on that may take one.
    turn: usize,
    /// Comparisons so far of subscribers with fan-outs.
    compared: Cell<u64>,
}

impl<M> Default for FanOuts<M> {
    fn default() -> Self {
        Self { all: Vec::new(), turn: 0, compared: Cell::new(0) }
    }
}

impl<M> FanOuts<M> {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Gives up all of them.
    pub(crate) fn take(&mut self) -> Self {
        let compared = self.compared.clone();
        mem::replace(self, Self { compared, ..Self::default() })
    }

    pub(crate) fn has_end(&self) -> bool {
        let mut last = self.all.iter().filter_map(|it| it.entries.last());
        last.any(|entry| entry.kind == Kind::End)
    }

    /// The position of a subscriber that is owed messages: that before the first of them.
    pub(crate) fn owed_after(&self, state: &State) -> Option<Seq> {
        let owed = self.all.iter().find_map(|it| it.owed_to(state, &self.compared).first());
        owed.map(|entry| entry.seq().previous())
    }

    /// The fan-out that takes the next step: each has its turn, those of one channel one after the other.
    fn next(&self) -> Option<usize> {
        let count = self.all.len();
        let is_first = |at: &usize| {
            let channel = self.all[*at].channel;
            self.all.iter().take(*at).all(|earlier| earlier.channel != channel)
        };
        (self.turn..self.turn + count).map(|at| at % count).find(is_first)
    }
}

/// The outcome of a step of a fan-out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The members that it has visited.
    pub visited: usize,
    /// It was the fan-out's last step.
    pub is_last: bool,
}

impl<M> Hub<M> {
    /// Whether fan-outs are under way. [`fan_out_some`](Self::fan_out_some) is due then.
    #[inline]
    pub fn has_fan_outs(&self) -> bool {
        !self.fan_outs.is_empty()
    }

    /// Comparisons so far of subscribers with fan-outs under way, to find what they are owed. There are none while no
    /// fan-out is under way.
    pub const fn compared(&self) -> u64 {
        self.fan_outs.compared.get()
    }

    /// Whether another burst may become a fan-out without one of those under way having to end first.
    pub fn has_room_for_fan_out(&self) -> bool {
        self.room_for_fan_outs() > 0
    }

    /// How many other bursts may become fan-outs without one of those under way having to end first.
    pub fn room_for_fan_outs(&self) -> usize {
        let is_one_to_come = self.has_burst() && self.is_divided(self.burst_channel());
        let under_way = self.fan_outs.all.len() + usize::from(is_one_to_come);
        self.fan_outs_max().saturating_sub(under_way)
    }

    /// Whether the oldest pending message, if there is one, may be committed without a fan-out under way having to end
    /// first.
    pub fn has_room_for_next(&mut self) -> bool {
        let next = self.next_channel().filter(|_| !self.has_room_for_fan_out());
        next.is_none_or(|channel| {
            self.look_up_patterns(channel);
            !self.is_divided(channel)
        })
    }

    fn fan_outs_max(&self) -> usize {
        self.config.limits.fan_outs_max.max(1)
    }

    /// The messages of the next [`fan_out_some`](Self::fan_out_some).
    pub fn next_fan_out(&self) -> Option<&[Rc<Entry<M>>]> {
        Some(&self.fan_outs.all[self.fan_outs.next()?].entries)
    }

    /// Offers the messages of the next fan-out to `members_max` more of its subscribers, as
    /// [`deliver_burst`](Self::deliver_burst) does. Returns the number of members that it has visited.
    pub fn fan_out_some(
        &mut self,
        members_max: usize,
        deliver: impl FnMut(SubscriberKey, &[Rc<Entry<M>>]) -> Offered,
    ) -> usize {
        self.fan_out_some_by(members_max, &mut By(deliver)).visited
    }

    /// The same by a type of the caller's.
    pub fn fan_out_some_by(&mut self, members_max: usize, deliver: &mut impl Deliver<M>) -> Step {
        let Some(at) = self.fan_outs.next() else { return Step::default() };
        let before = self.fan_outs.all.len();
        let visited = self.step(at, members_max, deliver);
        Step { visited, is_last: self.fan_outs.all.len() < before }
    }

    /// Offers a subscriber what fan-outs under way owe it. Call it before something is done with the subscriber
    /// that has to come after these messages. [`hastened`](Self::hastened) counts the offers.
    ///
    /// [`Subscriber::cursor`](crate::Subscriber::cursor) knows what is owed. `subscribe` and `unsubscribe` put a
    /// subscriber that is owed something behind.
    pub fn deliver_owed(
        &mut self,
        key: SubscriberKey,
        deliver: impl FnMut(SubscriberKey, &[Rc<Entry<M>>]) -> Offered,
    ) {
        let Self { fan_outs, subscribers, stats, .. } = self;
        if let Some(index) = subscribers.find(key) {
            let FanOuts { all, compared, .. } = fan_outs;
            offer_owed(subscribers.at_mut(index), (all, compared), stats, &mut By(deliver));
        }
    }

    /// Whether a burst of this channel has too many subscribers to be delivered at once.
    #[inline]
    pub(crate) fn is_divided(&self, channel: u32) -> bool {
        let record = self.channels.record(channel);
        let of_patterns = record.patterns.iter().map(|it| self.patterns.members(*it).len());
        let members = record.members.len() + of_patterns.sum::<usize>();
        members > self.config.limits.fan_out_members_max
    }

    /// Begins a fan-out of these messages, without a step of it. Returns the number of subscriptions.
    #[cold]
    pub(crate) fn begin_fan_out(
        &mut self,
        channel: u32,
        entries: Vec<Rc<Entry<M>>>,
        deliver: &mut impl Deliver<M>,
    ) -> usize {
        let record = self.channels.record(channel);
        let mut lists = vec![(Link::Channel(channel), record.members.len())];
        let of_patterns = record.patterns.iter();
        lists.extend(of_patterns.map(|it| (Link::Pattern(*it), self.patterns.members(*it).len())));
        // The subscribers by name come first.
        lists.reverse();
        let fan_out = FanOut { channel, entries, lists, has_begun: false, taken: Seq::ZERO };
        let members = fan_out.members_left();
        if let Some(fan_out) = self.join_last(fan_out) {
            // [hub:bound-fan-outs]
            while self.fan_outs.all.len() >= self.fan_outs_max() {
                let visited = self.step(0, usize::MAX, deliver);
                self.stats.hastened += visited as u64;
            }
            self.fan_outs.all.push(fan_out);
        }
        // A record without members may go, and has stayed for its patterns. [hub:burst-same]
        if self.channels.record(channel).members.is_empty() {
            self.keep_bounds(channel);
        }
        members
    }

    /// Has the messages of a fan-out join those of the last one, if that is of the same channel and has not
    /// begun. Returns the fan-out otherwise.
    fn join_last(&mut self, mut fan_out: FanOut<M>) -> Option<FanOut<M>> {
        let limits = &self.config.limits;
        let last = self.fan_outs.all.last_mut().filter(|last| {
            !last.has_begun && last.entries[0].channel == fan_out.entries[0].channel
        });
        let Some(last) = last else { return Some(fan_out) };
        let all = last.entries.iter().chain(&fan_out.entries);
        // [hub:bound-burst]
        let has_room = last.entries.len() + fan_out.entries.len() <= limits.burst_messages_max
            && all.map(|entry| entry.bytes()).sum::<usize>() <= limits.burst_bytes_max;
        if !has_room {
            return Some(fan_out);
        }
        last.entries.append(&mut fan_out.entries);
        (last.channel, last.lists) = (fan_out.channel, fan_out.lists);
        None
    }

    /// Takes a step of the fan-out with this number.
    fn step(&mut self, at: usize, members_max: usize, deliver: &mut impl Deliver<M>) -> usize {
        let Self { fan_outs, channels, patterns, subscribers, stats, .. } = self;
        let FanOuts { all, compared, .. } = fan_outs;
        let (earlier, rest) = all.split_at_mut(at);
        let FanOut { entries, lists, has_begun, taken, .. } = &mut rest[0];
        *has_begun = true;
        let mut room = members_max.max(1);
        let most = room;
        while let Some((link, left)) = lists.last_mut().filter(|_| room > 0) {
            let members = match *link {
                Link::Channel(channel) => channels.find_members(channel),
                Link::Pattern(pattern) => patterns.find_members(pattern),
            };
            let end = members.len().min(*left);
            let from = end.saturating_sub(room);
            for member in members[from..end].iter().rev() {
                let state = subscribers.at_mut(member.subscriber);
                offer(state, (earlier, compared), (entries, taken), stats, deliver);
            }
            (room, *left) = (room - (end - from), from);
            if from == 0 {
                lists.pop();
            }
        }
        fan_outs.turn = at + 1;
        if lists.is_empty() {
            let FanOut { entries, taken, .. } = fan_outs.all.remove(at);
            fan_outs.turn = at;
            deliver.fan_out_ended(up_to(&entries, taken));
        }
        most - room
    }

    /// Offers new messages of a channel to all of its subscribers at once, while fan-outs are under way.
    #[cold]
    pub(crate) fn fan_out_beside(
        &mut self,
        channel: u32,
        entries: &[Rc<Entry<M>>],
        deliver: &mut impl Deliver<M>,
    ) -> Reached {
        let Self { fan_outs, channels, patterns, subscribers, stats, .. } = self;
        let FanOuts { all, compared, .. } = fan_outs;
        let record = channels.record(channel);
        let of_patterns = record.patterns.iter().map(|it| patterns.members(*it).as_slice());
        let (mut reached, mut taken) = (Reached::default(), Seq::ZERO);
        for member in std::iter::once(record.members.as_slice()).chain(of_patterns).flatten() {
            let state = subscribers.at_mut(member.subscriber);
            match offer(state, (all, compared), (entries, &mut taken), stats, deliver) {
                Visit::Repeated => {}
                Visit::Taken => reached.taken += 1,
                Visit::Behind => reached.behind += 1,
            }
        }
        reached
    }

    /// Puts a subscriber behind that is owed messages: it pulls them. It was not slow, so
    /// [`OnOverrun::Close`](crate::OnOverrun::Close) must not close it.
    pub(crate) fn leave_fan_outs(&mut self, index: u32) {
        if self.fan_outs.is_empty() {
            return;
        }
        let state = self.subscribers.at_mut(index);
        if let Some(seq) = self.fan_outs.owed_after(state) {
            fall_behind(state, seq);
            for subscription in state.subscriptions.iter_mut() {
                subscription.stage = Stage::Resuming;
            }
        }
    }
}

/// The outcome of a visit to a subscriber.
enum Visit {
    /// It has had the messages before.
    Repeated,
    /// It has taken all of them.
    Taken,
    /// It is behind.
    Behind,
}

/// Offers messages to a subscriber, after those that `earlier` fan-outs owe to it. One that has a later mark has
/// them. [hub:fan-out-order] [hub:named-once]
fn offer<M>(
    state: &mut State,
    (earlier, compared): (&mut [FanOut<M>], &Cell<u64>),
    (entries, taken): (&[Rc<Entry<M>>], &mut Seq),
    stats: &mut Stats,
    deliver: &mut impl Deliver<M>,
) -> Visit {
    let newest = entries.last().map_or(Seq::ZERO, |entry| entry.seq());
    if state.named >= newest {
        return Visit::Repeated;
    }
    offer_owed(state, (earlier, compared), stats, deliver);
    let before = mem::replace(&mut state.named, newest);
    match state.position == ReadPosition::LIVE {
        true => hand(state, (after(entries, before), taken), stats, deliver),
        false => Visit::Behind,
    }
}

/// Offers to a subscriber what these fan-outs owe it.
fn offer_owed<M>(
    state: &mut State,
    (fan_outs, compared): (&mut [FanOut<M>], &Cell<u64>),
    stats: &mut Stats,
    deliver: &mut impl Deliver<M>,
) {
    for fan_out in fan_outs {
        let owed = fan_out.owed_to(state, compared);
        if !owed.is_empty() {
            state.named = fan_out.newest();
            stats.hastened += 1;
            let mut taken = fan_out.taken;
            hand(state, (owed, &mut taken), stats, deliver);
            fan_out.taken = taken;
        }
    }
}

/// Offers messages to a live subscriber, which is behind if it does not take all of them. `newest_taken` is that of
/// all subscribers.
fn hand<M>(
    state: &mut State,
    (entries, newest_taken): (&[Rc<Entry<M>>], &mut Seq),
    stats: &mut Stats,
    deliver: &mut impl Deliver<M>,
) -> Visit {
    let Offered { taken, flow } = deliver.offer_beside(state.key, entries);
    stats.delivered += taken as u64;
    if let Some(last) = entries[..taken].last() {
        *newest_taken = last.seq().max(*newest_taken);
    }
    match flow {
        Flow::Taken => return Visit::Taken,
        Flow::Full => stats.lagged += 1,
        Flow::Fetches => {}
    }
    let newest = entries.last().map_or(Seq::ZERO, |entry| entry.seq());
    let missed = entries.get(taken).map_or(newest, |entry| entry.seq());
    fall_behind(state, missed.previous());
    Visit::Behind
}

/// The messages after a position.
fn after<M>(entries: &[Rc<Entry<M>>], seq: Seq) -> &[Rc<Entry<M>>] {
    &entries[up_to(entries, seq).len()..]
}

/// The messages up to a position.
fn up_to<M>(entries: &[Rc<Entry<M>>], seq: Seq) -> &[Rc<Entry<M>>] {
    &entries[..entries.partition_point(|entry| entry.seq() <= seq)]
}
