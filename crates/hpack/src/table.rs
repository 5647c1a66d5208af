//! The dynamic table (§2.3.2, §4): a ring of bytes and a ring of entries.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::mem::size_of;
use core::ops::Range;

use crate::FIELD_OVERHEAD;

/// The entries and their bytes, oldest first. Both rings are empty vectors until a field is inserted,
/// and never have room for more than the table's bound.
#[derive(Debug)]
pub(crate) struct Table {
    /// The names and values, one behind the other.
    bytes: VecDeque<u8>,
    entries: VecDeque<Entry>,
    /// How many bytes were ever evicted, modulo 2³²: where `bytes` begins.
    evicted: u32,
    /// The sum of the entries' sizes, with 32 bytes each (§4.1).
    size: usize,
    /// The maximum in effect (§4.2).
    size_max: usize,
}

/// Where an entry lies, counted from the first byte that was ever inserted, modulo 2³².
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    name_len: u32,
    value_len: u32,
}

impl Table {
    pub(crate) const fn new(size_max: usize) -> Self {
        Self { bytes: VecDeque::new(), entries: VecDeque::new(), evicted: 0, size: 0, size_max }
    }

    pub(crate) const fn size_max(&self) -> usize {
        self.size_max
    }

    /// Returns the lengths of name and value of an entry. The newest is 0.
    pub(crate) fn lens(&self, index: usize) -> Option<(usize, usize)> {
        let entry = self.entry(index)?;
        Some((entry.name_len as usize, entry.value_len as usize))
    }

    /// Returns name and value of an entry. They lie in `scratch` if they go over the ring's end.
    pub(crate) fn field<'a>(
        &'a self,
        index: usize,
        scratch: &'a mut Vec<u8>,
    ) -> Option<(&'a [u8], &'a [u8])> {
        let entry = self.entry(index)?;
        let range =
            self.range(entry, (entry.name_len as usize).checked_add(entry.value_len as usize)?);
        let (first, second) = self.slices(range);
        let both = if second.is_empty() {
            first
        } else {
            scratch.clear();
            scratch.extend_from_slice(first);
            scratch.extend_from_slice(second);
            scratch
        };
        both.split_at_checked(entry.name_len as usize)
    }

    /// Appends the name of an entry.
    pub(crate) fn copy_name(&self, index: usize, out: &mut Vec<u8>) -> Option<()> {
        let entry = self.entry(index)?;
        let (first, second) = self.slices(self.range(entry, entry.name_len as usize));
        out.extend_from_slice(first);
        out.extend_from_slice(second);
        Some(())
    }

    /// Inserts a field, for which it evicts old ones.
    ///
    /// [hpack:2.3.2-duplicates] RFC 7541 §2.3.2: it may be there already.
    pub(crate) fn insert(&mut self, name: &[u8], value: &[u8]) {
        let sizes = (u32::try_from(name.len()), u32::try_from(value.len()));
        // [hpack:4.1-size] RFC 7541 §4.1: the lengths without Huffman's code, and 32.
        let size = name.len().saturating_add(value.len()).saturating_add(FIELD_OVERHEAD);
        // [hpack:4.4-evict] RFC 7541 §4.4: until the size is at most the maximum less the new size.
        self.evict_to(self.size_max.saturating_sub(size));
        // [hpack:4.4-too-large] RFC 7541 §4.4: an entry that is larger than the table empties it.
        let ((Ok(name_len), Ok(value_len)), true) = (sizes, size <= self.size_max) else {
            return;
        };
        let bytes_max = self.size_max.saturating_sub(FIELD_OVERHEAD);
        grow(&mut self.bytes, name.len().saturating_add(value.len()), bytes_max);
        grow(&mut self.entries, 1, self.size_max / FIELD_OVERHEAD);
        #[expect(clippy::cast_possible_truncation, reason = "a sequence modulo 2³²")]
        let start = self.evicted.wrapping_add(self.bytes.len() as u32);
        self.bytes.extend(name);
        self.bytes.extend(value);
        self.entries.push_back(Entry { start, name_len, value_len });
        self.size = self.size.saturating_add(size);
    }

    /// Sets the maximum, and evicts what is above it.
    pub(crate) fn resize(&mut self, size_max: usize) {
        self.size_max = size_max;
        // [hpack:4.3-evict] RFC 7541 §4.3: until the size is at most the new maximum.
        self.evict_to(size_max);
        self.bytes.shrink_to(size_max.saturating_sub(FIELD_OVERHEAD));
        self.entries.shrink_to(size_max / FIELD_OVERHEAD);
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let entries = self.entries.capacity().saturating_mul(size_of::<Entry>());
        self.bytes.capacity().saturating_add(entries)
    }

    /// Evicts the oldest entries until the size is at most `size`.
    fn evict_to(&mut self, size: usize) {
        while self.size > size {
            let Some(entry) = self.entries.pop_front() else { return };
            let len = entry.name_len.saturating_add(entry.value_len);
            self.bytes.drain(..(len as usize).min(self.bytes.len()));
            self.evicted = self.evicted.wrapping_add(len);
            self.size = self.size.saturating_sub((len as usize).saturating_add(FIELD_OVERHEAD));
        }
    }

    fn entry(&self, index: usize) -> Option<Entry> {
        let at = self.entries.len().checked_sub(index)?.checked_sub(1)?;
        self.entries.get(at).copied()
    }

    /// Returns where the first `len` bytes of an entry lie in the ring.
    fn range(&self, entry: Entry, len: usize) -> Range<usize> {
        let start = entry.start.wrapping_sub(self.evicted) as usize;
        start..start.saturating_add(len)
    }

    /// Returns a part of the ring. The second slice is empty unless the part goes over the end.
    fn slices(&self, range: Range<usize>) -> (&[u8], &[u8]) {
        let (first, second) = self.bytes.as_slices();
        match (range.start.checked_sub(first.len()), range.end.checked_sub(first.len())) {
            (None, None | Some(0)) => (first.get(range).unwrap_or_default(), &[]),
            (Some(start), Some(end)) => (second.get(start..end).unwrap_or_default(), &[]),
            (None, Some(end)) => (
                first.get(range.start..).unwrap_or_default(),
                second.get(..end).unwrap_or_default(),
            ),
            (Some(_), None) => (&[], &[]),
        }
    }
}

/// [hpack:memory-table] Makes room for `more` items. The capacity doubles, but only up to `items_max`.
fn grow<T>(ring: &mut VecDeque<T>, more: usize, items_max: usize) {
    let needed = ring.len().saturating_add(more);
    if needed > ring.capacity() {
        let capacity = ring.capacity().saturating_mul(2).min(items_max).max(needed);
        ring.reserve_exact(capacity.saturating_sub(ring.len()));
    }
}
