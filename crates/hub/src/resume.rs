//! The resume rule: which messages a subscriber that is behind is owed, and which are missing.

use std::rc::Rc;

use crate::config::SettingsId;
use crate::name::namespace;
use crate::ring::Ring;
use crate::subscribers::{Link, Mode, Stage, State, Subscription};
use crate::tombstones::Past;
use crate::{Hub, OnGap, OnOverrun, Reason, Seq, Span};

/// One channel in which the subscriber may be owed messages.
pub(crate) struct View {
    pub(crate) name: Rc<str>,
    /// The index of its record; `None` for a tombstone.
    pub(crate) channel: Option<u32>,
    pub(crate) settings: SettingsId,
    pub(crate) past: Past,
    /// Whether only patterns match it.
    pub(crate) by_pattern: bool,
    /// The subscriptions that match it, by slot, in ascending order.
    pub(crate) covers: Vec<u32>,
}

/// What a pull does about one channel.
pub(crate) struct Verdict {
    /// Deliver the messages after this …
    pub(crate) from: Seq,
    /// … except these.
    pub(crate) had: Vec<Span>,
    pub(crate) gap: Option<(Reason, Span)>,
    /// Messages and bytes that a new subscription is promised of this channel.
    pub(crate) promised: (usize, u64),
}

/// History has overrun a slow reader, which is to be closed.
pub(crate) struct Overrun;

/// How much this catch-up may still promise to new subscriptions.
#[derive(Clone, Copy)]
struct ReplayQuota {
    messages: usize,
    bytes: u64,
}

impl<M> Hub<M> {
    /// Judges these channels, and drops those in which nothing is owed.
    pub(crate) fn verdicts(
        &self,
        index: u32,
        views: Vec<View>,
    ) -> Result<Vec<(View, Verdict)>, Overrun> {
        let state = self.subscribers.at(index);
        if state.subscriptions.iter().any(|it| self.is_closed_by_horizon(state, it)) {
            return Err(Overrun);
        }
        let limits = &self.config.limits;
        let bytes_max = limits.replay_bytes_max as u64;
        let tally = state.tally();
        let mut room = ReplayQuota {
            messages: limits.replay_messages_max.saturating_sub(tally.promised_messages),
            bytes: bytes_max.saturating_sub(tally.promised_bytes),
        };
        let mut verdicts = Vec::new();
        for view in views {
            if let Some(verdict) = self.judge(state, &view, &mut room)? {
                verdicts.push((view, verdict));
            }
        }
        Ok(verdicts)
    }

    /// Applies the resume rule to one channel. `None` if nothing is owed.
    fn judge(
        &self,
        state: &State,
        view: &View,
        room: &mut ReplayQuota,
    ) -> Result<Option<Verdict>, Overrun> {
        let covers = view.covers.iter().map(|slot| &state.subscriptions[*slot as usize]);
        let covers: Vec<&Subscription> = covers.collect();
        let cursor = state.cursor(self.head);
        let Past { last, floor, .. } = view.past;
        let had = spans(state, view, &covers, |it| it.had_after);
        let had_whole = spans(state, view, &covers, |it| it.complete_after);
        let wanted_after =
            covers.iter().map(|it| it.wanted_after).min().unwrap_or(self.head).max(cursor);
        // Up to here a gap was declared already, and only the newest message is wanted.
        let newest_only = newest_only(&covers);
        let owed = skip(&had_whole, wanted_after.max(newest_only));
        let from = skip(&had, wanted_after.max(newest_only.min(last.previous())));
        if last <= from && floor <= owed {
            return Ok(None);
        }
        let mut verdict = Verdict { from, had, gap: None, promised: (0, 0) };
        // [hub:resume-complete] [hub:resume-trimmed]
        if owed < floor {
            let through = self.policy(&covers, view, cursor)?.map(|policy| match policy {
                // [hub:gap-policy]
                OnGap::Nothing => last.max(floor),
                OnGap::Tail => floor,
                OnGap::Latest => last.previous().max(floor),
            });
            verdict.gap = through.map(|through| (Reason::Trimmed, Span { after: owed, through }));
            verdict.from = from.max(through.unwrap_or_default());
        }
        if asks_for_more(&covers) {
            self.limit(view, owed, room, &mut verdict);
        }
        Ok(Some(verdict))
    }

    /// The policy after a gap; `None` if no subscription is owed the dropped messages.
    fn policy(
        &self,
        covers: &[&Subscription],
        view: &View,
        cursor: Seq,
    ) -> Result<Option<OnGap>, Overrun> {
        let settings = self.config.by_id(view.settings);
        let mut policy = None;
        for it in covers {
            if it.wanted_after.max(cursor) >= view.past.floor || is_excused(it, view.past) {
                continue;
            }
            policy = Some(match (it.stage, settings.on_overrun) {
                (Stage::Fresh | Stage::Resuming, _) => policy.unwrap_or(settings.on_gap),
                // [hub:overrun-close]
                (Stage::Steady, OnOverrun::Close) => return Err(Overrun),
                (Stage::Steady, OnOverrun::Gap) => OnGap::Tail,
                (Stage::Steady, OnOverrun::Latest) => OnGap::Latest,
            });
        }
        Ok(policy)
    }

    /// Bounds the replay of a new subscription by the resume's remaining quota.
    fn limit(&self, view: &View, owed: Seq, room: &mut ReplayQuota, verdict: &mut Verdict) {
        let Some(channel) = view.channel else { return };
        let ring = &self.channels.record(channel).ring;
        let first = ring.index_after(verdict.from);
        verdict.promised = promise(ring, first, &verdict.had);
        // [hub:replay-limit]
        if verdict.promised.0 > room.messages || verdict.promised.1 > room.bytes {
            let kept = match self.config.by_id(view.settings).on_gap {
                OnGap::Nothing => ring.len(),
                OnGap::Tail => ring.index_of_last(room.messages, room.bytes),
                OnGap::Latest => ring.len() - 1,
            };
            let skipped = kept.checked_sub(1).filter(|last| *last >= first);
            if let Some(through) = skipped.and_then(|at| ring.entry(at)).map(|entry| entry.seq()) {
                let reason = verdict.gap.map_or(Reason::Limit, |(reason, _)| reason);
                let after = owed.min(verdict.from);
                verdict.gap = Some((reason, Span { after, through }));
                verdict.from = through;
                verdict.promised = promise(ring, kept, &verdict.had);
            }
        }
        room.messages = room.messages.saturating_sub(verdict.promised.0);
        room.bytes = room.bytes.saturating_sub(verdict.promised.1);
    }

    /// Whether a pattern may have missed messages of folded channels.
    pub(crate) fn is_below_horizon(&self, state: &State, subscription: &Subscription) -> bool {
        let horizon = self.channels.tombstones.horizon();
        let seen =
            subscription.wanted_after.max(subscription.horizon_told).max(state.cursor(self.head));
        matches!(subscription.link, Link::Pattern(_))
            && seen < horizon.floor
            && !is_excused(subscription, horizon)
    }

    /// Whether a slow reader has to be closed because its pattern is below the horizon.
    fn is_closed_by_horizon(&self, state: &State, subscription: &Subscription) -> bool {
        let Link::Pattern(pattern) = subscription.link else { return false };
        let namespace = namespace(self.patterns.text(pattern));
        subscription.stage == Stage::Steady
            && self.config.settings_of(namespace).on_overrun == OnOverrun::Close
            && self.is_below_horizon(state, subscription)
    }
}

/// Whether a new subscription wants messages that the others were not promised.
fn asks_for_more(covers: &[&Subscription]) -> bool {
    let (fresh, others): (Vec<_>, Vec<_>) = covers.iter().partition(|it| it.stage == Stage::Fresh);
    let wants = |of: Vec<&&Subscription>| of.into_iter().map(|it| it.wanted_after).min();
    match (wants(fresh), wants(others)) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(fresh), Some(others)) => fresh < others,
    }
}

/// Messages and bytes from `first` on, without those that the subscriber has had.
fn promise<M>(ring: &Ring<M>, first: usize, had: &[Span]) -> (usize, u64) {
    let entries = || (first..ring.len()).filter_map(|at| ring.entry(at));
    if entries().next().is_some_and(|entry| had.iter().all(|it| it.through < entry.seq())) {
        return (ring.len() - first, ring.bytes_from(first));
    }
    let new = entries().filter(|entry| !had.iter().any(|span| span.contains(entry.seq())));
    new.fold((0, 0), |(count, bytes), entry| (count + 1, bytes + entry.bytes() as u64))
}

/// The parts of a channel that were delivered to the subscriber or declared missing. `beginning`
/// gives the begin of each subscription's part.
fn spans(
    state: &State,
    view: &View,
    covers: &[&Subscription],
    beginning: impl Fn(&Subscription) -> Seq,
) -> Vec<Span> {
    let spans = covers.iter().map(|it| Span { after: beginning(it), through: it.had_through });
    let declared = state.declared_gap(&view.name);
    spans.chain(declared).filter(|span| span.after < span.through).collect()
}

/// Moves `seq` forward over messages that the subscriber has: afterwards the message at `seq + 1`
/// is not in `had`.
fn skip(had: &[Span], mut seq: Seq) -> Seq {
    while let Some(span) = had.iter().find(|span| span.contains(seq.next())) {
        seq = span.through;
    }
    seq
}

/// The position up to which only the newest message is wanted.
fn newest_only(covers: &[&Subscription]) -> Seq {
    let limits = covers.iter().map(|it| match it.mode {
        Mode::Newest => it.complete_after,
        Mode::Exact | Mode::Lenient => Seq::ZERO,
    });
    limits.min().unwrap_or_default()
}

/// Whether a subscription is not owed the dropped messages, because all of them were dropped before
/// it was added.
fn is_excused(subscription: &Subscription, past: Past) -> bool {
    // [hub:lenient]
    subscription.mode != Mode::Exact && past.dropped < subscription.added_at
}
