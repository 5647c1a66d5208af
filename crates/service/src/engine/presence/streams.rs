//! The streams of each user, as the nodes of a log tell each other: the bound on them holds for all nodes together.

use std::collections::HashMap;
use std::sync::Arc;

use sockeye_hub::presence::{Batch, Elsewhere, Limits as Bounds};

use super::Presence;
use crate::engine::access::{Account, Principal};
use crate::engine::{Dialect, Engine, Limits};

/// Where a batch has them: in the place of a channel's name. No channel has this one.
pub(super) const ALL: &str = "";

/// The streams of users.
#[derive(Debug)]
pub(super) struct Streams {
    /// [`ALL`].
    pub(super) all: Arc<str>,
    /// Those at this process. Never iterated.
    here: HashMap<Arc<str>, u32>,
    /// Those at the other nodes.
    pub(super) elsewhere: Elsewhere,
}

impl Streams {
    /// What a node says is bounded by the streams that this one may have.
    pub(super) fn new(limits: &Limits) -> Self {
        let mut bounds: Bounds = limits.presence.clone();
        (bounds.room_members_max, bounds.members_max) = (limits.streams_max, limits.streams_max);
        Self { all: ALL.into(), here: HashMap::new(), elsewhere: Elsewhere::new(bounds) }
    }

    /// Counts one more stream of a user.
    pub(super) fn open(&mut self, user: &Arc<str>) {
        *self.here.entry(Arc::clone(user)).or_default() += 1;
    }

    /// Counts one less.
    pub(super) fn close(&mut self, user: &str) {
        let Some(count) = self.here.get_mut(user) else { return };
        *count -= 1;
        if *count == 0 {
            self.here.remove(user);
        }
    }

    /// Those of a user at this process; `None` if there are none.
    pub(super) fn of(&self, user: &str) -> Option<u32> {
        self.here.get(user).copied()
    }

    /// Those of a user at the other nodes.
    pub(super) fn of_others(&self, user: &str) -> usize {
        let count = self.elsewhere.connections_of(ALL, user);
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// Takes what a node says. Nobody is told who has streams where.
    pub(super) fn hear(&mut self, node: u64, said: &Batch) {
        self.elsewhere.take(node, said, |_, _| false);
    }

    /// Forgets some of those whose node is gone, or has not said them again.
    pub(super) fn forget_some(&mut self, most: usize) {
        for _ in 0..most {
            if self.elsewhere.sweep(0, |_, _| false).is_none() {
                return;
            }
        }
    }

    /// How much is held of other nodes.
    pub(super) fn held(&self) -> usize {
        self.elsewhere.held()
    }
}

/// Parts a batch: the members of channels, and the streams of users.
pub(super) fn part(batch: &Batch) -> (Batch, Batch) {
    let (streams, rooms) = batch.rooms.iter().cloned().partition(|room| *room.room == *ALL);
    let Batch { begins, ends, .. } = *batch;
    (Batch { begins, ends, rooms }, Batch { begins, ends, rooms: streams })
}

impl Presence {
    fn count_stream(&mut self, user: &Arc<str>, is_open: bool) {
        self.change(|registry, me| registry.count_stream(user, is_open, me));
    }
}

impl<D: Dialect> Engine<D> {
    /// [service:bound-user] Counts a stream more or less of a principal's user, for the other nodes.
    pub(crate) fn count_for_nodes(&mut self, who: &Principal, is_open: bool) {
        if let Some(Account::User(user)) = who.holder() {
            self.presence.count_stream(&user, is_open);
        }
    }

    /// The streams that a principal's user has at other nodes.
    pub(crate) fn streams_elsewhere(&self, who: &Principal) -> usize {
        match who.holder() {
            Some(Account::User(user)) => self.presence.registry.streams_elsewhere(&user),
            Some(Account::Nameless(_) | Account::Address(_)) | None => 0,
        }
    }
}
