//! In which channels a subscriber may be owed something.
//!
//! Channels that are subscribed by name are at hand. Those of patterns have to be searched for, in
//! what was written since the cursor or among the names that begin as the pattern does, and how
//! much is looked at for one pull is bounded: a client chooses its patterns and its cursor, and
//! all others wait meanwhile.

use std::cmp::Reverse;
use std::rc::Rc;

use crate::name::namespace;
use crate::patterns::Tree;
use crate::resume::View;
use crate::subscribers::{Link, Mode, State};
use crate::tombstones::Past;
use crate::{Hub, Seq};

/// What a search came to.
pub(crate) struct Found {
    pub(crate) views: Vec<View>,
    /// The subscriptions, all of patterns, of which not all channels could be looked at. What is
    /// found of only these is left out.
    pub(crate) cut: Vec<usize>,
    /// Channels and nodes of patterns that were looked at.
    pub(crate) steps: u64,
}

/// A pattern that may be owed something.
struct Seeker<'h> {
    slot: usize,
    /// What it begins with, up to its first wildcard.
    prefix: &'h str,
    /// It has had all up to here …
    after: Seq,
    /// … and of channels without a record all up to here.
    buried_after: Seq,
}

struct Search<'h, M> {
    hub: &'h Hub<M>,
    /// The subscriber's patterns by slot: a channel is matched once, not once for each of them.
    tree: Tree,
    /// Channels subscribed by name, in the order of their indices.
    exact: Vec<u32>,
    left: usize,
    steps: u64,
    covers: Vec<u32>,
}

impl<M> Hub<M> {
    /// The channels of a subscriber that have, or had, a message after its cursor.
    pub(crate) fn find(&self, index: u32) -> Found {
        let state = self.subscribers.at(index);
        let mut search = Search::new(self, state);
        let mut found = Found { views: search.by_subscription(state), cut: Vec::new(), steps: 0 };
        let seekers = self.seekers(state);
        if !seekers.is_empty() {
            search.left = self.config.limits.pattern_steps_max;
            match search.by_time(&seekers) {
                Some(views) => found.views.extend(views),
                None => search.by_names(&seekers, &mut found),
            }
        }
        found.steps = search.steps;
        let cursor = state.cursor(self.head);
        found.views.retain(|view| view.past.last.max(view.past.floor) > cursor);
        found
    }

    fn seekers<'h>(&'h self, state: &'h State) -> Vec<Seeker<'h>> {
        let cursor = state.cursor(self.head);
        let newest_drop = self.channels.tombstones.newest_drop();
        let all = state.subscriptions.iter().enumerate().filter_map(|(slot, it)| {
            let Link::Pattern(pattern) = it.link else { return None };
            let text = &**self.patterns.text(pattern);
            let wild = text.find(['*', '>']).unwrap_or(text.len());
            let after = it.wants.max(cursor);
            // [hub:lenient] It is not owed what was dropped before it came.
            let excused = it.mode != Mode::Exact && newest_drop < it.since;
            let buried_after = if excused { self.head } else { after };
            Some(Seeker { slot, prefix: &text[..wild], after, buried_after })
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
            let (settings, past) = (record.settings, record.past);
            let channel = Some(channel);
            views.push(View { name, channel, settings, past, by_pattern: false, covers });
        }
        views
    }

    /// All that was written since the first of them begins; `None` if that is too much.
    fn by_time(&mut self, seekers: &[Seeker<'_>]) -> Option<Vec<View>> {
        let channels = &self.hub.channels;
        let after = seekers.iter().map(|it| it.after).min()?;
        let buried_after = seekers.iter().map(|it| it.buried_after).min()?;
        let mut views = Vec::new();
        for (channel, record) in channels.written_after(after) {
            views.extend(self.look(&record.name, Some(channel), record.past)?);
        }
        for (name, past) in channels.tombstones.after(buried_after) {
            views.extend(self.look(name, None, past)?);
        }
        Some(views)
    }

    /// For each of them the names that begin as it does. Each has an equal part of the steps, so
    /// that a wide one takes nothing from a narrow one.
    fn by_names(&mut self, seekers: &[Seeker<'_>], found: &mut Found) {
        let mut views = Vec::new();
        for seeker in seekers {
            self.left = self.hub.config.limits.pattern_steps_max / seekers.len();
            match self.by_name(seeker) {
                Some(more) => views.extend(more),
                // [hub:bound-search]
                None => found.cut.push(seeker.slot),
            }
        }
        // In the order of a search by time. No two channels share a newest message.
        views.sort_by_key(|view| match view.channel {
            Some(_) => (0, Reverse(view.past.last.0)),
            None => (1, Reverse(u64::MAX - view.past.last.0)),
        });
        views.dedup_by_key(|view| view.past.last);
        found.views.extend(views);
    }

    fn by_name(&mut self, seeker: &Seeker<'_>) -> Option<Vec<View>> {
        let channels = &self.hub.channels;
        let prefix = Some(seeker.prefix).filter(|it| !it.is_empty())?;
        let mut views = Vec::new();
        let begins = |name: &str| name.starts_with(prefix);
        for (name, channel) in channels.named_from(prefix).take_while(|(name, _)| begins(name)) {
            let past = channels.record(channel).past;
            if channels.is_written(channel) && past.last > seeker.after {
                views.extend(self.look(name, Some(channel), past)?);
            } else {
                self.step(1)?;
            }
        }
        if seeker.buried_after >= self.hub.head {
            return Some(views);
        }
        let buried = channels.tombstones.named_from(prefix);
        for (name, past) in buried.take_while(|(name, _)| begins(name)) {
            if past.last > seeker.buried_after {
                views.extend(self.look(name, None, past)?);
            } else {
                self.step(1)?;
            }
        }
        Some(views)
    }

    /// Looks at one channel; `None` if the search ends here, nothing inside if no pattern matches.
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
            Some(channel) => self.hub.channels.record(channel).settings,
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
