//! The configuration in force, and the place of each namespace in lists by namespace.

use core::ops::Deref;

use crate::{Config, Settings};

/// The place of a namespace in lists by namespace. Channels keep it instead of the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SettingsId(u32);

impl SettingsId {
    /// All namespaces without settings of their own.
    pub(crate) const REST: Self = Self(0);

    /// The index in lists by namespace.
    pub(crate) const fn slot(self) -> usize {
        self.0 as usize
    }

    fn of_slot(slot: usize) -> Self {
        Self(u32::try_from(slot).expect("an operator writes few namespaces"))
    }
}

/// The configuration in force. A namespace keeps its slot as long as it has settings of its own, so
/// that new settings move only the channels whose namespace has got such settings or lost them.
///
/// A namespace that has lost them keeps its slot until all that is filed there has moved.
#[derive(Debug)]
pub(crate) struct Spaces {
    config: Config,
    /// By slot, from the second on: the first one is for the rest.
    named: Vec<Space>,
}

/// A slot of a namespace.
#[derive(Debug)]
struct Space {
    /// `None` if the slot is free.
    name: Option<String>,
    /// The position of its settings in the configuration; `None` if it has lost them.
    at: Option<usize>,
    /// Things of this namespace may be filed in its slot, or in that of the rest.
    is_moving: bool,
}

impl Deref for Spaces {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.config
    }
}

impl Spaces {
    pub(crate) fn new(config: Config) -> Self {
        let mut spaces = Self { config: Config::default(), named: Vec::new() };
        spaces.replace(config);
        // Nothing is filed yet.
        spaces.settle();
        spaces
    }

    /// The configuration as it was given.
    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    /// Puts a configuration in force. True if a namespace has got settings of its own or lost them.
    pub(crate) fn replace(&mut self, config: Config) -> bool {
        let mut had: Vec<bool> = self.named.iter().map(|space| space.at.is_some()).collect();
        self.named.iter_mut().for_each(|space| space.at = None);
        for (at, (name, _)) in config.namespaces.iter().enumerate() {
            let slot = self.find(name).unwrap_or_else(|| self.add(name));
            // The first of two with the same name counts.
            self.named[slot].at.get_or_insert(at);
        }
        self.config = config;
        had.resize(self.named.len(), false);
        let mut is_other = false;
        for (space, had) in self.named.iter_mut().zip(had) {
            let is_moved = space.at.is_some() != had;
            space.is_moving |= is_moved;
            is_other |= is_moved;
        }
        is_other
    }

    /// Frees the slots of namespaces without settings of their own: nothing is filed there.
    pub(crate) fn settle(&mut self) {
        for space in &mut self.named {
            space.is_moving = false;
            if space.at.is_none() {
                space.name = None;
            }
        }
        let used = self.named.iter().rposition(|space| space.name.is_some());
        self.named.truncate(used.map_or(0, |last| last + 1));
    }

    /// The slots of namespaces that have got settings of their own or lost them since the last
    /// [`settle`](Self::settle), with their names.
    pub(crate) fn moving(&self) -> impl Iterator<Item = (SettingsId, &str)> {
        let moving = self.named.iter().enumerate().filter(|(_, space)| space.is_moving);
        moving.filter_map(|(slot, space)| {
            Some((SettingsId::of_slot(slot + 1), space.name.as_deref()?))
        })
    }

    /// Whether a slot has settings of its own.
    pub(crate) fn is_own(&self, id: SettingsId) -> bool {
        self.named_at(id).is_some_and(|space| space.at.is_some())
    }

    /// The slot of a namespace. It is a linear scan, once for each channel and subscription:
    /// operators configure few namespaces.
    pub(crate) fn id_of(&self, namespace: &str) -> SettingsId {
        self.filed(namespace)[0]
    }

    /// The slot of a namespace, and the other one in which things of it may be filed yet. Both are
    /// the same if nothing moves.
    pub(crate) fn filed(&self, namespace: &str) -> [SettingsId; 2] {
        let Some(slot) = self.find(namespace) else { return [SettingsId::REST; 2] };
        let (own, space) = (SettingsId::of_slot(slot + 1), &self.named[slot]);
        match (space.at.is_some(), space.is_moving) {
            (true, false) => [own; 2],
            (true, true) => [own, SettingsId::REST],
            (false, _) => [SettingsId::REST, own],
        }
    }

    pub(crate) fn by_id(&self, id: SettingsId) -> &Settings {
        let at = self.named_at(id).and_then(|space| space.at);
        at.map_or(&self.config.settings, |at| &self.config.namespaces[at].1)
    }

    /// The length of lists by namespace.
    pub(crate) fn slots(&self) -> usize {
        self.named.len() + 1
    }

    /// The namespaces with settings of their own, each with its slot.
    pub(crate) fn own(&self) -> impl Iterator<Item = (SettingsId, &str)> {
        let named = self.named.iter().enumerate().filter(|(_, space)| space.at.is_some());
        named.filter_map(|(slot, space)| {
            Some((SettingsId::of_slot(slot + 1), space.name.as_deref()?))
        })
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.named.iter().position(|space| space.name.as_deref() == Some(name))
    }

    fn add(&mut self, name: &str) -> usize {
        let space = Space { name: Some(name.to_owned()), at: None, is_moving: false };
        match self.named.iter().position(|space| space.name.is_none()) {
            Some(free) => {
                self.named[free] = space;
                free
            }
            None => {
                self.named.push(space);
                self.named.len() - 1
            }
        }
    }

    fn named_at(&self, id: SettingsId) -> Option<&Space> {
        self.named.get(id.slot().checked_sub(1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::{SettingsId, Spaces};
    use crate::{Config, Settings};

    fn config(names: &[&str]) -> Config {
        let named = names.iter().map(|name| ((*name).to_owned(), Settings::default())).collect();
        Config { namespaces: named, ..Config::default() }
    }

    #[test]
    fn a_namespace_keeps_its_slot_until_nothing_is_there() {
        let mut spaces = Spaces::new(config(&["a", "b", "a"]));
        let slot = |spaces: &Spaces, name| spaces.id_of(name).slot();
        assert_eq!((slot(&spaces, "a"), slot(&spaces, "b"), slot(&spaces, "c")), (1, 2, 0));
        assert!(!spaces.replace(config(&["b", "a"])), "only the order has changed");
        assert_eq!((slot(&spaces, "a"), slot(&spaces, "b"), spaces.slots()), (1, 2, 3));
        assert!(spaces.replace(config(&["c", "b"])));
        let [home, other] = spaces.filed("a");
        assert_eq!((home, other.slot()), (SettingsId::REST, 1));
        assert_eq!(spaces.filed("c").map(SettingsId::slot), [3, 0]);
        assert!(spaces.moving().map(|(id, name)| (id.slot(), name)).eq([(1, "a"), (3, "c")]));
        // It gets its settings back before all of it has moved.
        assert!(spaces.replace(config(&["a", "b", "c"])));
        assert_eq!(spaces.filed("a").map(SettingsId::slot), [1, 0]);
        assert!(spaces.replace(config(&["b"])));
        spaces.settle();
        assert_eq!((slot(&spaces, "b"), spaces.slots(), spaces.moving().count()), (2, 3, 0));
        assert!(spaces.replace(config(&["b", "d"])));
        assert_eq!((slot(&spaces, "d"), spaces.slots()), (1, 3), "a free slot is used again");
    }
}
