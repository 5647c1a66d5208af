//! The configuration of a game, and its totals.

use super::choices::Choices;
use sockeye_hub::{Config, Entry, Limits, OnGap, OnOverrun, PatternUse, Settings};

/// The totals of games, which show that each case occurs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Messages in the log.
    pub(crate) committed: u64,
    /// Messages that live subscribers took.
    pub(crate) delivered: u64,
    /// Messages that were pulled.
    pub(crate) replayed: u64,
    /// Times a client caught up without a gap.
    pub(crate) recovered: u64,
    /// Times a client caught up with gaps.
    pub(crate) recovered_with_gaps: u64,
    /// Gaps by reason: epoch, ahead, forked, trimmed, limit, unreadable.
    pub(crate) gaps: [u64; 6],
    /// Slow readers overrun.
    pub(crate) overruns: u64,
    /// Repeated keys.
    pub(crate) duplicates: u64,
    /// Refused publications.
    pub(crate) refused: u64,
    /// Failed appends.
    pub(crate) aborted: u64,
    /// Channels and messages evicted.
    pub(crate) evicted: [u64; 2],
    /// Pages of the archive that were taken.
    pub(crate) pages: u64,
    /// Messages that were delivered in bursts, or in fan-outs over several steps.
    pub(crate) in_fan_outs: u64,
    /// Looks at a client that a fan-out had still to come to.
    pub(crate) were_owed: u64,
}

impl Totals {
    /// Adds the totals of another game.
    pub(crate) fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.committed, other.committed),
            (&mut self.delivered, other.delivered),
            (&mut self.replayed, other.replayed),
            (&mut self.recovered, other.recovered),
            (&mut self.recovered_with_gaps, other.recovered_with_gaps),
            (&mut self.overruns, other.overruns),
            (&mut self.duplicates, other.duplicates),
            (&mut self.refused, other.refused),
            (&mut self.aborted, other.aborted),
            (&mut self.pages, other.pages),
            (&mut self.in_fan_outs, other.in_fan_outs),
            (&mut self.were_owed, other.were_owed),
        ];
        let gaps = self.gaps.iter_mut().zip(other.gaps);
        let evicted = self.evicted.iter_mut().zip(other.evicted);
        for (sum, more) in pairs.into_iter().chain(gaps).chain(evicted) {
            *sum += more;
        }
    }
}

pub(super) fn config(choices: &mut Choices<'_>, calm: bool) -> Config {
    let entry = Entry::<u64>::OVERHEAD_BYTES + 100;
    let mut of = |all: &[usize]| if calm { all[0] } else { choices.of(all) };
    let mut limits = Limits::default();
    limits.subscriptions_max = 4;
    limits.channels_max = of(&[100, 3, 5]);
    limits.tombstones_max = of(&[100, 100, 2, 0]);
    limits.ended_max = of(&[100, 1, 8]);
    limits.patterns_max = of(&[100, 2]);
    limits.history_bytes_max = of(&[1 << 20, 6 * entry]);
    limits.pending_max = 4;
    limits.keys_max = of(&[100, 2, 34]);
    limits.pattern_gaps_max = of(&[100, 0]);
    limits.pattern_steps_max = of(&[1 << 20, 1 << 20, 1 << 20, 100, 12, 4]);
    limits.pattern_list_max = of(&[1 << 20, 0, 1, 5, 12]);
    limits.fan_out_members_max = of(&[0, 0, 1, 100]);
    limits.fan_outs_max = of(&[100, 1, 3]);
    let mut settings = || {
        let mut settings = Settings::default();
        settings.history_messages_max = of(&[100, 3, 1, 0]);
        settings.history_bytes_max = of(&[1 << 20, 1 << 20, 3 * entry]);
        settings.history_ms = [u64::MAX, 100, 20][of(&[0, 1, 2])];
        settings.message_bytes_max = 1_000;
        settings.on_gap = [OnGap::Nothing, OnGap::Tail, OnGap::Latest][of(&[0, 1, 2])];
        settings.on_overrun = [OnOverrun::Gap, OnOverrun::Close, OnOverrun::Latest][of(&[0, 1, 2])];
        settings.patterns = PatternUse::Allowed;
        settings.key_ms = [50, 20, u64::MAX][of(&[0, 1, 2])];
        settings
    };
    let namespaces = ["a", "b", "c"].map(|name| (name.to_owned(), settings()));
    Config { limits, settings: settings(), namespaces: namespaces.into() }
}
