//! The configuration of a game, and its totals.

use super::choices::Choices;
use crate::{Config, Entry, Limits, OnGap, OnOverrun, PatternUse, Settings};

/// The totals of games, which show that each case occurs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Messages in the log.
    pub committed: u64,
    /// Messages that live subscribers took.
    pub delivered: u64,
    /// Messages that were pulled.
    pub replayed: u64,
    /// Times a client caught up without a gap.
    pub recovered: u64,
    /// Times a client caught up with gaps.
    pub recovered_with_gaps: u64,
    /// Gaps by reason: epoch, ahead, trimmed, limit, unreadable.
    pub gaps: [u64; 5],
    /// Slow readers overrun.
    pub overruns: u64,
    /// Repeated keys.
    pub duplicates: u64,
    /// Refused publications.
    pub refused: u64,
    /// Failed appends.
    pub aborted: u64,
    /// Channels and messages evicted.
    pub evicted: [u64; 2],
}

impl Totals {
    /// Adds the totals of another game.
    pub fn add(&mut self, other: &Self) {
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
    let limits = Limits {
        subscriptions_max: 4,
        channels_max: of(&[100, 3, 5]),
        tombstones_max: of(&[100, 100, 2, 0]),
        ended_max: of(&[100, 1, 8]),
        patterns_max: of(&[100, 2]),
        history_bytes_max: of(&[1 << 20, 6 * entry]),
        pending_max: 4,
        keys_max: of(&[100, 2, 34]),
        replay_messages_max: of(&[1_000, 1_000, 3]),
        replay_bytes_max: of(&[1 << 20, 1 << 20, 4 * entry]),
        pattern_gaps_max: of(&[100, 0]),
        pattern_steps_max: of(&[1 << 20, 1 << 20, 12, 4]),
        ..Limits::default()
    };
    let mut settings = || Settings {
        history_messages_max: of(&[100, 3, 1, 0]),
        history_bytes_max: of(&[1 << 20, 1 << 20, 3 * entry]),
        history_ms: [u64::MAX, 100, 20][of(&[0, 1, 2])],
        message_bytes_max: 1_000,
        on_gap: [OnGap::Nothing, OnGap::Tail, OnGap::Latest][of(&[0, 1, 2])],
        on_overrun: [OnOverrun::Gap, OnOverrun::Close, OnOverrun::Latest][of(&[0, 1, 2])],
        patterns: PatternUse::Allowed,
        key_ms: [50, 20, u64::MAX][of(&[0, 1, 2])],
    };
    let namespaces = ["a", "b", "c"].map(|name| (name.to_owned(), settings()));
    Config { limits, settings: settings(), namespaces: namespaces.into() }
}
