//! The search for channels in which a subscriber is owed messages.
//!
//! A channel that is subscribed by name needs no search. The channels of patterns are found in the
//! index by segments. A pull *lists* those that have newer messages, and merges their histories. If
//! there are more of them than it may list, it only searches for gaps, and finds the messages in the
//! [log](crate::scan). The steps of a search are bounded, because clients choose patterns and
//! cursors and the loop stands still meanwhile.

use std::cmp::Reverse;
use std::rc::Rc;

use crate::channel::Channel;
use crate::index::{Node, ROOT};
use crate::name::namespace;
use crate::patterns::Tree;
use crate::resume::View;
use crate::subscribers::{Link, Mode, State};
use crate::tombstones::{Past, Stamp};
use crate::{Hub, Seq};

/// The result of a search.
pub(crate) struct Found {
    pub(crate) views: Vec<View>,
    pub(crate) extent: Extent,
    /// Patterns of which `views` may lack channels with a gap, by slot.
    pub(crate) unsearched: Vec<usize>,
    /// Messages, channels, prefixes and pattern nodes that were visited.
    pub(crate) steps: u64,
}

/// The channels of patterns that the views have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All in which something may be owed.
    Listed,
    /// Those that may have a gap. The messages are found in the log.
    Gaps,
    /// None. Messages up to here may be missing in memory and be in the archive.
    Archived(Seq),
}

/// A pattern subscription that may be owed messages.
struct PatternQuery<'h> {
    slot: usize,
    segments: Vec<&'h str>,
    /// Its text before the first wildcard.
    prefix: &'h str,
    /// It has had every message up to here …
    after: Seq,
    /// … and of channels without a record, every message up to here.
    buried_after: Seq,
    /// It is owed no message that was dropped before this.
    owed_since: Stamp,
}

impl PatternQuery<'_> {
    /// Whether it is owed a message of a channel with a tombstone.
    fn is_owed(&self, past: Past) -> bool {
        past.last > self.buried_after && past.dropped >= self.owed_since
    }
}

/// The channels that a walk through the index looks for.
#[derive(Clone, Copy)]
enum Sought {
    /// Those with a message after this.
    Newer(Seq),
    /// Those that have dropped a message after this position, at this stamp or later.
    Dropped(Seq, Stamp),
}

impl Sought {
    const fn after(self) -> Seq {
        match self {
            Self::Newer(after) | Self::Dropped(after, _) => after,
        }
    }

    fn may_be_below(self, node: &Node) -> bool {
        match self {
            Self::Newer(after) => node.newest > after,
            Self::Dropped(after, since) => node.floor > after && node.dropped >= since,
        }
    }

    fn is<M>(self, record: &Channel<M>) -> bool {
        match self {
            Self::Newer(after) => record.past.last > after,
            Self::Dropped(after, since) => {
                record.past.floor > after && record.past.dropped >= since
            }
        }
    }
}

/// A walk through the index, for one pattern.
struct Walk {
    /// The pattern's slot.
    slot: usize,
    sought: Sought,
    found: Vec<u32>,
    /// It ends when it has found so many.
    most: usize,
}

struct Search<'h, M> {
    hub: &'h Hub<M>,
    /// The subscriber's patterns, by slot. One walk matches a channel with all of them.
    tree: Tree,
    /// Channels subscribed by name, sorted by index.
    exact: Vec<u32>,
    /// Steps before the search hits its limit.
    left: usize,
    steps: u64,
    covers: Vec<u32>,
}

impl<M> Hub<M> {
    /// Finds the subscriber's channels that have, or had, a message after its cursor.
    pub(crate) fn find(&self, index: u32) -> Found {
        let state = self.subscribers.at(index);
        let mut search = Search::new(self, state);
        let mut found = Found {
            views: search.by_subscription(state),
            extent: Extent::Listed,
            unsearched: Vec::new(),
            steps: 0,
        };
        let queries = self.queries(state);
        if !queries.is_empty() {
            match search.list(&queries) {
                Some(views) => found.views.extend(views),
                None if self.has_archive => {
                    found.extent = Extent::Archived(search.newest_floor(&queries));
                }
                None => {
                    found.extent = Extent::Gaps;
                    search.gaps(queries, state.subscriptions.len(), &mut found);
                }
            }
        }
        found.unsearched.sort_unstable();
        found.steps = search.steps;
        let cursor = state.cursor(self.head);
        found.views.retain(|view| view.past.last.max(view.past.floor) > cursor);
        found
    }

    /// Whether a pattern of the subscriber may be owed messages.
    pub(crate) fn has_queries(&self, index: u32) -> bool {
        !self.queries(self.subscribers.at(index)).is_empty()
    }

    fn queries<'h>(&'h self, state: &'h State) -> Vec<PatternQuery<'h>> {
        let cursor = state.cursor(self.head);
        let newest_drop = self.channels.tombstones.newest_drop();
        let all = state.subscriptions.iter().enumerate().filter_map(|(slot, it)| {
            let Link::Pattern(pattern) = it.link else { return None };
            let text = &**self.patterns.text(pattern);
            let wild = text.find(['*', '>']).unwrap_or(text.len());
            let after = it.wanted_after.max(cursor);
            // [hub:lenient] It is not owed messages that were dropped before it was added.
            let is_lenient = it.mode != Mode::Exact && !self.has_archive;
            let buried_after =
                if is_lenient && newest_drop < it.added_at { self.head } else { after };
            let owed_since = if is_lenient { it.added_at } else { Stamp::default() };
            let segments = text.split(':').collect();
            let prefix = &text[..wild];
            Some(PatternQuery { slot, segments, prefix, after, buried_after, owed_since })
        });
        all.filter(|it| it.after < self.head).collect()
    }
}

impl<'h, M> Search<'h, M> {
    fn new(hub: &'h Hub<M>, state: &State) -> Self {
        let (mut tree, mut exact) = (Tree::default(), Vec::new());
        for (slot, subscription) in (0..).zip(state.subscriptions.iter()) {
            match subscription.link {
                Link::Channel(channel) => exact.push(channel),
                Link::Pattern(pattern) => tree.insert(hub.patterns.text(pattern), slot),
            }
        }
        exact.sort_unstable();
        Self { hub, tree, exact, left: usize::MAX, steps: 0, covers: Vec::new() }
    }

    fn by_subscription(&mut self, state: &State) -> Vec<View> {
        let mut views = Vec::new();
        for (slot, subscription) in (0..).zip(state.subscriptions.iter()) {
            let Link::Channel(channel) = subscription.link else { continue };
            let record = self.hub.channels.record(channel);
            let mut covers = vec![slot];
            self.tree.matching(&record.name, &mut covers);
            let name = Rc::clone(&record.name);
            let settings = self.hub.channels.settings_id(channel, &self.hub.config);
            let past = record.past;
            let channel = Some(channel);
            views.push(View { name, channel, settings, past, by_pattern: false, covers });
        }
        views
    }

    /// The channels of all patterns in which something may be owed; `None` if there are too many.
    fn list(&mut self, queries: &[PatternQuery<'_>]) -> Option<Vec<View>> {
        let limits = &self.hub.config.limits;
        let list_max = limits.pattern_list_max.min(limits.pattern_steps_max);
        self.left = list_max;
        let mut views = Vec::new();
        for query in queries {
            let (slot, sought) = (query.slot, Sought::Newer(query.after));
            let mut walk = Walk { slot, sought, found: Vec::new(), most: usize::MAX };
            self.walk(ROOT, &query.segments, &mut walk)?;
            for channel in walk.found {
                views.extend(self.look_at(channel)?);
            }
        }
        let mut unsearched = Vec::new();
        views.extend(self.buried(queries, (list_max, usize::MAX), &mut unsearched));
        unsearched.is_empty().then(|| in_order(views))
    }

    /// The channels of each pattern that may have a gap. Each pattern has an equal part of the
    /// steps, so that a wide one takes none from a narrow one.
    fn gaps(
        &mut self,
        mut queries: Vec<PatternQuery<'_>>,
        subscriptions: usize,
        found: &mut Found,
    ) {
        let limits = &self.hub.config.limits;
        // [hub:bound-told] With one more, a pattern has one gap for all its channels.
        let most = limits.pattern_gaps_max + subscriptions + 1;
        let mut views = Vec::new();
        let share = limits.pattern_steps_max / queries.len();
        for query in &queries {
            self.left = share;
            let sought = Sought::Dropped(query.after, query.owed_since);
            let mut walk = Walk { slot: query.slot, sought, found: Vec::new(), most };
            let mut is_cut = self.walk(ROOT, &query.segments, &mut walk).is_none();
            for channel in walk.found {
                match self.look_at(channel) {
                    Some(view) => views.extend(view),
                    None => is_cut = true,
                }
            }
            // [hub:bound-search]
            found.unsearched.extend(is_cut.then_some(query.slot));
        }
        queries.retain(|query| !found.unsearched.contains(&query.slot));
        let bounds = (limits.pattern_steps_max, most);
        views.extend(self.buried(&queries, bounds, &mut found.unsearched));
        found.views.extend(in_order(views));
    }

    /// A position that no floor of the patterns' channels is above.
    fn newest_floor(&self, queries: &[PatternQuery<'_>]) -> Seq {
        let Hub { channels, config, .. } = self.hub;
        let floors = queries.iter().map(|query| {
            let node = query.prefix.rfind(':').map_or("", |end| &query.prefix[..=end]);
            let floor = channels.written.nearest(node).floor;
            let first = namespace(query.prefix);
            let ids = Some(config.filed(first)).filter(|_| first.len() < query.prefix.len());
            floor.max(channels.tombstones.newest(ids))
        });
        floors.max().unwrap_or_default()
    }

    /// Finds the channels that a pattern may match, as far as they are sought. `None` if that takes
    /// too many steps, or it has found the most that are wanted.
    fn walk(&mut self, node: u32, segments: &[&str], walk: &mut Walk) -> Option<()> {
        let hub = self.hub;
        let index = &hub.channels.written;
        let at = index.node(node);
        self.step(1)?;
        if !walk.sought.may_be_below(at) {
            return Some(());
        }
        match segments {
            [">"] => self.walk_all(node, walk),
            // It has the channels with more segments, too.
            _ if at.is_deepest() => self.visit_matching(node, walk),
            ["*"] => self.visit_channels(node, walk),
            ["*", rest @ ..] => {
                for below in index.below(node) {
                    if index.node(below).newest <= walk.sought.after() {
                        break;
                    }
                    self.walk(below, rest, walk)?;
                }
                Some(())
            }
            [segment] => {
                let name = [&at.prefix, *segment].concat();
                let channel = hub.channels.find(&name).filter(|it| index.has(*it));
                channel.map_or(Some(()), |it| self.visit(it, walk))
            }
            [segment, rest @ ..] => {
                let prefix = [&at.prefix, *segment, ":"].concat();
                index.find(&prefix).map_or(Some(()), |below| self.walk(below, rest, walk))
            }
            [] => Some(()),
        }
    }

    fn walk_all(&mut self, node: u32, walk: &mut Walk) -> Option<()> {
        self.visit_channels(node, walk)?;
        let index = &self.hub.channels.written;
        for below in index.below(node) {
            let at = index.node(below);
            if at.newest <= walk.sought.after() {
                break;
            }
            self.step(1)?;
            if walk.sought.may_be_below(at) {
                self.walk_all(below, walk)?;
            }
        }
        Some(())
    }

    fn visit_channels(&mut self, node: u32, walk: &mut Walk) -> Option<()> {
        let channels = &self.hub.channels;
        for channel in channels.written.channels(node) {
            if channels.record(channel).past.last <= walk.sought.after() {
                break;
            }
            self.visit(channel, walk)?;
        }
        Some(())
    }

    /// Visits the channels of a deepest node. Those that the pattern does not match are not counted.
    fn visit_matching(&mut self, node: u32, walk: &mut Walk) -> Option<()> {
        let channels = &self.hub.channels;
        for channel in channels.written.channels(node) {
            let record = channels.record(channel);
            if record.past.last <= walk.sought.after() {
                break;
            }
            self.covers.clear();
            let nodes = self.tree.matching(&record.name, &mut self.covers);
            self.step(nodes)?;
            match self.covers.iter().any(|it| *it as usize == walk.slot) {
                true => self.visit(channel, walk)?,
                false => self.step(1)?,
            }
        }
        Some(())
    }

    fn visit(&mut self, channel: u32, walk: &mut Walk) -> Option<()> {
        self.step(1)?;
        if walk.sought.is(self.hub.channels.record(channel)) {
            walk.found.push(channel);
        }
        (walk.found.len() < walk.most).then_some(())
    }

    /// The channels with a tombstone in which something may be owed. A pattern is `unsearched` if this
    /// takes too many steps, or finds the most that are wanted.
    fn buried(
        &mut self,
        queries: &[PatternQuery<'_>],
        (steps_max, most): (usize, usize),
        unsearched: &mut Vec<usize>,
    ) -> Vec<View> {
        self.left = steps_max;
        if let Some(views) = self.buried_by_time(queries, most, unsearched) {
            return views;
        }
        let mut views = Vec::new();
        for query in queries {
            self.left = steps_max / queries.len();
            match self.buried_by_name(query, most) {
                Some(more) => views.extend(more),
                None => unsearched.push(query.slot),
            }
        }
        views
    }

    fn buried_by_time(
        &mut self,
        queries: &[PatternQuery<'_>],
        most: usize,
        unsearched: &mut Vec<usize>,
    ) -> Option<Vec<View>> {
        let Some(after) = queries.iter().map(|it| it.buried_after).min() else {
            return Some(Vec::new());
        };
        let mut views: Vec<View> = Vec::new();
        // The number that each query may find before it has found the most.
        let mut rooms: Vec<(usize, usize)> = queries.iter().map(|it| (it.slot, most)).collect();
        for (name, past) in self.hub.channels.tombstones.after(after) {
            let Some(view) = self.look(name, None, past)? else { continue };
            let mut is_owed = false;
            for ((slot, room), query) in rooms.iter_mut().zip(queries) {
                let is_covered = view.covers.iter().any(|it| *it as usize == *slot);
                if is_covered && query.is_owed(past) {
                    (*room, is_owed) = (room.saturating_sub(1), true);
                }
            }
            views.extend(is_owed.then_some(view));
            if rooms.iter().all(|(_, room)| *room == 0) {
                break;
            }
        }
        unsearched.extend(rooms.iter().filter(|(_, room)| *room == 0).map(|(slot, _)| slot));
        Some(views)
    }

    fn buried_by_name(&mut self, query: &PatternQuery<'_>, most: usize) -> Option<Vec<View>> {
        let mut views = Vec::new();
        if query.buried_after >= self.hub.head {
            return Some(views);
        }
        let prefix = Some(query.prefix).filter(|it| !it.is_empty())?;
        let buried = self.hub.channels.tombstones.named_from(prefix);
        for (name, past) in buried.take_while(|(name, _)| name.starts_with(prefix)) {
            if query.is_owed(past) {
                views.extend(self.look(name, None, past)?);
            } else {
                self.step(1)?;
            }
            if views.len() >= most {
                return None;
            }
        }
        Some(views)
    }

    fn look_at(&mut self, channel: u32) -> Option<Option<View>> {
        let record = self.hub.channels.record(channel);
        self.look(&record.name, Some(channel), record.past)
    }

    /// Visits one channel. The outer `None` means that the search hit its limit, the inner one that
    /// no pattern matches, or that the channel is subscribed by name.
    fn look(&mut self, name: &Rc<str>, channel: Option<u32>, past: Past) -> Option<Option<View>> {
        self.covers.clear();
        let nodes = self.tree.matching(name, &mut self.covers);
        self.step(1 + nodes)?;
        if self.covers.is_empty() {
            return Some(None);
        }
        let known = channel.or_else(|| self.hub.channels.find(name));
        if known.is_some_and(|it| self.exact.binary_search(&it).is_ok()) {
            return Some(None);
        }
        let mut covers = std::mem::take(&mut self.covers);
        covers.sort_unstable();
        let settings = match channel {
            Some(channel) => self.hub.channels.settings_id(channel, &self.hub.config),
            None => self.hub.config.id_of(namespace(name)),
        };
        let name = Rc::clone(name);
        Some(Some(View { name, channel, settings, past, by_pattern: true, covers }))
    }

    fn step(&mut self, steps: usize) -> Option<()> {
        self.steps += steps as u64;
        self.left = self.left.checked_sub(steps)?;
        Some(())
    }
}

/// Each channel once: those with a record from the newest message on, then the others from the
/// oldest.
fn in_order(mut views: Vec<View>) -> Vec<View> {
    views.sort_by_key(|view| match view.channel {
        Some(_) => (0, Reverse(view.past.last.0)),
        None => (1, Reverse(u64::MAX - view.past.last.0)),
    });
    // No two channels share a newest message.
    views.dedup_by_key(|view| view.past.last);
    views
}
