//! What a namespace gives to those who come, besides what they were granted.

use sockeye_hub::Target;

/// Rules by namespace. What a channel keeps is the hub's; this is who may do what with it.
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
    /// Who may receive: subscribe, poll, read history, position and presence.
    pub subscribe: Readers,
    /// Who may publish, and close channels.
    pub publish: Publishers,
    /// Whether it is kept who subscribes a channel, and for how long somebody whose last stream
    /// has gone is still there, in milliseconds. `None`: it is not kept.
    pub presence_ms: Option<u64>,
}

impl Default for Rules {
    /// What is granted and nothing else; nobody is counted.
    fn default() -> Self {
        Self { subscribe: Readers::Granted, publish: Publishers::Granted, presence_ms: None }
    }
}

/// Who may receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Whoever was granted the channel.
    Granted,
    /// They, and whoever has shown a credential that is good.
    Known,
    /// Everybody.
    Anyone,
}

/// Who may publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publishers {
    /// Whoever was granted the channel.
    Granted,
    /// They, and whoever has shown a credential that is good.
    Known,
    /// Everybody.
    Anyone,
    /// API keys that were granted the channel: a token or a ticket that grants it does not count.
    Keys,
}

impl Namespaces {
    /// The rules of a namespace.
    pub fn of(&self, namespace: &str) -> &Rules {
        let named = self.named.iter().find(|(name, _)| name == namespace);
        named.map_or(&self.rules, |(_, rules)| rules)
    }

    /// Whether all namespaces that a target reaches into have this said of them.
    pub(crate) fn all(&self, target: Target<'_>, is_so: impl Fn(&Rules) -> bool) -> bool {
        let namespace = match target {
            Target::Channel(channel) => Some(channel.namespace()),
            Target::Pattern(pattern) => pattern.namespace(),
        };
        match namespace {
            Some(namespace) => is_so(self.of(namespace)),
            // [service:rights-patterns] The first segment is a wildcard: every namespace there is.
            None => is_so(&self.rules) && self.named.iter().all(|(_, rules)| is_so(rules)),
        }
    }

    /// Whether others may receive by these than by the former.
    pub(crate) fn give_others(&self, former: &Self) -> bool {
        let mut names = self.named.iter().chain(&former.named).map(|(name, _)| name);
        self.rules.subscribe != former.rules.subscribe
            || names.any(|name| self.of(name).subscribe != former.of(name).subscribe)
    }

    /// Whether there is anything for those who show nothing.
    pub(crate) fn give_to_anyone(&self) -> bool {
        let gives = |rules: &Rules| {
            rules.subscribe == Readers::Anyone || rules.publish == Publishers::Anyone
        };
        gives(&self.rules) || self.named.iter().any(|(_, rules)| gives(rules))
    }
}
