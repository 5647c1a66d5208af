//! Generational keys and the paged slab that hands them out.

/// Names one value in a [`Slab`] for as long as the value lives, and nothing afterwards.
///
/// The slot's index is reused, its generation is not: a readiness event, a timer or a stream
/// handle that outlived its connection finds nothing, and never another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    /// The slot's index: dense, reused, good for parallel tables.
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// Both halves in one number, the form in which a poller carries the key.
    pub const fn to_u64(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// The inverse of [`Key::to_u64`].
    pub const fn from_u64(bits: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the two halves of the number")]
        Self { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

/// Slots per page. A page is never moved, so growth copies nothing and touches one page.
const PAGE: usize = 64;

/// Values behind generational keys, in pages that never move.
///
/// Insertion, lookup and removal are O(1). Freed slots are reused last in, first out, so a busy
/// server keeps touching warm memory.
#[derive(Debug)]
pub struct Slab<T> {
    pages: Vec<Vec<Slot<T>>>,
    free: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Slab<T> {
    /// An empty slab; allocates nothing.
    pub const fn new() -> Self {
        Self { pages: Vec::new(), free: Vec::new(), len: 0 }
    }

    /// The number of values held.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no value is held.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of slots: those of all values, and some that are free.
    pub fn places(&self) -> usize {
        self.pages.last().map_or(0, |last| (self.pages.len() - 1) * PAGE + last.len())
    }

    /// Stores `value` and names it.
    ///
    /// # Panics
    /// When 2³² slots are in use.
    pub fn insert(&mut self, value: T) -> Key {
        self.len += 1;
        if let Some(index) = self.free.pop() {
            let slot = self.slot_mut(index).expect("a free index has a slot");
            slot.value = Some(value);
            return Key { index, generation: slot.generation };
        }
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        let page_number = self.pages.len() - 1;
        let page = &mut self.pages[page_number];
        let index = u32::try_from(page_number * PAGE + page.len()).expect("fewer than 2^32 slots");
        page.push(Slot { generation: 0, value: Some(value) });
        Key { index, generation: 0 }
    }

    /// The value named `key`, or `None` if it is gone.
    #[inline]
    pub fn get(&self, key: Key) -> Option<&T> {
        let slot = self.pages.get(key.index() / PAGE)?.get(key.index() % PAGE)?;
        if slot.generation == key.generation { slot.value.as_ref() } else { None }
    }

    /// The value named `key`, mutably, or `None` if it is gone.
    #[inline]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slot_mut(key.index)?;
        if slot.generation == key.generation { slot.value.as_mut() } else { None }
    }

    /// The value in the slot `index`, with its key. The caller must tell by other means that this is the
    /// value it wants: a slot is reused.
    #[inline]
    pub fn at(&self, index: usize) -> Option<(Key, &T)> {
        let slot = self.pages.get(index / PAGE)?.get(index % PAGE)?;
        #[expect(clippy::cast_possible_truncation, reason = "insert keeps indices in u32")]
        let key = Key { index: index as u32, generation: slot.generation };
        slot.value.as_ref().map(|value| (key, value))
    }

    /// The value in the slot `index`, mutably, with its key: see [`at`](Self::at).
    #[inline]
    pub fn at_mut(&mut self, index: usize) -> Option<(Key, &mut T)> {
        let slot = self.pages.get_mut(index / PAGE)?.get_mut(index % PAGE)?;
        #[expect(clippy::cast_possible_truncation, reason = "insert keeps indices in u32")]
        let key = Key { index: index as u32, generation: slot.generation };
        slot.value.as_mut().map(|value| (key, value))
    }

    /// Takes the value named `key` out; the key names nothing from now on.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slot_mut(key.index)?;
        if slot.generation != key.generation {
            return None;
        }
        let value = slot.value.take()?;
        // A slot whose generations are used up is retired, so no key ever names two values.
        if slot.generation < u32::MAX {
            slot.generation += 1;
            self.free.push(key.index);
        }
        self.len -= 1;
        Some(value)
    }

    /// The keys of all values, in slot order.
    pub fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.iter().map(|(key, _)| key)
    }

    /// All values with their keys, in slot order.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> + '_ {
        self.pages.iter().flatten().enumerate().filter_map(|(index, slot)| {
            #[expect(clippy::cast_possible_truncation, reason = "insert keeps indices in u32")]
            let key = Key { index: index as u32, generation: slot.generation };
            slot.value.as_ref().map(|value| (key, value))
        })
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<T>> {
        let index = index as usize;
        self.pages.get_mut(index / PAGE)?.get_mut(index % PAGE)
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, PAGE, Slab};

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut slab = Slab::new();
        let old = slab.insert("old");
        assert_eq!(slab.remove(old), Some("old"));
        let new = slab.insert("new");
        assert_eq!(new.index(), old.index(), "the slot is reused");
        assert_eq!(slab.get(old), None);
        assert_eq!(slab.get_mut(old), None);
        assert_eq!(slab.remove(old), None);
        assert_eq!(slab.get(new), Some(&"new"));
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn a_slot_tells_its_key() {
        let mut slab = Slab::new();
        let old = slab.insert("old");
        slab.remove(old);
        assert_eq!(slab.at(0), None);
        assert_eq!(slab.at_mut(0), None);
        let new = slab.insert("new");
        assert_eq!(slab.at(new.index()), Some((new, &"new")));
        assert_eq!(slab.at_mut(new.index()), Some((new, &mut "new")));
        assert_eq!((slab.at(1), slab.at(PAGE)), (None, None));
    }

    #[test]
    fn pages_fill_and_are_reused() {
        let mut slab = Slab::new();
        let keys: Vec<Key> = (0..3 * PAGE).map(|n| slab.insert(n)).collect();
        assert!(keys.iter().enumerate().all(|(n, &key)| slab.get(key) == Some(&n)));
        for &key in &keys {
            assert!(slab.remove(key).is_some());
        }
        assert!(slab.is_empty());
        for n in 0..3 * PAGE {
            slab.insert(n);
        }
        assert_eq!(slab.pages.len(), 3, "no page beyond the ones there were");
        assert_eq!(slab.keys().count(), 3 * PAGE);
    }

    #[test]
    fn a_worn_out_slot_is_retired() {
        let mut slab = Slab::new();
        let key = slab.insert(1);
        slab.slot_mut(key.index).unwrap().generation = u32::MAX;
        let last = Key { generation: u32::MAX, ..key };
        assert_eq!(slab.remove(last), Some(1));
        assert_ne!(slab.insert(2).index(), last.index());
        assert_eq!(slab.get(last), None);
    }

    #[test]
    fn a_key_survives_the_poller() {
        let key = Key { index: 7, generation: 0xFFFF_0001 };
        assert_eq!(Key::from_u64(key.to_u64()), key);
    }
}
