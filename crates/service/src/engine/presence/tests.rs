//! Rooms without a service around them.

use super::*;
use sockeye_hub::{Config, Epoch, Hub};

fn keys(count: usize) -> Vec<SubscriberKey> {
    let mut hub: Hub<()> = Hub::new(Epoch(1), Config::default());
    (0..count).map(|_| hub.connect().unwrap()).collect()
}

fn leave(presence: &mut Presence, key: SubscriberKey, grace_ms: u64, now: Time) {
    for place in presence.places.remove(&key).unwrap() {
        presence.leave(key, place, grace_ms, now);
    }
}

/// [service:presence-coalesced] Ten thousand who come one after the other, each told of the others.
#[test]
fn a_crowd_is_told_of_itself_at_a_rate() {
    const CROWD: u64 = 10_000;
    let limits = Limits::default();
    let mut presence = Presence::new(&limits);
    let keys = keys(10_000);
    let (mut told, mut now) = (0, Time::from_millis(0));
    // A thousand a second, and then nobody for a while.
    for at in 0..CROWD * 3 {
        now = Time::from_millis(at);
        if let Some(key) = usize::try_from(at).ok().and_then(|at| keys.get(at)) {
            presence.join(*key, "room", Some(&format!("user{at}")), Watch::Yes, now);
        }
        while let Some(telling) = presence.next(&limits, now, |_| ()) {
            told += presence.watchers_of(&telling, usize::MAX).len() as u64;
        }
    }
    assert_eq!(presence.turns.len(), 0, "all has been told");
    assert!((CROWD..=CROWD * 20).contains(&told), "{told}");
    assert_eq!(presence.state("room").users, CROWD);
    // They all go at once: one more event, to nobody.
    for key in keys {
        leave(&mut presence, key, 5, now);
    }
    assert!(presence.next(&limits, now + 60_000, |_| ()).is_none());
    // [service:presence-steps]
    let steps: Vec<usize> =
        core::iter::from_fn(|| Some(presence.expire(now + 5)).filter(|it| *it > 0)).collect();
    assert_eq!(steps, [STEP_CHANGES; 100], "a bounded number at once");
    assert_eq!(presence.held(), 0);
}

/// [service:presence-bounds]
#[test]
fn names_are_bounded() {
    let mut limits = Limits { presence_names_max: 2, ..Limits::default() };
    limits.presence.room_members_max = 3;
    let mut presence = Presence::new(&limits);
    let (keys, now) = (keys(6), Time::from_millis(0));
    presence.join(keys[0], "a", None, Watch::Yes, now);
    for (key, user) in keys[1..].iter().zip(["a", "b", "c", "d", "e"]) {
        presence.join(*key, "a", Some(user), Watch::No, now);
    }
    let state = presence.state("a");
    assert_eq!((state.users, state.streams), (3, 6), "two more without a name");
    assert!(presence.rooms["a"].news.anew && presence.rooms["a"].news.changed.is_empty());
    presence.all("a", |it| {
        assert_eq!((it.joined, it.more, it.fresh), (&["a", "b"][..], true, true));
    });
    for key in keys {
        leave(&mut presence, key, 0, now);
    }
    presence.expire(now);
    assert_eq!(presence.held(), 0);
}

/// [service:presence-coalesced] A thousand who watch many rooms in which nothing happens.
#[test]
fn a_room_rests_by_its_own_watchers() {
    let limits = Limits::default();
    let mut presence = Presence::new(&limits);
    let now = Time::from_millis(0);
    for key in keys(1_000) {
        for room in 0..100 {
            presence.join(key, &format!("crowd{room}"), None, Watch::Yes, now);
        }
    }
    let told = |presence: &mut Presence, now| {
        let mut told = 0;
        while let Some(telling) = presence.next(&limits, now, |_| ()) {
            told += presence.watchers_of(&telling, usize::MAX).len();
        }
        told
    };
    let mut now = Time::from_millis(60_000);
    while told(&mut presence, now) > 0_usize {
        now = now + 10_000;
    }
    let keys = keys(4);
    presence.join(keys[0], "small", None, Watch::Yes, now);
    presence.join(keys[1], "small", Some("ann"), Watch::No, now);
    assert_eq!(told(&mut presence, now), 1);
    presence.join(keys[2], "small", Some("bob"), Watch::No, now);
    assert_eq!((presence.deadline(), told(&mut presence, now)), (now + 1_000, 0));
    assert_eq!(told(&mut presence, now + 1_000), 1);
}

/// [service:presence-shares] Somebody comes and goes in all of them all the time.
#[test]
fn many_crowds_have_no_more_than_all_may_have_and_leave_turns_to_others() {
    let limits = Limits::default();
    let mut presence = Presence::new(&limits);
    let (crowd, one) = (keys(1_001), keys(1_002));
    for room in (0..100).map(|room| format!("crowd{room}")) {
        for key in &crowd[..1_000] {
            presence.join(*key, &room, None, Watch::Yes, Time::from_millis(0));
        }
    }
    presence.join(one[1_001], "small", None, Watch::Yes, Time::from_millis(0));
    let (mut told, mut small, mut crowds) = (0, 0, BTreeSet::new());
    for at in 0..60_000 {
        let now = Time::from_millis(at);
        for room in (0..100).map(|room| format!("crowd{room}")).chain(["small".to_owned()]) {
            let room: Arc<str> = room.into();
            presence.note(&room, None, now);
        }
        while let Some(telling) = presence.next(&limits, now, |_| ()) {
            let watchers = presence.watchers_of(&telling, usize::MAX);
            let room = telling.channel;
            told += watchers.len() as u64;
            small += u64::from(&*room == "small");
            crowds.insert(room);
        }
    }
    assert!((600_000..=612_000).contains(&told), "ten thousand a second: {told}");
    assert!((50..=61).contains(&small), "about each second: {small}");
    assert_eq!(crowds.len(), 101, "and nobody waits for ever");
}

/// [service:presence-polls]
#[test]
fn who_polls_again_in_time_stays_and_nobody_comes_by_it() {
    let mut presence = Presence::new(&Limits::default());
    let at = Time::from_millis;
    presence.renew("a", "ann", 100, at(0));
    assert_eq!(presence.held(), 0);
    let keys = keys(1);
    presence.join(keys[0], "a", Some("ann"), Watch::No, at(0));
    leave(&mut presence, keys[0], 100, at(0));
    presence.renew("a", "ann", 100, at(90));
    presence.renew("a", "bob", 100, at(90));
    presence.expire(at(189));
    assert_eq!(presence.state("a").users, 1);
    presence.expire(at(190));
    assert_eq!(presence.held(), 0);
}

#[test]
fn what_happens_between_two_events_is_told_by_how_it_ends() {
    let limits = Limits::default();
    let mut presence = Presence::new(&limits);
    let (keys, now) = (keys(3), Time::from_millis(0));
    presence.join(keys[0], "a", None, Watch::Yes, now);
    presence.join(keys[1], "a", Some("ann"), Watch::No, now);
    leave(&mut presence, keys[1], 0, now);
    presence.expire(now);
    presence.join(keys[2], "a", Some("bob"), Watch::No, now);
    let room = &presence.rooms["a"];
    let changed: Vec<(&str, bool)> =
        room.news.changed.iter().map(|(it, is)| (&**it, *is)).collect();
    assert_eq!(changed, [("ann", false), ("bob", true)]);
    assert!(presence.next(&limits, now, |_| ()).is_some());
    assert_eq!(presence.deadline(), Time::NEVER);
    // Not again before it has rested.
    leave(&mut presence, keys[2], 0, now + 1);
    presence.expire(now + 1);
    assert_eq!(presence.deadline(), now + 1_000);
    assert!(presence.next(&limits, now + 999, |_| ()).is_none());
    assert!(presence.next(&limits, now + 1_000, |_| ()).is_some());
}

/// [service:presence-steps] Another service has news of many channels: some at a time, and the channels take turns.
#[test]
fn news_of_other_services_is_heard_in_steps() {
    const CHANNELS: usize = 250;
    let registry: Arc<dyn Registry> = Arc::new(Mutex::new(Census::new(&Limits::default(), 2)));
    let mail: Arc<[AtomicBool]> = (0..2).map(|_| AtomicBool::new(false)).collect();
    let [mut here, mut there] = [0, 1].map(|me| {
        let mut presence = Presence::new(&Limits::default());
        let others = Others { wake: Arc::new(|_| ()), mail: Arc::clone(&mail) };
        presence.share(Arc::clone(&registry), me, others);
        presence
    });
    let (keys, now) = (keys(CHANNELS), Time::from_millis(0));
    for (number, key) in keys.iter().enumerate() {
        here.join(*key, &format!("room{number}"), None, Watch::Yes, now);
    }
    let mut come = |number: usize| {
        there.join(keys[number], &format!("room{number}"), Some("ann"), Watch::No, now);
    };
    (0..CHANNELS).for_each(&mut come);
    let heard = |here: &Presence, number: usize| {
        here.rooms[&*format!("room{number}")].news.changed.contains_key("ann")
    };
    let count = |here: &Presence| (0..CHANNELS).filter(|it| heard(here, *it)).count();
    assert_eq!((here.hear(now), count(&here)), (STEP_CHANGES, STEP_CHANGES));
    // News of the first channels again does not keep the others waiting.
    let first = (0..CHANNELS).find(|it| heard(&here, *it)).expect("one of them");
    come(first);
    assert_eq!((here.hear(now), count(&here)), (STEP_CHANGES, 2 * STEP_CHANGES));
    assert_eq!((here.hear(now), count(&here)), (51, CHANNELS));
    assert_eq!(here.hear(now), 0);
}
