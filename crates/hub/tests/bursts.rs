//! Messages that are delivered together reach everybody as they would one by one.
//!
//! Three hubs play the same game. One delivers each message when it is committed, another one in bursts, and the
//! third one delivers bursts to a few subscribers at a time. After each step in which a subscriber is looked at,
//! nothing tells them apart.

use std::rc::Rc;

use crate::support::{EPOCH, name};
use sockeye_hub::{
    Admission, Budget, Config, Entry, Epoch, Flow, Hub, Kind, Limits, Misuse, Offered, OnGap,
    PatternUse, Publication, Seq, Settings, Start, SubscriberKey, Target,
};
use sockeye_simnet::{Random, each_seed};

const SEEDS: u64 = 3_000;
const STEPS: usize = 120;
const SUBSCRIBERS: usize = 9;
const CHANNELS: [&str; 3] = ["a", "b:1", "b:2"];
const TARGETS: [&str; 5] = ["a", "a", "b:1", "b:2", "b:*"];

/// A subscriber's stream: what it was given, and how much more it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Stream {
    key: Option<SubscriberKey>,
    room: usize,
    fetches: bool,
    said: Vec<String>,
}

impl Stream {
    fn take(&mut self, entry: &Entry<u64>) -> Flow {
        if self.fetches {
            return Flow::Fetches;
        }
        let Some(room) = self.room.checked_sub(1) else { return Flow::Full };
        self.room = room;
        self.said.push(format!("{} {} {:?}", entry.channel, entry.seq().0, entry.previous));
        Flow::Taken
    }
}

/// How a hub delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    OneByOne,
    InBursts,
    /// Some steps now and then.
    Divided,
}

#[derive(Debug)]
struct Side {
    hub: Hub<u64>,
    streams: Vec<Stream>,
    how: How,
    /// Messages that waited for another one.
    waited: u64,
    /// Steps of fan-outs, and offers that came before their step.
    steps: u64,
    owed: u64,
    random: Random,
}

/// Takes a burst as one message after the other.
fn take_all(streams: &mut [Stream], key: SubscriberKey, entries: &[Rc<Entry<u64>>]) -> Offered {
    let stream = stream_of(streams, key);
    Offered::of_each(entries.iter().map(|entry| stream.take(entry)))
}

fn stream_of(streams: &mut [Stream], key: SubscriberKey) -> &mut Stream {
    let found = streams.iter_mut().find(|stream| stream.key == Some(key));
    found.expect("only subscribers get messages")
}

impl Side {
    fn new(config: &Config, how: How) -> Self {
        let streams = vec![Stream::default(); SUBSCRIBERS];
        let mut config = config.clone();
        if how != How::Divided {
            config.limits.fan_out_members_max = usize::MAX;
        }
        let hub = Hub::new(EPOCH, config);
        Self { hub, streams, how, waited: 0, steps: 0, owed: 0, random: Random::new(7) }
    }

    /// Delivers the burst that waits. Returns the number of subscribers.
    fn deliver(&mut self) -> usize {
        let streams = &mut self.streams;
        let reached = self.hub.deliver_burst(|key, entries| take_all(streams, key, entries));
        if self.random.one_in(3) {
            self.fan_out();
        }
        reached
    }

    /// Takes a step of a fan-out, if one is under way.
    fn fan_out(&mut self) {
        let members = [1, 1, 2, 3][self.random.below(4)];
        let streams = &mut self.streams;
        let offers = self.hub.fan_out_some(members, |key, entries| take_all(streams, key, entries));
        self.steps += u64::from(offers > 0);
    }

    /// Delivers everything.
    fn deliver_all(&mut self) {
        self.deliver();
        while self.hub.has_fan_outs() {
            self.fan_out();
        }
    }

    /// Delivers everything to one subscriber.
    fn deliver_to(&mut self, at: usize) {
        self.deliver();
        let Some(key) = self.streams[at].key else { return };
        let streams = &mut self.streams;
        let before = self.hub.hastened();
        self.hub.deliver_owed(key, |key, entries| take_all(streams, key, entries));
        self.owed += self.hub.hastened() - before;
    }

    /// Publishes, and returns the number of subscribers; `None` if it is refused.
    fn publish(&mut self, publication: Publication<'_, u64>, now_ms: u64) -> Option<usize> {
        let Ok(Admission::Pending(position)) = self.hub.admit(publication, now_ms) else {
            return None;
        };
        if self.how == How::OneByOne {
            let streams = &mut self.streams;
            let deliver = |key, entry: &Rc<_>| stream_of(streams, key).take(entry);
            let committed = self.hub.commit(position, now_ms, deliver).expect("it is the next");
            return Some(committed.taken + committed.behind);
        }
        if !self.hub.next_continues_burst() {
            assert_eq!(self.hub.commit_later(position, now_ms), Err(Misuse::Burst));
            self.deliver();
        }
        let waits = self.hub.commit_later(position, now_ms).expect("it is the next");
        self.waited += u64::from(waits.is_some_and(|subscribers| subscribers > 0));
        Some(waits.unwrap_or_else(|| self.deliver()))
    }

    /// The same for the log of another sequencer.
    fn apply(&mut self, publication: Publication<'_, u64>, now_ms: u64) -> usize {
        let seq = self.hub.position().seq.next();
        if self.how == How::OneByOne {
            let streams = &mut self.streams;
            let deliver = |key, entry: &Rc<_>| stream_of(streams, key).take(entry);
            let committed = self.hub.apply(seq, publication, now_ms, deliver).expect("it is next");
            return committed.taken + committed.behind;
        }
        if !self.hub.continues_burst(publication.channel) {
            self.deliver();
        }
        let waits = self.hub.apply_later(seq, publication, now_ms).expect("it is the next");
        waits.unwrap_or_else(|| self.deliver())
    }

    fn pull(&mut self, at: usize, budget: Budget, now_ms: u64) {
        let Some(key) = self.streams[at].key else { return };
        let mut items = Vec::new();
        let mut subscriber = self.hub.subscriber(key).expect("it is connected");
        let progress = subscriber.pull(budget, now_ms, &mut items);
        let cursor = subscriber.cursor();
        self.streams[at].said.push(format!("{items:?} {progress:?} {cursor:?}"));
    }

    /// Everything that a client, an operator or a later message could see.
    fn look(&mut self, now_ms: u64) -> String {
        self.deliver_all();
        let keys: Vec<_> = self.streams.iter().filter_map(|stream| stream.key).collect();
        let subscribers: Vec<_> = keys
            .into_iter()
            .map(|key| {
                let subscriber = self.hub.subscriber(key).expect("it is connected");
                (subscriber.cursor(), subscriber.is_live(), subscriber.is_finished())
            })
            .collect();
        let channels = CHANNELS.map(|channel| self.hub.channel(name(channel)));
        let (mut stats, position) = (self.hub.stats(), self.hub.position());
        stats.hastened = 0;
        let overdue = self.hub.is_overdue();
        format!(
            "{now_ms} {position:?} {overdue} {subscribers:?} {channels:?} {stats:?} {:?}",
            self.streams
        )
    }
}

fn config(random: &mut Random) -> Config {
    let entry = Entry::<u64>::OVERHEAD_BYTES + 50;
    let mut limits = Limits::default();
    limits.burst_messages_max = 1 + random.below(6);
    limits.burst_bytes_max = [1 << 20, entry * 3][random.below(2)];
    limits.fan_out_members_max = random.below(4);
    limits.fan_outs_max = 1 + random.below(4);
    limits.history_bytes_max = [1 << 20, entry * 6][random.below(2)];
    limits.drops_per_call_max = [1_000, 1][random.below(2)];
    let mut settings = Settings::default();
    settings.history_messages_max = [100, 3, 1, 0][random.below(4)];
    settings.history_ms = [100_000, 30][random.below(2)];
    settings.patterns = PatternUse::Allowed;
    settings.on_gap = [OnGap::Nothing, OnGap::Tail, OnGap::Latest][random.below(3)];
    Config { limits, settings, namespaces: Vec::new() }
}

/// Plays one game, and returns how many messages waited, the steps of fan-outs, and the offers that came before
/// their step.
fn play(seed: u64) -> [u64; 3] {
    let mut random = Random::new(seed);
    let config = config(&mut random);
    let hows = [How::OneByOne, How::InBursts, How::Divided];
    let mut sides = hows.map(|how| Side::new(&config, how));
    let mut now_ms = 1_000;
    // Most of them are in one channel.
    for at in 0..SUBSCRIBERS {
        let target = ["a", "a", "b:1"][random.below(3)];
        all(&mut sides, |side| connect(side, at, target, Start::Now, now_ms));
    }
    for number in 0..STEPS as u64 {
        let (at, some) = (random.below(SUBSCRIBERS), random.below(8));
        match random.below(24) {
            0..12 => publish(&mut sides, &mut random, number, now_ms),
            12 => now_ms += [0, 1, 40][random.below(3)],
            13..16 => {
                let room = some * some;
                for side in &mut sides {
                    side.deliver_to(at);
                    side.streams[at].room = room;
                }
            }
            16..19 => {
                let budget = Budget { messages: 1 + some, bytes: usize::MAX };
                let times = random.below(4);
                for side in &mut sides {
                    side.deliver_to(at);
                    (0..times).for_each(|_| side.pull(at, budget, now_ms));
                }
            }
            19 => all(&mut sides, |side| leave(side, at)),
            20 => {
                let start = [Start::Now, Start::Earliest][random.below(2)];
                let target = TARGETS[random.below(5)];
                all(&mut sides, |side| connect(side, at, target, start, now_ms));
            }
            21 => all(&mut sides, |side| {
                side.deliver();
                side.hub.advance(now_ms);
                0
            }),
            22 => {
                for side in &mut sides {
                    side.deliver_to(at);
                    side.streams[at].fetches = some == 0;
                }
            }
            _ if random.one_in(6) => all(&mut sides, |side| lose_or_begin(side, some)),
            _ => {}
        }
        if random.one_in(4) {
            all(&mut sides, |side| side.look(now_ms));
        }
    }
    all(&mut sides, |side| side.look(now_ms));
    [sides[1].waited, sides[2].steps, sides[2].owed]
}

/// Publishes a message or the end of a channel, as a decision or as an outcome.
fn publish(sides: &mut [Side; 3], random: &mut Random, number: u64, now_ms: u64) {
    let some = random.below(8);
    let channel = CHANNELS[[0, 0, 0, 1, 1, 2][random.below(6)]];
    let kind = if random.one_in(60) { Kind::End } else { Kind::Message };
    let key = ["k", "l"][random.below(2)];
    let key = random.one_in(8).then_some(key);
    let publication = || {
        let cost = some * 9;
        Publication { kind, key, ..Publication::new(name(channel), number, cost) }
    };
    let is_apply = random.one_in(3);
    let [one, bursts, divided] = sides.each_mut().map(|side| match is_apply {
        true => side.apply(publication(), now_ms),
        false => side.publish(publication(), now_ms).unwrap_or(999),
    });
    // A fan-out that has not begun counts a subscriber once for each of its subscriptions.
    assert!(one == bursts && one <= divided, "{one} {bursts} {divided}");
}

/// Does the same to all, and checks that it comes to the same.
fn all<T: PartialEq + std::fmt::Debug>(sides: &mut [Side; 3], act: impl Fn(&mut Side) -> T) {
    let [one, bursts, divided] = sides.each_mut().map(act);
    assert_eq!(one, bursts);
    assert_eq!(one, divided);
}

fn connect(side: &mut Side, at: usize, target: &str, start: Start, now_ms: u64) -> String {
    side.deliver_to(at);
    let hub = &mut side.hub;
    let stream = &mut side.streams[at];
    let key = *stream.key.get_or_insert_with(|| hub.connect().expect("there is room"));
    let target = Target::new(target).expect("a valid target");
    let mut subscriber = hub.subscriber(key).expect("it is connected");
    format!("{:?}", subscriber.subscribe(target, start, now_ms))
}

fn leave(side: &mut Side, at: usize) {
    side.deliver_to(at);
    if let Some(key) = side.streams[at].key.take() {
        side.hub.subscriber(key).expect("it is connected").disconnect();
    }
}

fn lose_or_begin(side: &mut Side, some: usize) {
    if side.hub.has_burst() {
        let (far, next) = (Seq(u64::MAX), Epoch(u64::MAX));
        assert_eq!(side.hub.lose(far), Err(Misuse::Burst));
        assert_eq!(side.hub.begin_epoch(next), Err(Misuse::Burst));
        side.deliver();
    }
    side.deliver_all();
    let position = side.hub.position();
    match some {
        0 => drop(side.hub.begin_next_epoch()),
        1 | 2 => side.hub.lose(Seq(position.seq.0 + some as u64)).expect("it is ahead"),
        _ => side.hub.void(Seq(position.seq.0 + some as u64)).expect("it is ahead"),
    }
}

/// [hub:burst-same] [hub:bound-burst] [hub:fan-out-order]
#[test]
fn a_burst_is_its_messages_one_by_one() {
    let mut totals = [0; 3];
    let count = each_seed(SEEDS, play, |game| {
        totals.iter_mut().zip(game).for_each(|(total, of_game)| *total += of_game);
    });
    println!("bursts: {count} seeds; waited, steps, owed: {totals:?}");
    assert!(totals.iter().all(|total| *total > count) || count < 100, "rare: {totals:?}");
}

/// [hub:bound-burst]
#[test]
fn a_burst_has_a_bound() {
    let mut config = Config::default();
    config.limits.burst_messages_max = 3;
    config.limits.burst_bytes_max = 2 * Entry::<u64>::OVERHEAD_BYTES + 4_000;
    let mut side = Side::new(&config, How::InBursts);
    for at in 0..SUBSCRIBERS {
        connect(&mut side, at, "a", Start::Now, 0);
        side.streams[at].room = 1_000;
    }
    let mut waits = |cost: usize| {
        side.publish(Publication::new(name("a"), 1, cost), 0).expect("it is taken");
        side.hub.has_burst()
    };
    assert_eq!([10; 4].map(&mut waits), [true, true, false, true]);
    assert!(!waits(4_000), "it has the bytes");
}

/// [hub:bound-fan-outs] With one fan-out too many, the first goes on to its end.
#[test]
fn fan_outs_have_a_bound() {
    let mut config = Config::default();
    (config.limits.fan_out_members_max, config.limits.fan_outs_max) = (1, 2);
    let mut side = Side::new(&config, How::Divided);
    for at in 0..SUBSCRIBERS {
        connect(&mut side, at, CHANNELS[at % 3], Start::Now, 0);
        side.streams[at].room = 1_000;
    }
    let mut begin = |channel: &str| {
        let publication = Publication::new(name(channel), 1, 10);
        let Ok(Admission::Pending(position)) = side.hub.admit(publication, 0) else {
            panic!("it is taken");
        };
        side.hub.commit_later(position, 0).expect("it is the next");
        let streams = &mut side.streams;
        side.hub.deliver_burst(|key, entries| take_all(streams, key, entries));
        (side.hub.hastened(), side.hub.has_room_for_fan_out())
    };
    assert_eq!(CHANNELS.map(&mut begin), [(0, true), (0, false), (3, false)]);
    // Messages of one channel that follow each other are one fan-out.
    assert_eq!([CHANNELS[2]; 2].map(begin), [(3, false); 2]);
    let said = |of: &dyn Fn(usize) -> bool, side: &Side| {
        let streams = (0..SUBSCRIBERS).filter(|at| of(*at));
        streams.map(|at| side.streams[at].said.len()).collect::<Vec<_>>()
    };
    assert_eq!(said(&|at| at % 3 == 0, &side), [1; 3]);
    side.deliver_all();
    assert_eq!(said(&|at| at % 3 == 1, &side), [1; 3]);
    assert_eq!(said(&|at| at % 3 == 2, &side), [3; 3]);
}

/// [hub:bound-fan-outs] Whether the oldest pending message begins a fan-out depends on the subscriptions that are there
/// now, also on those by patterns that have come or gone since the last message of its channel.
#[test]
fn the_next_message_has_room_if_it_begins_no_fan_out() {
    let mut config = Config::default();
    (config.limits.fan_out_members_max, config.limits.fan_outs_max) = (1, 1);
    config.settings.patterns = PatternUse::Allowed;
    let mut side = Side::new(&config, How::Divided);
    for at in 0..3 {
        connect(&mut side, at, "a", Start::Now, 0);
        side.streams[at].room = 1_000;
    }
    side.publish(Publication::new(name("b:1"), 1, 10), 0).expect("it is taken");
    side.deliver_all();
    let admit =
        |hub: &mut Hub<u64>, channel| match hub.admit(Publication::new(name(channel), 1, 10), 0) {
            Ok(Admission::Pending(position)) => position,
            other => panic!("{other:?}"),
        };
    let position = admit(&mut side.hub, "a");
    side.hub.commit_later(position, 0).expect("it is the next");
    side.hub.deliver_burst(|_, _| panic!("it is a fan-out"));
    assert!(side.hub.has_fan_outs() && side.hub.has_room_for_next(), "nothing is pending");
    admit(&mut side.hub, "b:1");
    assert!(side.hub.has_room_for_next(), "it is for nobody");
    let keys = [(); 3].map(|()| side.hub.connect().expect("there is room"));
    for key in keys {
        let pattern = Target::new("b:*").expect("a valid target");
        let mut subscriber = side.hub.subscriber(key).expect("it is connected");
        subscriber.subscribe(pattern, Start::Now, 0).expect("there is room");
    }
    assert!(!side.hub.has_room_for_next(), "it is for many");
    for key in keys {
        side.hub.subscriber(key).expect("it is connected").disconnect();
    }
    assert!(side.hub.has_room_for_next(), "they are gone");
}

/// One fan-out has room under any bound: nobody could publish otherwise.
#[test]
fn a_fan_out_has_room_if_none_is_under_way() {
    let mut config = Config::default();
    (config.limits.fan_out_members_max, config.limits.fan_outs_max) = (1, 0);
    let mut side = Side::new(&config, How::Divided);
    for at in 0..SUBSCRIBERS {
        connect(&mut side, at, "a", Start::Now, 0);
        side.streams[at].room = 1_000;
    }
    assert!(side.hub.has_room_for_fan_out());
    side.publish(Publication::new(name("a"), 1, 10), 0).expect("it is taken");
    assert!(!side.hub.has_room_for_fan_out());
    side.deliver_all();
    assert!(side.hub.has_room_for_fan_out());
}
