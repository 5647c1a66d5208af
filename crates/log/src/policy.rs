//! Retention: what the channels of each namespace keep, and what follows when there is no room.

use crate::{Error, Limits};

/// What the channels of a namespace keep on disk.
///
/// A message is kept until its channel exceeds any of the three bounds; then the oldest go. A
/// channel may have some more for a while, because the log drops several at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// Messages of a channel.
    pub keep_messages: u64,
    /// Bytes of a channel, by [`Record::kept_bytes`](crate::Record::kept_bytes).
    pub keep_bytes: u64,
    /// How long a message is kept.
    pub keep_ms: u64,
    /// How long an idempotency key is kept after the time of its message, whatever becomes of the
    /// message.
    pub key_ms: u64,
    /// The answer to a new message when the namespace has no room.
    pub when_full: WhenFull,
    /// Bytes that only this namespace may use. `None`: an equal part of a half of what no other
    /// namespace has reserved.
    pub share_bytes: Option<u64>,
}

impl Rule {
    /// No bound.
    pub const FOREVER: u64 = u64::MAX;
}

impl Default for Rule {
    /// Messages of a day, keys of five minutes; a full namespace refuses.
    fn default() -> Self {
        Self {
            keep_messages: Self::FOREVER,
            keep_bytes: Self::FOREVER,
            keep_ms: 24 * 3_600_000,
            key_ms: 300_000,
            when_full: WhenFull::Refuse,
            share_bytes: None,
        }
    }
}

/// The answer to a new message of a namespace that has no room on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// It is refused, before it gets a position.
    #[default]
    Refuse,
    /// The oldest messages of the namespace go.
    Trim,
}

/// The rules of all namespaces. A channel's namespace is the part of its name before the first `:`.
///
/// The namespaces share [`Limits::bytes_max`]: each has a reserved part, and all together a pool.
/// A namespace uses its reserved part first. Nothing of one namespace is dropped for another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The rule of namespaces that are not named. They share one part.
    pub rule: Rule,
    /// Namespaces with a rule of their own. The first of two with the same name counts.
    pub named: Vec<(String, Rule)>,
}

/// The reserved parts of the namespaces, and the pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// The first is that of the namespaces that are not named.
    pub(crate) reserved: Vec<u64>,
    pub(crate) pool: u64,
}

impl Policy {
    /// Checks that the reserved parts fit into the log.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), Error> {
        let asked = self.rules().filter_map(|rule| rule.share_bytes);
        let asked = asked.fold(0_u64, u64::saturating_add);
        if asked <= limits.bytes_max { Ok(()) } else { Err(Error::Limits) }
    }

    /// All rules, that of the namespaces without a name first.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Rule> {
        [&self.rule].into_iter().chain(self.named.iter().map(|(_, rule)| rule))
    }

    /// The rule of a channel.
    pub(crate) fn rule_of(&self, channel: &str) -> &Rule {
        let namespace = namespace(channel);
        let named = self.named.iter().find(|(name, _)| name == namespace);
        named.map_or(&self.rule, |(_, rule)| rule)
    }

    /// Divides `whole`: shares that are asked for first, then half of the rest in equal parts. The
    /// other half is the pool.
    pub(crate) fn parts(&self, whole: u64, asked: impl Fn(&Rule) -> Option<u64>) -> Parts {
        let taken = self.rules().filter_map(&asked).fold(0_u64, u64::saturating_add);
        let rest = whole.saturating_sub(taken);
        let others = self.rules().filter(|rule| asked(rule).is_none()).count() as u64;
        let part = (rest / 2).checked_div(others).unwrap_or(0);
        let reserved: Vec<u64> = self.rules().map(|rule| asked(rule).unwrap_or(part)).collect();
        let pool = rest.saturating_sub(part.saturating_mul(others));
        Parts { reserved, pool }
    }
}

pub(crate) fn namespace(channel: &str) -> &str {
    channel.split(':').next().unwrap_or(channel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_is_divided_and_half_is_for_all() {
        let share = |bytes| Rule { share_bytes: bytes, ..Rule::default() };
        let named = vec![("a".into(), share(Some(200))), ("b".into(), share(None))];
        let policy = Policy { rule: share(None), named };
        let parts = policy.parts(1_000, |rule| rule.share_bytes);
        assert_eq!(parts, Parts { reserved: vec![200, 200, 200], pool: 400 });
        assert_eq!(policy.rule_of("a:1"), &share(Some(200)));
        assert_eq!((policy.rule_of("b"), policy.rule_of("c:a")), (&share(None), &share(None)));
        let alone = Policy::default().parts(1_000, |rule| rule.share_bytes);
        assert_eq!((alone.reserved[0], alone.pool), (500, 500));
    }
}
