//! The settings that change verdicts.

use minicbor::{Decode, Encode};
use sockeye_hub::{Config, Limits, Settings};

use crate::digest;

/// The settings that change verdicts. All nodes of a log have the same.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Rules {
    /// Idempotency keys that are remembered at a time.
    #[n(0)]
    pub keys_max: u64,
    /// The longest key.
    #[n(1)]
    pub key_bytes_max: u64,
    /// Channels that have ended.
    #[n(2)]
    pub ended_max: u64,
    /// Entries that are remembered: above that, offers are refused until some are forgotten.
    #[n(3)]
    pub remembered_max: u64,
    /// The rules of namespaces that are not named.
    #[n(4)]
    pub rest: SpaceRules,
    /// Namespaces with rules of their own.
    #[n(5)]
    pub namespaces: Vec<NamespaceRules>,
}

/// The rules of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SpaceRules {
    /// The cost of the largest message.
    #[n(0)]
    pub message_bytes_max: u64,
    /// How long a key is remembered.
    #[n(1)]
    pub key_ms: u64,
}

/// A namespace with rules of its own.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NamespaceRules {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// Its rules.
    #[n(1)]
    pub rules: SpaceRules,
}

impl Rules {
    /// The part of a hub's configuration that changes verdicts.
    pub fn of(config: &Config, remembered_max: u64) -> Self {
        let named = config.namespaces.iter();
        let named = named.map(|(name, settings)| NamespaceRules {
            name: name.clone(),
            rules: SpaceRules::of(settings),
        });
        let mut namespaces: Vec<_> = named.collect();
        // The first of two with the same name counts, and the order of others means nothing.
        namespaces.sort_by(|one, other| one.name.cmp(&other.name));
        namespaces.dedup_by(|one, other| one.name == other.name);
        Self {
            keys_max: config.limits.keys_max as u64,
            key_bytes_max: config.limits.key_bytes_max as u64,
            ended_max: config.limits.ended_max as u64,
            remembered_max,
            rest: SpaceRules::of(&config.settings),
            namespaces,
        }
    }

    /// The configuration of a hub that decides by these rules, and by nothing else: every verdict follows
    /// from the entries that it remembers, and not from when it read them.
    pub(crate) fn config(&self) -> Config {
        let mut limits = Limits::default();
        limits.keys_max = size(self.keys_max);
        limits.key_bytes_max = size(self.key_bytes_max);
        limits.ended_max = size(self.ended_max);
        // A channel takes an entry at least, and no more are remembered than `remembered_max`.
        limits.channels_max = usize::MAX / 4;
        limits.tombstones_max = usize::MAX / 4;
        // What is due goes at once, however much it is.
        limits.drops_per_call_max = usize::MAX / 4;
        let settings = |rules: &SpaceRules| {
            let mut settings = Settings::default();
            settings.message_bytes_max = size(rules.message_bytes_max);
            settings.key_ms = rules.key_ms;
            settings.history_messages_max = 0;
            settings
        };
        let namespaces = self.namespaces.iter();
        let namespaces = namespaces.map(|it| (it.name.clone(), settings(&it.rules)));
        Config { limits, settings: settings(&self.rest), namespaces: namespaces.collect() }
    }

    /// A number that tells other rules apart.
    pub fn digest(&self) -> u64 {
        digest::of(&minicbor::to_vec(self).expect("a vector takes everything"))
    }

    /// The first setting that differs, with its value here and there.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let mut pairs = vec![
            ("keys_max".into(), self.keys_max, other.keys_max),
            ("key_bytes_max".into(), self.key_bytes_max, other.key_bytes_max),
            ("ended_max".into(), self.ended_max, other.ended_max),
            ("remembered_max".into(), self.remembered_max, other.remembered_max),
        ];
        pairs.extend(self.rest.pairs(&other.rest, "").into_iter().flatten());
        for named in &self.namespaces {
            let Some(theirs) = other.namespaces.iter().find(|it| it.name == named.name) else {
                return Some(format!("namespace {} is here only", named.name));
            };
            pairs.extend(named.rules.pairs(&theirs.rules, &named.name).into_iter().flatten());
        }
        let is_known = |name| self.namespaces.iter().any(|it| it.name == name);
        if let Some(theirs) = other.namespaces.iter().find(|it| !is_known(it.name.clone())) {
            return Some(format!("namespace {} is there only", theirs.name));
        }
        let differs = pairs.into_iter().find(|(_, here, there)| here != there);
        differs.map(|(name, here, there)| format!("{name} is {here} here and {there} there"))
    }
}

impl SpaceRules {
    fn of(settings: &Settings) -> Self {
        Self { message_bytes_max: settings.message_bytes_max as u64, key_ms: settings.key_ms }
    }

    fn pairs(&self, other: &Self, namespace: &str) -> [Option<(String, u64, u64)>; 2] {
        let name = |setting: &str| match namespace {
            "" => setting.to_string(),
            _ => format!("{setting} of namespace {namespace}"),
        };
        [
            Some((name("message_bytes_max"), self.message_bytes_max, other.message_bytes_max)),
            Some((name("key_ms"), self.key_ms, other.key_ms)),
        ]
    }
}

/// A bound as this machine counts.
fn size(bound: u64) -> usize {
    usize::try_from(bound).unwrap_or(usize::MAX / 4)
}
