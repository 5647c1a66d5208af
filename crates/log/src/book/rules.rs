//! New rules for a book that is at work.
//!
//! The namespaces have them at once. A sweep over the channels, a few at a time, finds the namespace of
//! each, and whether it has too much. So nobody waits for all of them.

use super::space::Space;
use super::{Book, Channel};
use crate::policy::namespace;
use crate::{Limits, Policy};

impl Book {
    /// Changes the rules, and of the limits those of the whole log. [`sweep`](Self::sweep) does the
    /// rest.
    // [log:rules]
    pub(crate) fn reconfigure(&mut self, policy: &Policy, limits: &Limits) {
        self.limits = self.limits.with_totals(limits);
        let Limits { bytes_max, channels_max, .. } = self.limits;
        let bytes = policy.parts(bytes_max, |rule| rule.share_bytes);
        let channels = policy.parts(channels_max, |_| None);
        (self.byte_pool, self.channel_pool) = (bytes.pool, channels.pool);
        for space in &mut self.spaces {
            space.is_retired = true;
            (space.rule, space.part_bytes, space.part_channels) = (policy.rule, 0, 0);
        }
        self.order.clear();
        let names = core::iter::once(None).chain(policy.named.iter().map(|(it, _)| Some(&**it)));
        let parts = bytes.reserved.into_iter().zip(channels.reserved);
        for ((name, rule), parts) in names.zip(policy.rules()).zip(parts) {
            let slot = self.slot_for(name);
            let space = &mut self.spaces[slot];
            // The first of two with the same name counts.
            if space.is_retired {
                space.is_retired = false;
                (space.rule, (space.part_bytes, space.part_channels)) = (*rule, parts);
                self.order.push(slot);
            }
        }
        self.unswept = self.channels.len();
        if self.unswept == 0 {
            self.forget_retired();
        }
    }

    /// The slot of a namespace that the rules name: the one that it had, a free one, or a new one.
    fn slot_for(&mut self, name: Option<&str>) -> usize {
        let Some(name) = name else {
            if self.spaces.is_empty() {
                self.spaces.push(Space { is_retired: true, ..Space::default() });
            }
            return 0;
        };
        if let Some(slot) = self.slots.get(name) {
            return *slot;
        }
        let free = self.spaces.iter().skip(1).position(|it| it.name.is_none());
        let slot = free.map_or(self.spaces.len(), |at| at + 1);
        let space = Space { name: Some(name.into()), is_retired: true, ..Space::default() };
        match self.spaces.get_mut(slot) {
            Some(free) => *free = space,
            None => self.spaces.push(space),
        }
        self.slots.insert(name.into(), slot);
        slot
    }

    /// The slot of a channel's namespace.
    pub(super) fn slot_of(&self, channel: &str) -> usize {
        let slot = self.slots.get(namespace(channel)).copied().unwrap_or(0);
        if self.spaces[slot].is_retired { 0 } else { slot }
    }

    /// Whether channels are still to be looked at because the rules have changed.
    pub(crate) const fn is_sweeping(&self) -> bool {
        self.unswept > 0
    }

    /// Looks at so many channels because the rules have changed. It goes from the last place to the
    /// first one: a channel that moves meanwhile, because another is forgotten, is looked at twice, and
    /// none is left out.
    pub(crate) fn sweep(&mut self, max: usize) {
        self.unswept = self.unswept.min(self.channels.len());
        let end = self.unswept.saturating_sub(max);
        while self.unswept > end {
            self.unswept -= 1;
            self.look_at(self.unswept);
        }
        if self.unswept == 0 {
            self.forget_retired();
        }
    }

    /// Looks at one channel because the rules have changed, before it is its turn.
    pub(crate) fn look_at_early(&mut self, id: u32) {
        if self.is_sweeping()
            && let Some(at) = self.channels.place(id)
        {
            self.look_at(at);
        }
    }

    fn look_at(&mut self, at: usize) {
        let Channel { id, name, slot, figures } = self.channels.at(at);
        let now = self.slot_of(name);
        if now == slot {
            self.spaces[slot].relist(id, &figures);
            return;
        }
        self.spaces[slot].remove(id, &figures);
        self.spaces[now].add(id, &figures);
        self.channels.set_slot(at, now);
    }

    /// Frees the slots of namespaces that the rules do not name. They have no channels.
    fn forget_retired(&mut self) {
        for space in self.spaces.iter_mut().filter(|it| it.is_retired) {
            debug_assert_eq!(space.channels, 0, "all channels were looked at");
            if let Some(name) = core::mem::take(space).name {
                self.slots.remove(&name);
            }
            space.is_retired = true;
        }
    }
}
