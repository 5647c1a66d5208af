//! Presence: the members at one station, and what it knows of those at the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use sockeye_hub::presence::{Batch, Elsewhere, Limits, Report};
use sockeye_service::sequencing::{NodePresence, PresenceNews};
use sockeye_simnet::Random;

/// The bytes of a batch: a few members.
const BATCH_BYTES: usize = 60;

const ROOMS: [&str; 3] = ["a", "b", "c:d"];

const USERS: usize = 5;

/// A member of a room, or its connections without one.
pub(super) type Item = (Arc<str>, Option<Arc<str>>);

/// Connections, by member. One in the grace time has none.
pub(super) type View = BTreeMap<Item, u64>;

#[derive(Debug)]
pub(super) struct Members {
    here: BTreeMap<Item, u32>,
    report: Report,
    elsewhere: Elsewhere,
    heard: u64,
    /// The order under way.
    ticket: Option<u64>,
    /// What was heard.
    pub(super) heard_of: Heard,
}

/// How often something was heard.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heard {
    pub(super) said: u64,
    pub(super) gone: u64,
    pub(super) asked: u64,
}

impl Heard {
    pub(super) fn add(&mut self, one: Self) {
        self.said += one.said;
        self.gone += one.gone;
        self.asked += one.asked;
    }
}

impl Members {
    pub(super) fn new() -> Self {
        Self {
            here: BTreeMap::new(),
            report: Report::default(),
            elsewhere: Elsewhere::new(Limits::default()),
            heard: 0,
            ticket: None,
            heard_of: Heard::default(),
        }
    }

    /// A stream opens or closes, or a grace time is over.
    pub(super) fn change(&mut self, random: &mut Random) {
        let room: Arc<str> = ROOMS[random.below(ROOMS.len())].into();
        let user = random.below(USERS + 1);
        let user = (user < USERS).then(|| format!("u{user}").into());
        self.report.note(&room, user.as_ref());
        let item = (room, user);
        let is_nameless = item.1.is_none();
        match self.here.get_mut(&item) {
            Some(count) if random.one_in(3) => *count += 1,
            Some(count) if *count > 1 || (*count == 1 && !is_nameless) => *count -= 1,
            Some(_) => {
                self.here.remove(&item);
            }
            None => {
                self.here.insert(item, 1);
            }
        }
    }

    /// What the station tells next, with the number of its order.
    pub(super) fn tell(&mut self, ticket: u64) -> Option<Batch> {
        let here = &self.here;
        let nameless =
            |room: &str| here.get(&(Arc::from(room), None)).copied().map_or(0, u64::from);
        let member =
            |room: &str, user: &str| here.get(&(Arc::from(room), Some(Arc::from(user)))).copied();
        let batch = self.report.take(BATCH_BYTES, nameless, member)?;
        self.ticket = Some(ticket);
        Some(batch)
    }

    /// Takes the answer to an order; false if it is one to something else.
    pub(super) fn answer(&mut self, ticket: u64, is_told: bool) -> bool {
        if self.ticket != Some(ticket) {
            return false;
        }
        self.ticket = None;
        self.report.settle(is_told);
        true
    }

    pub(super) fn hear(&mut self, news: &PresenceNews) {
        assert_eq!(news.number, self.heard + 1, "news are numbered");
        self.heard = news.number;
        // Who is here makes no difference for the list.
        let nobody = |_: &str, _: &str| false;
        match &news.what {
            NodePresence::Said(node, batch) => {
                self.heard_of.said += 1;
                self.elsewhere.take(*node, batch, nobody);
            }
            NodePresence::Left(node) | NodePresence::Gone(node) => {
                self.heard_of.gone += 1;
                self.elsewhere.forget(*node, 0);
            }
            NodePresence::Repeat => {
                self.heard_of.asked += 1;
                self.report.repeat();
            }
        }
        while self.elsewhere.sweep(0, nobody).is_some() {}
    }

    /// Those who are here.
    pub(super) fn here(&self) -> View {
        self.here.iter().map(|(item, count)| (item.clone(), u64::from(*count))).collect()
    }

    /// Those who are anywhere, as this station knows.
    pub(super) fn view(&self) -> View {
        let mut view = self.here();
        for room in ROOMS {
            let mut named = 0;
            for (user, count) in self.elsewhere.list(room, None, usize::MAX) {
                *view.entry((room.into(), Some(user.into()))).or_default() += count;
                named += count;
            }
            let nameless = self.elsewhere.connections(room) - named;
            if nameless > 0 {
                *view.entry((room.into(), None)).or_default() += nameless;
            }
        }
        view
    }
}

/// All of several lists.
pub(super) fn union(views: impl Iterator<Item = View>) -> View {
    let mut all = View::new();
    for (item, count) in views.flatten() {
        *all.entry(item).or_default() += count;
    }
    all
}
