//! The users whose streams a walk over all sessions ends.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sockeye_hub::SubscriberKey;

/// Users that were disconnected, each with its sessions that came afterwards.
///
/// New disconnections may keep the walk from ever being over. So each user is forgotten after a full round of the walk:
/// by then the walk has visited all sessions from before the disconnection.
#[derive(Debug, Default)]
pub(crate) struct Disconnected {
    /// The disconnections of this round, and those of the round before.
    rounds: [Round; 2],
    /// Places that this round has visited.
    visits: usize,
}

#[derive(Debug, Default)]
struct Round {
    users: HashMap<Arc<str>, CameAfter>,
    /// All users were disconnected.
    everybody: Option<CameAfter>,
}

/// The sessions that came after a disconnection, which does not concern them.
type CameAfter = HashSet<SubscriberKey>;

impl Disconnected {
    /// Adds a user. Only sessions that come from now on stay.
    pub(crate) fn add(&mut self, user: Arc<str>) {
        self.rounds[0].users.insert(user, CameAfter::new());
    }

    /// Adds all users.
    pub(crate) fn add_everybody(&mut self) {
        self.rounds[0].everybody = Some(CameAfter::new());
    }

    /// Notes that a session of a user has come.
    pub(crate) fn note_arrival(&mut self, user: &str, key: SubscriberKey) {
        for round in &mut self.rounds {
            let these = [round.users.get_mut(user), round.everybody.as_mut()];
            these.into_iter().flatten().for_each(|it| _ = it.insert(key));
        }
    }

    /// Whether a user's session came before a disconnection of the user. [service:disconnect]
    pub(crate) fn concerns(&self, user: &str, key: SubscriberKey) -> bool {
        self.rounds.iter().filter_map(|it| it.users.get(user)).any(|it| !it.contains(&key))
    }

    /// Whether a user's session came before all users were disconnected.
    pub(crate) fn concerns_everybody(&self, key: SubscriberKey) -> bool {
        self.rounds.iter().filter_map(|it| it.everybody.as_ref()).any(|it| !it.contains(&key))
    }

    /// Notes that the walk visits one more of so many places. [service:disconnections-end]
    pub(crate) fn note_visit(&mut self, places: usize) {
        if self.visits >= places {
            self.visits = 0;
            self.rounds[1] = core::mem::take(&mut self.rounds[0]);
        }
        self.visits += 1;
    }

    /// The users and sessions that are kept.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let of_users = self.rounds.iter().flat_map(|it| it.users.values());
        let of_everybody = self.rounds.iter().filter_map(|it| it.everybody.as_ref());
        of_users.chain(of_everybody).map(|it| 1 + it.len()).sum()
    }
}
