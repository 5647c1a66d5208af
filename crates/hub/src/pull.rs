//! Catching up: the messages that a subscriber pulls, and the gaps that are declared to it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::rc::Rc;

use crate::resume::{Verdict, View};
use crate::search::{Extent, Found};
use crate::subscribers::{Link, ReadPosition, Tally};
use crate::tombstones::Past;
use crate::{Budget, Gap, Hub, Item, Progress, Reason, Scope, Seq, Span, Subscriber, Sync};

impl<M> Subscriber<'_, M> {
    /// Appends the owed messages and gaps to `out`, as far as the budget reaches: messages of all
    /// channels in the order of the log, and each gap before the messages that follow it.
    ///
    /// Call it after subscribing, and whenever a stream that is behind has room again.
    ///
    /// # Costs
    /// A binary search in each of the subscriber's channels. Then, for each message, the logarithm
    /// of the number of channels. Patterns add the steps of a search: at most three times
    /// [`Limits::pattern_list_max`](crate::Limits::pattern_list_max) and four times
    /// [`Limits::pattern_steps_max`](crate::Limits::pattern_steps_max). [`Hub::searched`] counts
    /// them.
    pub fn pull(&mut self, budget: Budget, now_ms: u64, out: &mut Vec<Item<M>>) -> Progress {
        let Self { hub, index } = self;
        hub.advance_beside(now_ms);
        let state = hub.subscribers.at(*index);
        if state.position == ReadPosition::LIVE {
            return Progress::Live;
        }
        if let Some(fetch) = state.fetch() {
            return Progress::Fetch(fetch);
        }
        let Found { views, extent, unsearched, steps } = hub.find(*index);
        hub.stats.searched += steps;
        let verdicts = hub.verdicts(*index, views);
        // [hub:overrun-gaps] Declared even to a subscriber that is to be closed: its cursor does
        // not cover these gaps.
        hub.declare_faults(*index, out);
        let Ok((mut verdicts, lack)) = verdicts else {
            hub.stats.overruns += 1;
            return Progress::Overrun(self.cursor());
        };
        if hub.has_archive
            && let Some(fetch) = hub.fetch(*index, lack, extent)
        {
            return Progress::Fetch(fetch);
        }
        hub.declare_horizons(*index, out);
        if hub.declare_unsearched(*index, &unsearched, out) {
            verdicts = hub.judge_again(*index, verdicts);
        }
        if hub.declare_pattern_gaps(*index, &verdicts, out) {
            verdicts = hub.judge_again(*index, verdicts);
        }
        hub.declare_gaps(*index, &mut verdicts, out);
        let more = match extent {
            // A pattern with one gap for all its channels is owed nothing.
            Extent::Gaps | Extent::Archived(_) if hub.has_queries(*index) => {
                hub.scan(*index, budget, out)
            }
            _ => hub.replay(*index, &verdicts, budget, out),
        };
        if more {
            return Progress::More;
        }
        out.push(Item::Sync(hub.finish_catch_up(*index)));
        Progress::Live
    }
}

impl<M> Hub<M> {
    /// Declares the gaps of invalid start cursors.
    fn declare_faults(&mut self, index: u32, out: &mut Vec<Item<M>>) {
        for slot in 0..self.subscribers.at(index).subscriptions.len() {
            let subscription = &mut self.subscribers.at_mut(index).subscriptions[slot];
            let (link, through) = (subscription.link, subscription.complete_after);
            if let Some(reason) = subscription.fault.take() {
                let missed = Span { after: Seq::ZERO, through };
                self.declare(index, out, self.gap(link, reason, missed));
            }
        }
    }

    /// Declares the gaps of patterns that may have missed channels below the horizon.
    fn declare_horizons(&mut self, index: u32, out: &mut Vec<Item<M>>) {
        for slot in 0..self.subscribers.at(index).subscriptions.len() {
            let state = self.subscribers.at(index);
            let subscription = &state.subscriptions[slot];
            let horizon = self.channels.tombstones.horizon().floor;
            let after = subscription.wanted_after.max(state.cursor(self.head));
            let (link, missed) = (subscription.link, Span { after, through: horizon });
            // [hub:horizon]
            if !self.has_archive && self.is_below_horizon(state, subscription) {
                self.declare(index, out, self.gap(link, Reason::Trimmed, missed));
                // Advance only here: a subscription that is exempt must still hear of later
                // evictions, which may be older than this horizon.
                self.subscribers.at_mut(index).subscriptions[slot].horizon_told = horizon;
            }
        }
    }

    /// Declares a gap up to the head for each pattern whose search hit the step limit. True if
    /// there are any.
    fn declare_unsearched(
        &mut self,
        index: u32,
        unsearched: &[usize],
        out: &mut Vec<Item<M>>,
    ) -> bool {
        for slot in unsearched {
            let state = self.subscribers.at(index);
            let subscription = &state.subscriptions[*slot];
            let after = subscription.wanted_after.max(state.cursor(self.head));
            let missed = Span { after, through: self.head };
            // [hub:bound-search]
            self.declare(index, out, self.gap(subscription.link, Reason::Limit, missed));
            self.subscribers.at_mut(index).subscriptions[*slot].wanted_after = self.head;
        }
        !unsearched.is_empty()
    }

    /// Judges again after a pattern's gap was declared. Less is owed now, so there are fewer gaps
    /// and no overrun.
    fn judge_again(&self, index: u32, verdicts: Vec<(View, Verdict)>) -> Vec<(View, Verdict)> {
        let views = verdicts.into_iter().map(|(view, _)| view).collect();
        self.verdicts(index, views).map(|(verdicts, _)| verdicts).unwrap_or_default()
    }

    /// Declares one gap up to the head for each pattern, instead of one for each channel that it
    /// matches, if too many channels have a gap. True if so.
    fn declare_pattern_gaps(
        &mut self,
        index: u32,
        verdicts: &[(View, Verdict)],
        out: &mut Vec<Item<M>>,
    ) -> bool {
        let state = self.subscribers.at(index);
        let gaps = verdicts.iter().filter(|(view, it)| view.by_pattern && it.gap.is_some());
        let is_new = |(view, _): &&(View, Verdict)| state.declared_gap(&view.name).is_none();
        // [hub:bound-told]
        let declared = state.declared_gaps() + gaps.clone().filter(is_new).count();
        if declared <= self.config.limits.pattern_gaps_max + state.subscriptions.len() {
            return false;
        }
        let after = state.cursor(self.head);
        let missed = Span { after, through: self.head };
        let has_gap: BTreeSet<usize> =
            gaps.flat_map(|(view, _)| view.covers.iter().map(|slot| *slot as usize)).collect();
        for slot in 0..state.subscriptions.len() {
            let link = self.subscribers.at(index).subscriptions[slot].link;
            if has_gap.contains(&slot) {
                self.declare(index, out, self.gap(link, Reason::Limit, missed));
                self.subscribers.at_mut(index).subscriptions[slot].wanted_after = self.head;
            }
        }
        true
    }

    fn declare_gaps(
        &mut self,
        index: u32,
        verdicts: &mut [(View, Verdict)],
        out: &mut Vec<Item<M>>,
    ) {
        for (view, verdict) in verdicts {
            let Some((reason, missed)) = verdict.gap else { continue };
            let ended = view.past.ended && missed.contains(view.past.last);
            let scope = Scope::Channel(Rc::clone(&view.name));
            self.declare(index, out, Gap { scope, reason, missed, ended });
            self.remember_gap(index, Rc::clone(&view.name), missed);
        }
    }

    pub(crate) fn gap(&self, link: Link, reason: Reason, missed: Span) -> Gap {
        let (scope, past) = match link {
            Link::Channel(channel) => {
                let record = self.channels.record(channel);
                (Scope::Channel(Rc::clone(&record.name)), record.past)
            }
            Link::Pattern(pattern) => {
                (Scope::Pattern(Rc::clone(self.patterns.text(pattern))), Past::default())
            }
        };
        let ended = past.ended && missed.contains(past.last);
        Gap { scope, reason, missed, ended }
    }

    pub(crate) fn declare(&mut self, index: u32, out: &mut Vec<Item<M>>, gap: Gap) {
        self.stats.count_gap(gap.reason);
        self.subscribers.at_mut(index).catch_up_mut().tally.gaps += 1;
        out.push(Item::Gap(gap));
    }

    /// Merges the histories in the order of the log, as far as the budget reaches. True if there is
    /// more.
    fn replay(
        &mut self,
        index: u32,
        verdicts: &[(View, Verdict)],
        budget: Budget,
        out: &mut Vec<Item<M>>,
    ) -> bool {
        let mut heads = BinaryHeap::new();
        let ring = |at: usize| {
            let (view, _): &(View, Verdict) = &verdicts[at];
            view.channel.map(|channel| &self.channels.record(channel).ring)
        };
        let next = |at: usize, from: usize| {
            let had = &verdicts[at].1.had;
            let mut entries = (from..).map_while(|it| Some((ring(at)?.entry(it)?.seq(), it)));
            entries.find(|(seq, _)| !had.iter().any(|span| span.contains(*seq)))
        };
        for (at, (_, verdict)) in verdicts.iter().enumerate() {
            let Some(ring) = ring(at) else { continue };
            let from = ring.index_after(verdict.from);
            heads.extend(next(at, from).map(|(seq, slot)| Reverse((seq, at, slot))));
        }
        let (mut messages, mut bytes) = (0, 0);
        let mut reached = None;
        while let Some(Reverse((seq, at, slot))) = heads.peek().copied() {
            let Some(entry) = ring(at).and_then(|ring| ring.entry(slot)) else { break };
            let spent = messages >= budget.messages || bytes + entry.bytes() > budget.bytes;
            if spent && messages > 0 {
                break;
            }
            heads.pop();
            heads.extend(next(at, slot + 1).map(|(seq, slot)| Reverse((seq, at, slot))));
            (messages, bytes) = (messages + 1, bytes + entry.bytes());
            reached = Some(seq);
            out.push(Item::Message(Rc::clone(entry)));
        }
        let more = !heads.is_empty();
        self.stats.replayed += messages as u64;
        let state = self.subscribers.at_mut(index);
        state.note_pulled(messages as u64);
        if let Some(reached) = reached {
            state.position = ReadPosition::behind(reached);
            if let Some(so_far) = state.catch_up() {
                so_far.declared.retain(|_, span| span.through > reached);
            }
        }
        more
    }

    fn finish_catch_up(&mut self, index: u32) -> Sync {
        let cursor = self.position();
        let state = self.subscribers.at_mut(index);
        let Tally { gaps, replayed, .. } = state.tally();
        let sync = Sync { cursor, gaps, replayed };
        state.become_live(cursor.seq);
        match sync.gaps {
            0 => self.stats.recovered += 1,
            _ => self.stats.recovered_with_gaps += 1,
        }
        sync
    }
}
