//! Disconnections without streams.

use sockeye_hub::{Config, Epoch, Hub};

use super::*;

/// Sessions of a few users that come, go and are disconnected, beside a naive account of them.
struct World {
    judging: Judging,
    hub: Hub<()>,
    /// The sessions, each at its place.
    sessions: Vec<Option<Arrived>>,
    /// When each user was last disconnected.
    disconnected: Vec<u64>,
    now: u64,
    random: u64,
}

#[derive(Clone, Copy)]
struct Arrived {
    key: SubscriberKey,
    user: usize,
    at: u64,
}

impl World {
    fn new(seed: u64, users: usize) -> Self {
        Self {
            judging: Judging::default(),
            hub: Hub::new(Epoch(1), Config::default()),
            sessions: Vec::new(),
            disconnected: vec![0; users],
            now: 0,
            random: seed,
        }
    }

    /// A number below `n`.
    fn below(&mut self, n: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33) as usize % n
    }

    fn come(&mut self, user: usize) {
        self.now += 1;
        let key = self.hub.connect().expect("there is room");
        self.judging.disconnected.note_arrival(&name(user), key);
        let places = self.sessions.len().max(key.index() + 1);
        self.sessions.resize(places, None);
        self.sessions[key.index()] = Some(Arrived { key, user, at: self.now });
    }

    fn go(&mut self, place: usize) {
        let Some(session) = self.sessions.get_mut(place).and_then(Option::take) else { return };
        self.hub.subscriber(session.key).expect("it is connected").disconnect();
    }

    fn disconnect(&mut self, user: usize) {
        self.now += 1;
        self.judging.begin(self.sessions.len());
        self.judging.disconnected.add(name(user).into());
        self.disconnected[user] = self.now;
    }

    /// The walk visits a place.
    fn visit(&mut self) {
        let Some(place) = self.judging.next_of(self.sessions.len()) else { return };
        if let Some(session) = self.sessions[place]
            && self.judging.disconnected.concerns(&name(session.user), session.key)
        {
            self.go(place);
        }
        self.judging.end_step();
    }

    /// Only sessions from before a disconnection of their user are to go.
    fn check(&self) {
        for session in self.sessions.iter().flatten() {
            let is_to_go = self.judging.walk.is_ahead(session.key.index())
                && self.judging.disconnected.concerns(&name(session.user), session.key);
            assert_eq!(is_to_go, session.at < self.disconnected[session.user]);
        }
    }
}

fn name(user: usize) -> String {
    format!("user{user}")
}

/// [service:disconnect]
#[test]
fn sessions_from_before_a_disconnection_are_to_go_and_no_others() {
    for (seed, users) in (0..300).zip([1, 2, 3, 4].into_iter().cycle()) {
        let mut world = World::new(seed, users);
        for _ in 0..300 {
            let (what, user) = (world.below(12), world.below(world.disconnected.len()));
            match what {
                0..3 => world.come(user),
                3 => world.disconnect(user),
                4 => {
                    let place = world.below(world.sessions.len() + 1);
                    world.go(place);
                }
                _ => world.visit(),
            }
            world.check();
        }
    }
}

/// [service:disconnections-end] Disconnections that come all the time keep the walk from being over.
#[test]
fn users_are_forgotten_a_round_after_their_disconnection() {
    const PLACES: usize = 10;
    let mut world = World::new(1, 10_000);
    (0..PLACES).for_each(|user| world.come(user));
    for user in 0..9_000 {
        world.disconnect(user);
        world.visit();
        world.come(user + PLACES);
        world.check();
        let kept = world.judging.disconnected.len();
        assert!(kept <= 4 * (PLACES + 1), "{kept} users and sessions");
        assert!(!world.judging.walk.is_over());
    }
    while !world.judging.walk.is_over() {
        world.visit();
    }
    assert_eq!(world.judging.disconnected.len(), 0);
}

/// [service:disconnect]
#[test]
fn all_users_may_be_sent_away_while_some_are_disconnected() {
    let mut world = World::new(1, 3);
    world.come(0);
    world.judging.begin(1);
    world.judging.disconnected.add_everybody();
    world.come(1);
    let [first, second] = [0, 1].map(|place| world.sessions[place].expect("it is there").key);
    for _ in 0..3 {
        assert!(world.judging.disconnected.concerns_everybody(first));
        assert!(!world.judging.disconnected.concerns_everybody(second));
        world.disconnect(2);
    }
}
