//! Channels of which no message is known: how many subscriptions may create, by holder and by
//! namespace.

use super::{Channels, count};
use crate::members::Member;
use crate::share::share;
use crate::spaces::{SettingsId, Spaces};
use crate::{Holder, Refusal};

impl<M> Channels<M> {
    /// The number of records of which no message is known.
    pub(crate) fn bare(&self) -> usize {
        self.bare.iter().sum()
    }

    /// Whether no message of a record is known, from before it was created or since.
    pub(super) fn is_bare(&self, index: u32) -> bool {
        !self.record(index).past.is_known()
    }

    /// Whether a subscription of the holder may create a record in the namespace.
    ///
    /// Records without a message are at most half of all, so that publishers find room. One half of
    /// a holder's part of that is for any namespace, and each namespace has an equal part of the
    /// other half, which no other namespace takes.
    pub(crate) fn may_add_bare(
        &self,
        id: SettingsId,
        holder: Holder,
        config: &Spaces,
    ) -> Result<(), Refusal> {
        let most = config.limits.unwritten_per_holder_max;
        // [hub:quota-channels]
        if !self.holdings.has_room(holder, most) {
            return Err(Refusal::OwnChannels { most });
        }
        // [hub:bound-bare]
        let room = config.limits.channels_max.div_ceil(2);
        let room = holder.claim(self.holdings.held(holder), most, room).of(room);
        let part = share(room / 2, config);
        let all = config.own().map(|(id, _)| id).chain([SettingsId::REST]);
        let others = all.filter(|other| *other != id);
        let kept: usize =
            others.map(|other| part.saturating_sub(count(&self.bare, other.slot()))).sum();
        if self.bare() + kept < room { Ok(()) } else { Err(Refusal::Channels) }
    }

    /// Whether a subscription of the holder to a record that is there is within the holder's quota.
    pub(crate) fn may_join(
        &self,
        index: u32,
        holder: Holder,
        config: &Spaces,
    ) -> Result<(), Refusal> {
        let most = config.limits.unwritten_per_holder_max;
        let joins = !self.is_bare(index) || self.holdings.may_enter(index, holder, most);
        joins.then_some(()).ok_or(Refusal::OwnChannels { most })
    }

    /// The subscriptions by name of a record that may be gone.
    pub(crate) fn find_members(&self, index: u32) -> &[Member] {
        let record = self.records.get(index as usize).and_then(Option::as_ref);
        record.map_or(&[], |record| record.members.as_slice())
    }

    /// Counts a subscription, if it is to a record without a message.
    pub(crate) fn hold(&mut self, index: u32, holder: Holder) {
        if self.is_bare(index) {
            self.holdings.enter(index, holder);
        }
    }
}
