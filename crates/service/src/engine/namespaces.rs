//! Rules by namespace: rights besides the grants, publishing reserved for API keys, and presence.

use sockeye_hub::Target;

/// Rules of access by namespace. The hub's settings say what a channel keeps; these say who may use
/// it.
///
/// ```
/// use sockeye_service::{Namespaces, Publishers, Readers, Rules};
///
/// let mut news = Rules::default();
/// (news.subscribe, news.publish) = (Readers::Anyone, Publishers::Keys);
/// let rules = Namespaces { rules: Rules::default(), named: vec![("news".to_owned(), news)] };
/// # let _ = rules;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// For namespaces that are not named below.
    pub rules: Rules,
    /// Namespaces with rules of their own; of two with the same name the first counts.
    pub named: Vec<(String, Rules)>,
}

/// The rules of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rules {
    /// The clients that may receive: subscribe, poll, read history, position and presence.
    pub subscribe: Readers,
    /// The clients that may publish, and close channels.
    pub publish: Publishers,
    /// The grace time of presence, in milliseconds: how long a user remains a member after their
    /// last stream has closed. `None`: the namespace has no presence.
    pub presence_ms: Option<u64>,
    /// Whether event streams and answers about its channels may be compressed.
    pub compress: bool,
}

impl Default for Rules {
    /// Grants alone give rights, there is no presence, and everything may be compressed.
    fn default() -> Self {
        Self {
            subscribe: Readers::Granted,
            publish: Publishers::Granted,
            presence_ms: None,
            compress: true,
        }
    }
}

/// The clients that may receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Clients that were granted the channel.
    Granted,
    /// They, and every client with a good credential.
    Known,
    /// Everybody.
    Anyone,
}

/// The clients that may publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publishers {
    /// Clients that were granted the channel.
    Granted,
    /// They, and every client with a good credential.
    Known,
    /// Everybody.
    Anyone,
    /// API keys that were granted the channel. A token or a ticket that grants it does not count.
    Keys,
}

impl Namespaces {
    /// The rules of a namespace.
    pub fn of(&self, namespace: &str) -> &Rules {
        let named = self.named.iter().find(|(name, _)| name == namespace);
        named.map_or(&self.rules, |(_, rules)| rules)
    }

    /// The longest grace time of presence, in milliseconds.
    pub(crate) fn grace_ms_max(&self) -> u64 {
        let all = core::iter::once(&self.rules).chain(self.named.iter().map(|(_, rules)| rules));
        all.filter_map(|rules| rules.presence_ms).max().unwrap_or(0)
    }

    /// Whether a condition holds for the rules of every namespace that a target reaches into.
    pub(crate) fn all(&self, target: Target<'_>, is_so: impl Fn(&Rules) -> bool) -> bool {
        let namespace = match target {
            Target::Channel(channel) => Some(channel.namespace()),
            Target::Pattern(pattern) => pattern.namespace(),
        };
        match namespace {
            Some(namespace) => is_so(self.of(namespace)),
            // [service:rights-patterns] The first segment is a wildcard, so it reaches into every
            // namespace.
            None => is_so(&self.rules) && self.named.iter().all(|(_, rules)| is_so(rules)),
        }
    }

    /// Whether the two sets of rules differ in who may receive.
    pub(crate) fn give_others(&self, former: &Self) -> bool {
        let mut names = self.named.iter().chain(&former.named).map(|(name, _)| name);
        self.rules.subscribe != former.rules.subscribe
            || names.any(|name| self.of(name).subscribe != former.of(name).subscribe)
    }

    /// Whether a namespace that had presence has none now.
    pub(crate) fn end_presence(&self, former: &Self) -> bool {
        let ends =
            |now: &Rules, before: &Rules| before.presence_ms.is_some() && now.presence_ms.is_none();
        let mut names = self.named.iter().chain(&former.named).map(|(name, _)| name);
        ends(&self.rules, &former.rules) || names.any(|name| ends(self.of(name), former.of(name)))
    }

    /// Whether a rule gives any right to clients without a credential.
    pub(crate) fn give_to_anyone(&self) -> bool {
        let gives = |rules: &Rules| {
            rules.subscribe == Readers::Anyone || rules.publish == Publishers::Anyone
        };
        gives(&self.rules) || self.named.iter().any(|(_, rules)| gives(rules))
    }
}
