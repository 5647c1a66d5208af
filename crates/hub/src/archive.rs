//! History beyond memory: what a subscriber is owed that only the archive has.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::entry::Draft;
use crate::name::namespace;
use crate::patterns::Tree;
use crate::resume::{Overrun, Plan, View, after_gap};
use crate::search::Extent;
use crate::subscribers::{Link, Mode, ReadPosition, Stage, State, Subscription};
use crate::tombstones::Stamp;
use crate::{Entry, Gap, Hub, Item, Kind, OnGap, Progress, Reason, Scope, Seq, Span, Subscriber};

/// A part of the log that memory no longer has, and that a subscriber needs from the archive: the
/// messages of its [targets](Subscriber::targets).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The position before the first message.
    pub after: Seq,
    /// The last position.
    pub through: Seq,
    /// Identifies the request: a page for another request of the subscriber is stale.
    stamp: Stamp,
}

/// A page of the archive.
#[derive(Debug)]
pub struct Fetched<M> {
    /// What was asked for.
    pub fetch: Fetch,
    /// The messages of the subscriber's targets that the archive has, in the order of the log.
    pub entries: Vec<Archived<M>>,
    /// The page has all of these messages up to here. It is above [`Fetch::after`].
    pub through: Seq,
    /// Channels of the targets that the archive itself has trimmed after [`Fetch::after`], with the
    /// newest position that it may have dropped.
    pub missing: Vec<(Rc<str>, Seq)>,
    /// Patterns match more such channels than `missing` names. Each pattern has a gap then.
    pub is_missing_more: bool,
}

/// A message in the archive.
#[derive(Debug)]
pub struct Archived<M> {
    /// Its position.
    pub seq: Seq,
    /// Its channel.
    pub channel: Rc<str>,
    /// When it was admitted, in the caller's milliseconds.
    pub time_ms: u64,
    /// Whether it ends its channel.
    pub kind: Kind,
    /// The body.
    pub body: M,
    /// The bytes of the body.
    pub cost: usize,
}

/// The messages that a subscriber is owed and memory lacks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lack {
    /// Nothing is owed up to here.
    pub(crate) after: Seq,
    /// Memory has everything after this; zero if it lacks nothing.
    pub(crate) through: Seq,
}

impl Lack {
    pub(crate) const NONE: Self = Self { after: Seq(u64::MAX), through: Seq::ZERO };
}

impl<M> Subscriber<'_, M> {
    /// The texts of its subscriptions: channels and patterns.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        let Self { hub, index } = self;
        let subscriptions = hub.subscribers.at(*index).subscriptions.iter();
        subscriptions.map(|it| &**match it.link {
            Link::Channel(channel) => &hub.channels.record(channel).name,
            Link::Pattern(pattern) => hub.patterns.text(pattern),
        })
    }

    /// Takes a page of the archive, which [`Progress::Fetch`] asked for: appends the owed messages
    /// and gaps to `out`, and moves the cursor to the end of the page. [Pull](Self::pull) again
    /// afterwards. A page for subscriptions that have changed since changes nothing.
    ///
    /// # Costs
    /// For each channel of the page one lookup, and a walk through the subscriber's subscriptions.
    pub fn take_page(&mut self, page: Fetched<M>, out: &mut Vec<Item<M>>) -> Progress {
        let Self { hub, index } = self;
        let state = hub.subscribers.at_mut(*index);
        // [hub:archive-stale]
        if state.fetch() != Some(page.fetch) || page.through <= page.fetch.after {
            return Progress::More;
        }
        let reader = Reader::new(hub, *index);
        let Ok(gaps) = hub.gaps_of_page(*index, &reader, &page.missing) else {
            hub.stats.overruns += 1;
            return Progress::Overrun(self.cursor());
        };
        hub.declare_missing(*index, gaps, page.is_missing_more, out);
        let through = page.through.min(page.fetch.through);
        let entries = hub.entries_of_page(
            page.entries,
            &page.missing,
            Span { after: page.fetch.after, through },
        );
        let messages = hub.deliver_page(*index, &reader, entries, through, out);
        hub.stats.replayed += messages;
        let rest = Fetch { after: through, ..page.fetch };
        let state = hub.subscribers.at_mut(*index);
        state.position = ReadPosition::behind(through);
        state.note_pulled(messages);
        let catch_up = state.catch_up_mut();
        catch_up.fetch = Some(rest).filter(|it| it.after < it.through);
        catch_up.declared.retain(|_, span| span.through > through);
        Progress::More
    }
}

/// A gap of a channel that the archive has trimmed.
struct Trimmed {
    view: View,
    missed: Span,
}

/// The gaps of a page, and the trimmed parts of channels that are not owed.
struct Gaps {
    gaps: Vec<Trimmed>,
    excused: Vec<(Rc<str>, Span)>,
}

/// Finds the subscriptions of one subscriber that a channel belongs to.
struct Reader {
    tree: Tree,
}

impl Reader {
    fn new<M>(hub: &Hub<M>, index: u32) -> Self {
        let mut tree = Tree::default();
        for (slot, subscription) in (0..).zip(hub.subscribers.at(index).subscriptions.iter()) {
            if let Link::Pattern(pattern) = subscription.link {
                tree.insert(hub.patterns.text(pattern), slot);
            }
        }
        Self { tree }
    }

    /// A channel, if a subscription matches it.
    fn view<M>(&self, hub: &Hub<M>, state: &State, name: &Rc<str>) -> Option<View> {
        let channel = hub.channels.find(name);
        let mut covers = Vec::new();
        self.tree.matching(name, &mut covers);
        let named = channel.and_then(|channel| state.slot_of(Link::Channel(channel)));
        let by_pattern = named.is_none();
        covers.extend(named.and_then(|slot| u32::try_from(slot).ok()));
        if covers.is_empty() {
            return None;
        }
        covers.sort_unstable();
        let past = hub.channels.past(name, &hub.config);
        let settings = hub.config.id_of(namespace(name));
        Some(View { name: Rc::clone(name), channel, settings, past, by_pattern, covers })
    }
}

impl<M> Hub<M> {
    /// Attaches an archive: it has every message up to the head, except those that it has trimmed.
    /// From now on memory is a cache of it. What memory no longer has is no gap, but a
    /// [`Progress::Fetch`].
    pub fn attach_archive(&mut self) {
        self.has_archive = true;
    }

    /// Whether there is an archive.
    pub const fn has_archive(&self) -> bool {
        self.has_archive
    }

    /// A message of the archive as an entry of this log.
    pub fn recall(&self, archived: Archived<M>) -> Rc<Entry<M>> {
        let Archived { seq, channel, time_ms, kind, body, cost } = archived;
        Draft { body, cost, kind, time_ms }.enter(self.at(seq), channel, None)
    }

    /// Asks the archive for what memory lacks, if it lacks something.
    pub(crate) fn fetch(&mut self, index: u32, lack: Lack, extent: Extent) -> Option<Fetch> {
        let state = self.subscribers.at(index);
        let cursor = state.cursor(self.head);
        let horizon = self.channels.tombstones.horizon().floor;
        let is_below = state.subscriptions.iter().any(|it| self.is_below_horizon(state, it));
        let Lack { mut after, mut through } = lack;
        // [hub:archive-search] The archive finds what a search of memory did not.
        if let Extent::Archived(floor) = extent {
            after = cursor;
            through = if floor > cursor { through.max(floor) } else { through };
        }
        if is_below {
            (after, through) = (cursor, through.max(horizon));
        }
        // [hub:archive]
        if through == Seq::ZERO {
            return None;
        }
        let stamp = self.channels.next_stamp();
        let fetch = Fetch { after: after.max(cursor), through, stamp };
        self.subscribers.at_mut(index).catch_up_mut().fetch = Some(fetch);
        Some(fetch)
    }

    /// The gaps of the channels that the archive has trimmed.
    fn gaps_of_page(
        &self,
        index: u32,
        reader: &Reader,
        missing: &[(Rc<str>, Seq)],
    ) -> Result<Gaps, Overrun> {
        let state = self.subscribers.at(index);
        let mut gaps = Vec::new();
        // [hub:lenient] Not owed now, and so not with the next page.
        let mut excused = Vec::new();
        for (name, floor) in missing {
            let Some(view) = reader.view(self, state, name) else { continue };
            let Plan { owed, .. } = self.plan(state, &view);
            // Memory may have what the archive dropped.
            let floor = view.past.floor.min(*floor);
            if owed >= floor {
                continue;
            }
            // [hub:archive-trimmed] [hub:gap-policy]
            let last = view.past.last;
            let through = match self.policy_of_page(state, &view, floor)? {
                None => {
                    excused.push((view.name, Span { after: owed, through: floor }));
                    continue;
                }
                Some(OnGap::Nothing) => last.max(floor),
                Some(OnGap::Tail) => floor,
                Some(OnGap::Latest) => last.previous().max(floor),
            };
            gaps.push(Trimmed { view, missed: Span { after: owed, through } });
        }
        Ok(Gaps { gaps, excused })
    }

    /// The policy after a gap of the archive; `None` if no subscription is owed the messages.
    fn policy_of_page(
        &self,
        state: &State,
        view: &View,
        floor: Seq,
    ) -> Result<Option<OnGap>, Overrun> {
        let settings = self.config.by_id(view.settings);
        let cursor = state.cursor(self.head);
        let mut policy = None;
        for slot in &view.covers {
            let it = &state.subscriptions[*slot as usize];
            // [hub:lenient] Of what was there when it was added, it is not owed what the archive had
            // dropped before its first page.
            let is_excused = it.mode != Mode::Exact && it.stage == Stage::Fresh;
            let owed = if is_excused { it.complete_after } else { Seq::ZERO };
            if it.wanted_after.max(cursor).max(owed) >= floor {
                continue;
            }
            policy = Some(after_gap(it.stage, settings, policy)?);
        }
        Ok(policy)
    }

    /// Declares the gaps of a page: one for each channel, or if there are too many, one up to the
    /// head for each pattern.
    fn declare_missing(
        &mut self,
        index: u32,
        Gaps { gaps, excused }: Gaps,
        is_more: bool,
        out: &mut Vec<Item<M>>,
    ) {
        let state = self.subscribers.at(index);
        let by_pattern = gaps.iter().filter(|it| it.view.by_pattern).count();
        let most = self.config.limits.pattern_gaps_max + state.subscriptions.len();
        // [hub:bound-told]
        let is_over = is_more || state.declared_gaps() + by_pattern > most;
        let (after, head) = (state.cursor(self.head), self.head);
        let mut patterns = BTreeSet::new();
        if is_more {
            let all = (0..).zip(state.subscriptions.iter());
            let is_pattern = |it: &Subscription| matches!(it.link, Link::Pattern(_));
            let wants = |it: &Subscription| is_pattern(it) && it.wanted_after < head;
            patterns.extend(all.filter(|(_, it)| wants(it)).map(|(slot, _)| slot));
        }
        for (name, missed) in excused {
            self.remember_gap(index, name, missed);
        }
        for Trimmed { view, missed } in gaps {
            if view.by_pattern && is_over {
                patterns.extend(view.covers);
                continue;
            }
            let ended = view.past.ended && missed.contains(view.past.last);
            let scope = Scope::Channel(Rc::clone(&view.name));
            self.declare(index, out, Gap { scope, reason: Reason::Trimmed, missed, ended });
            self.remember_gap(index, view.name, missed);
        }
        for slot in patterns {
            let slot = slot as usize;
            let link = self.subscribers.at(index).subscriptions[slot].link;
            let missed = Span { after, through: head };
            self.declare(index, out, self.gap(link, Reason::Limit, missed));
            self.subscribers.at_mut(index).subscriptions[slot].wanted_after = head;
        }
    }

    /// Notes that a gap was declared in a channel.
    pub(crate) fn remember_gap(&mut self, index: u32, name: Rc<str>, missed: Span) {
        match self.subscribers.at_mut(index).catch_up_mut().declared.entry(name) {
            Slot::Vacant(slot) => drop(slot.insert(missed)),
            Slot::Occupied(mut slot) => {
                let known = slot.get_mut();
                known.after = known.after.min(missed.after);
                known.through = known.through.max(missed.through);
            }
        }
    }

    /// The messages of a page, with those that memory has and the archive has dropped.
    fn entries_of_page(
        &self,
        page: Vec<Archived<M>>,
        missing: &[(Rc<str>, Seq)],
        part: Span,
    ) -> Vec<Rc<Entry<M>>> {
        let mut entries: Vec<Rc<Entry<M>>> = page.into_iter().map(|it| self.recall(it)).collect();
        let archived = entries.len();
        for (name, floor) in missing {
            let Some(channel) = self.channels.find(name) else { continue };
            let ring = &self.channels.record(channel).ring;
            let kept = (ring.index_after(part.after)..).map_while(|at| ring.entry(at));
            entries.extend(kept.take_while(|it| it.seq() <= part.through.min(*floor)).cloned());
        }
        if entries.len() > archived {
            entries.sort_by_key(|it| it.seq());
        }
        entries
    }

    /// Hands out the messages of a page that the subscriber is owed, and returns their number.
    fn deliver_page(
        &self,
        index: u32,
        reader: &Reader,
        entries: Vec<Rc<Entry<M>>>,
        through: Seq,
        out: &mut Vec<Item<M>>,
    ) -> u64 {
        let state = self.subscribers.at(index);
        let mut plans: BTreeMap<Rc<str>, Option<Plan>> = BTreeMap::new();
        let (mut reached, mut messages) = (state.cursor(self.head), 0);
        for entry in entries {
            let seq = entry.seq();
            let plan = plans.entry(Rc::clone(&entry.channel)).or_insert_with(|| {
                let view = reader.view(self, state, &entry.channel);
                view.map(|view| self.plan(state, &view))
            });
            let Some(Plan { from, had, .. }) = plan else { continue };
            let is_next = reached < seq && seq <= through;
            if !is_next || seq <= *from || had.iter().any(|span| span.contains(seq)) {
                continue;
            }
            (reached, messages) = (seq, messages + 1);
            out.push(Item::Message(entry));
        }
        messages
    }
}
