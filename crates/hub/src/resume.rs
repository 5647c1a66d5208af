//! The resume rule: which messages a subscriber that is behind is owed, and which are missing.

use std::rc::Rc;

use crate::archive::Lack;
use crate::name::namespace;
use crate::spaces::SettingsId;
use crate::subscribers::{Link, Mode, Stage, State, Subscription};
use crate::tombstones::Past;
use crate::{Hub, OnGap, OnOverrun, Reason, Seq, Settings, Span};

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
}

/// The messages of one channel that a subscriber has had, and those that it is owed.
pub(crate) struct Plan {
    /// It is owed the messages after this …
    pub(crate) from: Seq,
    /// … except these.
    pub(crate) had: Vec<Span>,
    /// Messages after this that nobody has any more are missing.
    pub(crate) owed: Seq,
}

/// History has overrun a slow reader, which is to be closed.
pub(crate) struct Overrun;

impl<M> Hub<M> {
    /// Judges these channels, and drops those in which nothing is owed. With an archive, also says
    /// what memory lacks.
    pub(crate) fn verdicts(
        &self,
        index: u32,
        views: Vec<View>,
    ) -> Result<(Vec<(View, Verdict)>, Lack), Overrun> {
        let state = self.subscribers.at(index);
        if state.subscriptions.iter().any(|it| self.is_closed_by_horizon(state, it)) {
            return Err(Overrun);
        }
        let (mut verdicts, mut lack) = (Vec::new(), Lack::NONE);
        for view in views {
            if let Some(verdict) = self.judge(state, &view, &mut lack)? {
                verdicts.push((view, verdict));
            }
        }
        Ok((verdicts, lack))
    }

    /// What the subscriber has had of a channel, and what it is owed.
    pub(crate) fn plan(&self, state: &State, view: &View) -> Plan {
        let covers: Vec<&Subscription> = covers(state, view).collect();
        let Past { last, .. } = view.past;
        let had = spans(state, view, &covers, |it| it.had_after);
        let had_whole = spans(state, view, &covers, |it| it.complete_after);
        let wanted_after = covers.iter().map(|it| it.wanted_after).min().unwrap_or(self.head);
        let wanted_after = wanted_after.max(state.cursor(self.head));
        // Up to here a gap was declared already, and only the newest message is wanted.
        let newest_only = newest_only(&covers);
        let newest = if last == Seq::ZERO { newest_only } else { last.previous() };
        let owed = skip(&had_whole, wanted_after.max(newest_only));
        let from = skip(&had, wanted_after.max(newest_only.min(newest)));
        Plan { from, had, owed }
    }

    /// Applies the resume rule to one channel. `None` if nothing is owed.
    fn judge(
        &self,
        state: &State,
        view: &View,
        lack: &mut Lack,
    ) -> Result<Option<Verdict>, Overrun> {
        let Past { last, floor, .. } = view.past;
        let Plan { from, had, owed } = self.plan(state, view);
        if last <= from && floor <= owed {
            return Ok(None);
        }
        let mut verdict = Verdict { from, had, gap: None };
        // [hub:archive]
        if self.has_archive {
            let after = from.min(owed);
            lack.after = lack.after.min(after);
            if after < floor {
                lack.through = lack.through.max(floor);
            }
        // [hub:resume-complete] [hub:resume-trimmed]
        } else if owed < floor {
            let through = self.policy(state, view)?.map(|policy| match policy {
                // [hub:gap-policy]
                OnGap::Nothing => last.max(floor),
                OnGap::Tail => floor,
                OnGap::Latest => last.previous().max(floor),
            });
            verdict.gap = through.map(|through| (Reason::Trimmed, Span { after: owed, through }));
            verdict.from = from.max(through.unwrap_or_default());
        }
        Ok(Some(verdict))
    }

    /// The policy after a gap; `None` if no subscription is owed the dropped messages.
    fn policy(&self, state: &State, view: &View) -> Result<Option<OnGap>, Overrun> {
        let cursor = state.cursor(self.head);
        let settings = self.config.by_id(view.settings);
        let mut policy = None;
        for it in covers(state, view) {
            if it.wanted_after.max(cursor) >= view.past.floor || is_excused(it, view.past) {
                continue;
            }
            policy = Some(after_gap(it.stage, settings, policy)?);
        }
        Ok(policy)
    }

    /// Whether a pattern may have missed messages of folded channels.
    pub(crate) fn is_below_horizon(&self, state: &State, subscription: &Subscription) -> bool {
        let horizon = self.channels.tombstones.horizon();
        let seen =
            subscription.wanted_after.max(subscription.horizon_told).max(state.cursor(self.head));
        matches!(subscription.link, Link::Pattern(_))
            && seen < horizon.floor
            && (self.has_archive || !is_excused(subscription, horizon))
    }

    /// Whether a slow reader has to be closed because its pattern is below the horizon.
    fn is_closed_by_horizon(&self, state: &State, subscription: &Subscription) -> bool {
        let Link::Pattern(pattern) = subscription.link else { return false };
        if self.has_archive {
            return false;
        }
        let namespace = namespace(self.patterns.text(pattern));
        subscription.stage == Stage::Steady
            && self.config.settings_of(namespace).on_overrun == OnOverrun::Close
            && self.is_below_horizon(state, subscription)
    }
}

/// The subscriptions that match a channel.
fn covers<'s>(state: &'s State, view: &View) -> impl Iterator<Item = &'s Subscription> {
    view.covers.iter().map(|slot| &state.subscriptions[*slot as usize])
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

/// The policy after a gap of one more subscription. `policy` is that of the subscriptions before it.
pub(crate) fn after_gap(
    stage: Stage,
    settings: &Settings,
    policy: Option<OnGap>,
) -> Result<OnGap, Overrun> {
    Ok(match (stage, settings.on_overrun) {
        (Stage::Fresh | Stage::Resuming, _) => policy.unwrap_or(settings.on_gap),
        // [hub:overrun-close]
        (Stage::Steady, OnOverrun::Close) => return Err(Overrun),
        (Stage::Steady, OnOverrun::Gap) => OnGap::Tail,
        (Stage::Steady, OnOverrun::Latest) => OnGap::Latest,
    })
}

/// Whether a subscription is not owed the dropped messages, because all of them were dropped before
/// it was added.
fn is_excused(subscription: &Subscription, past: Past) -> bool {
    // [hub:lenient]
    subscription.mode != Mode::Exact && past.dropped < subscription.added_at
}
