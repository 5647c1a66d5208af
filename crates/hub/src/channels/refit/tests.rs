//! Steps of new settings against a naive count, and against a hub that had them from the beginning.

use std::collections::{BTreeMap, BTreeSet};

use crate::channels::count;
use crate::name::namespace;
use crate::share::share;
use crate::{
    ChannelName, Config, Epoch, Flow, Hub, Kind, Limits, Publication, Settings, Start,
    SubscriberKey, Target,
};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Steps of a call.
const STEPS: usize = 3;

/// Names of channels: some have the name of a namespace alone, or begin with it.
fn channel(number: u32) -> String {
    let namespace = NAMES[number as usize % NAMES.len()];
    match number / 5 % 9 {
        0 => namespace.to_owned(),
        1 => format!("{namespace}-x"),
        2 => format!("{namespace}x:1"),
        rest => format!("{namespace}:{rest}"),
    }
}

struct Random(u32);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 12) % bound
    }

    /// Some namespaces in some order, at most three of them.
    fn namespaces(&mut self, settings: &Settings) -> Vec<(String, Settings)> {
        let count = self.below(4);
        (0..count).map(|_| (NAMES[self.below(5) as usize].to_owned(), settings.clone())).collect()
    }
}

/// A hub, and the subscribers of some of its channels.
struct Played {
    hub: Hub<&'static str>,
    subscribers: Vec<SubscriberKey>,
}

impl Played {
    fn new(config: Config) -> Self {
        Self { hub: Hub::new(Epoch(1), config), subscribers: Vec::new() }
    }

    /// Does one thing to the hub, which the numbers choose.
    fn play(&mut self, what: u32, number: u32, now_ms: u64) {
        let (text, key) = (channel(number), format!("k{}", number % 17));
        let name = ChannelName::new(&text).expect("a valid name");
        match what {
            0..=9 => {
                let kind = if what == 0 { Kind::End } else { Kind::Message };
                let key = (what < 5).then_some(key.as_str());
                let publication = Publication { kind, key, ..Publication::new(name, "m", 1) };
                let _ = self.hub.publish(publication, now_ms, |_, _| Flow::Taken);
            }
            10 | 11 => {
                let Ok(key) = self.hub.connect() else { return };
                let mut subscriber = self.hub.subscriber(key).expect("it is connected");
                let _ = subscriber.subscribe(Target::Channel(name), Start::Now, now_ms);
                self.subscribers.push(key);
            }
            12 if !self.subscribers.is_empty() => {
                let at = number as usize % self.subscribers.len();
                let key = self.subscribers.swap_remove(at);
                self.hub.subscriber(key).expect("it is connected").disconnect();
            }
            _ => self.hub.advance(now_ms),
        }
    }

    fn is_moving(&self) -> bool {
        self.hub.channels.is_refitting()
    }

    fn finish(&mut self, now_ms: u64) {
        self.hub.advance(now_ms);
        while self.hub.is_overdue() {
            self.hub.advance(now_ms);
        }
    }

    /// Counts everything anew, by slot, and compares.
    fn audit(&self) {
        let Hub { channels, config, keys, .. } = &self.hub;
        let mut counts = vec![[0; 4]; config.slots()];
        let mut lists = vec![[BTreeSet::new(), BTreeSet::new()]; config.slots()];
        for (index, record) in (0..).zip(&channels.records) {
            let Some(record) = record else { continue };
            let ends = record.ending || record.past.ended && channels.written.has(index);
            let bytes = usize::try_from(record.ring.bytes()).expect("it is small");
            let bare = usize::from(!record.past.is_known());
            let items = [1, bytes, bare, usize::from(ends)];
            let of_slot = counts[record.settings.slot()].iter_mut().zip(items);
            of_slot.for_each(|(count, items)| *count += items);
            let home = config.id_of(namespace(&record.name));
            assert_eq!(channels.settings_id(index, config), home);
            if !self.is_moving() {
                assert_eq!(record.settings, home, "{}", record.name);
            }
            let [idle, holding] = &mut lists[home.slot()];
            idle.extend(channels.idle.has(index).then_some(index));
            holding.extend((!record.ring.is_empty()).then_some(index));
        }
        for (slot, (counted, [idle, holding])) in counts.into_iter().zip(lists).enumerate() {
            let all = [&channels.held, &channels.held_bytes, &channels.bare, &channels.endings];
            assert_eq!(all.map(|it| count(it, slot)), counted, "slot {slot}");
            if !self.is_moving() {
                assert_eq!(channels.idle.newest_first_of(slot).collect::<BTreeSet<_>>(), idle);
                let held: BTreeSet<u32> = channels.holding.newest_first_of(slot).collect();
                assert_eq!(held, holding, "slot {slot}");
            }
        }
        channels.tombstones.audit(config, self.is_moving());
        keys.audit();
    }

    /// The holdings of each namespace: records, bytes, records without a message, ends, tombstones, keys.
    fn parts(&self) -> BTreeMap<String, [usize; 6]> {
        let Hub { channels, config, keys, .. } = &self.hub;
        let own = config.own().map(|(id, name)| (id, name.to_owned()));
        let rest = (crate::spaces::SettingsId::REST, "other".to_owned());
        let part = |id: crate::spaces::SettingsId, name: &str| {
            let all = [&channels.held, &channels.held_bytes, &channels.bare];
            let [held, bytes, bare] = all.map(|it| count(it, id.slot()));
            let ends = channels.endings_of(id.slot());
            // A channel in use has a tombstone or not: that depends on when its messages expired.
            let is_buried =
                |name: &str| config.id_of(namespace(name)) == id && channels.find(name).is_none();
            let names = channels.tombstones.named_from("").map(|(name, _)| name);
            let buried = names.filter(|name| is_buried(name)).count();
            [held, bytes, bare, ends, buried, keys.of_space(name, config)]
        };
        own.chain([rest]).map(|(id, name)| (name.clone(), part(id, &name))).collect()
    }
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    (settings.history_messages_max, settings.history_ms) = (3, 50);
    // A key that is dropped a call later would refuse a message.
    settings.key_ms = 1_000_000;
    settings
}

fn limits(drops: usize) -> Limits {
    Limits { drops_per_call_max: drops, ..Limits::default() }
}

/// [hub:reconfigure]
#[test]
fn after_the_steps_all_is_as_if_the_settings_had_always_been() {
    let mut moved = 0;
    for seed in 0..300 {
        let mut random = Random(seed);
        let last = random.namespaces(&settings());
        let config =
            |namespaces, drops| Config { limits: limits(drops), settings: settings(), namespaces };
        let mut changing = Played::new(config(random.namespaces(&settings()), STEPS));
        let mut from_the_beginning = Played::new(config(last.clone(), 100_000));
        let mut now_ms = 0;
        for step in 0..200 {
            let (what, number) = (random.below(15), random.below(45));
            now_ms += u64::from(random.below(3));
            if random.below(12) == 0 && step < 190 {
                let namespaces = random.namespaces(&settings());
                changing.hub.reconfigure(config(namespaces, STEPS), now_ms);
            }
            if step == 195 {
                changing.hub.reconfigure(config(last.clone(), STEPS), now_ms);
            }
            moved += usize::from(changing.is_moving());
            changing.play(what, number, now_ms);
            changing.audit();
            from_the_beginning.play(what, number, now_ms);
        }
        for played in [&mut changing, &mut from_the_beginning] {
            played.finish(now_ms);
            // Records that have expired while they were in use go in the steps of any new settings.
            played.hub.reconfigure(config(last.clone(), 1_000), now_ms);
            played.finish(now_ms);
            played.audit();
        }
        assert_eq!(changing.parts(), from_the_beginning.parts(), "seed {seed}");
        let free = changing.hub.config.slots() - 1;
        assert!(
            free <= 6 && changing.hub.config.moving().count() == 0,
            "seed {seed}: {free} slots"
        );
    }
    assert!(moved > 10_000, "most of it happens while something moves: {moved}");
}

/// [hub:reconfigure] [hub:shares]
#[test]
fn bounds_hold_while_channels_move() {
    for seed in 0..300 {
        let mut random = Random(seed);
        let mut small = limits(STEPS);
        (small.channels_max, small.tombstones_max, small.ended_max) = (12, 10, 8);
        (small.history_bytes_max, small.keys_max) = (1_000, 12);
        let mut played = Played::new(Config {
            limits: small.clone(),
            settings: settings(),
            namespaces: Vec::new(),
        });
        let mut now_ms = 0;
        for _ in 0..300 {
            let (what, number) = (random.below(15), random.below(45));
            now_ms += u64::from(random.below(3));
            if random.below(20) == 0 {
                let namespaces = random.namespaces(&settings());
                small.tombstones_max = [2, 10][random.below(2) as usize];
                let config = Config { limits: small.clone(), settings: settings(), namespaces };
                played.hub.reconfigure(config, now_ms);
            }
            let before = played.hub.dropped();
            played.play(what, number, now_ms);
            // A publication has an admission, a commit, and what it leaves no room for.
            let most = 3 * STEPS as u64;
            assert!(
                played.hub.dropped() - before <= most,
                "a call takes a bounded number of steps"
            );
            played.audit();
        }
        played.finish(now_ms);
        played.audit();
        let stats = played.hub.stats();
        assert!(stats.channels <= 12 && stats.tombstones <= small.tombstones_max, "{stats:?}");
        assert!(share(12, &played.hub.config) >= 3);
    }
}

/// [hub:reconfigure] [hub:bound-drops] Whatever there is, a call takes as many steps as it may.
#[test]
fn a_call_takes_a_bounded_number_of_steps() {
    const CHANNELS: usize = 3_000;
    let mut played = Played::new(Config { limits: limits(100), ..Config::default() });
    for number in 0..CHANNELS {
        let (text, key) = (format!("many:{number}"), format!("{number}"));
        let name = ChannelName::new(&text).expect("a valid name");
        let publication = Publication { key: Some(&key), ..Publication::new(name, "m", 1) };
        played.hub.publish(publication, 0, |_, _| Flow::Taken).expect("there is room");
    }
    let mut steps = |namespaces: &[&str]| {
        let named = namespaces.iter().map(|it| ((*it).to_owned(), Settings::default())).collect();
        let config = Config { limits: limits(100), namespaces: named, ..Config::default() };
        let begun = played.hub.dropped();
        played.hub.reconfigure(config, 0);
        assert!(played.hub.dropped() - begun <= 100);
        while played.hub.is_overdue() {
            let before = played.hub.dropped();
            played.hub.advance(0);
            assert!(played.hub.dropped() - before <= 100);
        }
        played.audit();
        usize::try_from(played.hub.dropped() - begun).expect("it is small")
    };
    let about = |steps: usize, wanted: usize| steps.abs_diff(wanted) < 100;
    // Records, and the lists of the rest; nothing is found for the new names.
    assert!(about(steps(&["x", "y"]), 3 * CHANNELS));
    assert!(about(steps(&["y", "x"]), CHANNELS), "another order moves nothing");
    assert!(about(steps(&["y", "many"]), 3 * CHANNELS));
    assert!(about(steps(&["many"]), CHANNELS), "nothing was in the list of the other one");
    assert!(about(steps(&[]), 3 * CHANNELS));
    assert_eq!(steps(&[]), 0, "the same settings cost nothing");
}
