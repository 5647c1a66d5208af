//! The search for channels in which a subscriber is owed messages.
//!
//! A channel that is subscribed by name needs no search. The channels of patterns are searched by
//! time (those written since the cursor) or by name (those with the pattern's prefix). The steps of
//! one search are bounded, because clients choose patterns and cursors and the loop stands still
//! meanwhile.

use std::cmp::Reverse;
use std::rc::Rc;

use crate::name::namespace;
use crate::patterns::Tree;
use crate::resume::View;
use crate::subscribers::{Link, Mode, State};
use crate::tombstones::Past;
use crate::{Hub, Seq};

/// The result of a search.
pub(crate) struct Found {
    pub(crate) views: Vec<View>,
    /// Patterns whose search hit the step limit, by slot. `views` has no channel that only these
    /// match.
    pub(crate) unsearched: Vec<usize>,
    /// Channels and pattern nodes that were visited.
    pub(crate) steps: u64,
}

/// A pattern subscription that may be owed messages.
struct PatternQuery<'h> {
    slot: usize,
    /// Its text before the first wildcard.
    prefix: &'h str,
    /// It has had every message up to here …
    after: Seq,
    /// … and of channels without a record, every message up to here.
    buried_after: Seq,
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
        let mut found =
            Found { views: search.by_subscription(state), unsearched: Vec::new(), steps: 0 };
        let queries = self.queries(state);
        if !queries.is_empty() {
            search.left = self.config.limits.pattern_steps_max;
            match search.by_time(&queries) {
                Some(views) => found.views.extend(views),
                None => search.by_names(&queries, &mut found),
            }
        }
        found.steps = search.steps;
        let cursor = state.cursor(self.head);
        found.views.retain(|view| view.past.last.max(view.past.floor) > cursor);
        found
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
            let excused = it.mode != Mode::Exact && newest_drop < it.added_at && !self.has_archive;
            let buried_after = if excused { self.head } else { after };
            Some(PatternQuery { slot, prefix: &text[..wild], after, buried_after })
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

    /// The channels written since the earliest query's start; `None` if the search hits its limit.
    fn by_time(&mut self, queries: &[PatternQuery<'_>]) -> Option<Vec<View>> {
        let channels = &self.hub.channels;
        let after = queries.iter().map(|it| it.after).min()?;
        let buried_after = queries.iter().map(|it| it.buried_after).min()?;
        let mut views = Vec::new();
        for (channel, record) in channels.written_after(after) {
            views.extend(self.look(&record.name, Some(channel), record.past)?);
        }
        for (name, past) in channels.tombstones.after(buried_after) {
            views.extend(self.look(name, None, past)?);
        }
        Some(views)
    }

    /// The channels with each query's prefix. Each query has an equal part of the steps, so that a
    /// wide pattern takes none from a narrow one.
    fn by_names(&mut self, queries: &[PatternQuery<'_>], found: &mut Found) {
        let mut views = Vec::new();
        for query in queries {
            self.left = self.hub.config.limits.pattern_steps_max / queries.len();
            match self.by_name(query) {
                Some(more) => views.extend(more),
                // [hub:bound-search]
                None => found.unsearched.push(query.slot),
            }
        }
        // The order of a search by time. No two channels share a newest message.
        views.sort_by_key(|view| match view.channel {
            Some(_) => (0, Reverse(view.past.last.0)),
            None => (1, Reverse(u64::MAX - view.past.last.0)),
        });
        views.dedup_by_key(|view| view.past.last);
        found.views.extend(views);
    }

    fn by_name(&mut self, query: &PatternQuery<'_>) -> Option<Vec<View>> {
        let channels = &self.hub.channels;
        let prefix = Some(query.prefix).filter(|it| !it.is_empty())?;
        let mut views = Vec::new();
        let begins = |name: &str| name.starts_with(prefix);
        for (name, channel) in channels.named_from(prefix).take_while(|(name, _)| begins(name)) {
            let past = channels.record(channel).past;
            if channels.is_written(channel) && past.last > query.after {
                views.extend(self.look(name, Some(channel), past)?);
            } else {
                self.step(1)?;
            }
        }
        if query.buried_after >= self.hub.head {
            return Some(views);
        }
        let buried = channels.tombstones.named_from(prefix);
        for (name, past) in buried.take_while(|(name, _)| begins(name)) {
            if past.last > query.buried_after {
                views.extend(self.look(name, None, past)?);
            } else {
                self.step(1)?;
            }
        }
        Some(views)
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
