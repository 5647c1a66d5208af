//! The pump between a bus and a log that both fail: each message once in its channel, in the order of the bus.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sockeye_backbone::{Trouble, TroubleKind};
use sockeye_source::{
    Bus, Format, Id, Mapped, Mapping, Message, Note, OnBad, Opened, Outcome, Pump, PumpSettings,
    Room, Sink, Template, Ticket, WindowLimits,
};

/// Steps of the log after which a life of the process is killed.
const LIFE_MAX: u64 = 60;

/// A generator of numbers: the same for a seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn is(&mut self, percent: u64) -> bool {
        self.next(100) < percent
    }
}

/// The bus, the log and the time, which outlive a process.
struct World {
    dice: Dice,
    /// Messages that are not acknowledged: name and channel.
    queue: VecDeque<(Id, String)>,
    /// The messages that were published in each channel.
    log: HashMap<String, Vec<String>>,
    keys: HashSet<Box<str>>,
    /// Offers that are not answered.
    offers: Vec<(Ticket, Box<str>, Box<str>, String)>,
    now: Instant,
    fails: bool,
    /// A right that the bus does not give: once that is told, the process ends.
    lacks: Option<&'static str>,
    /// Steps until the process is killed.
    life: u64,
    is_stopping: Arc<AtomicBool>,
    notes: Vec<String>,
}

#[derive(Clone)]
struct Shared(Rc<RefCell<World>>);

/// A bus that gives its messages again and again until they are acknowledged, and loses sessions.
struct Queue(Shared);

struct Log(Shared);

impl World {
    fn new(seed: u64, messages: u64, channels: u64) -> Self {
        let mut dice = Dice(seed);
        let queue = (0..messages)
            .map(|number| (number.to_string().into(), format!("c:{}", dice.next(channels))));
        let queue = queue.collect();
        Self {
            dice,
            queue,
            log: HashMap::new(),
            keys: HashSet::new(),
            offers: Vec::new(),
            now: Instant::now(),
            fails: true,
            lacks: None,
            life: u64::MAX,
            is_stopping: Arc::default(),
            notes: Vec::new(),
        }
    }

    fn check_right(&mut self, right: &str) -> Result<(), Trouble> {
        if self.lacks != Some(right) {
            return Ok(());
        }
        Err(Trouble::new(TroubleKind::Login, format!("no right to {right}")))
    }

    fn session(&mut self) -> Result<(), Trouble> {
        self.life = self.life.saturating_sub(1);
        if self.life == 0 {
            self.is_stopping.store(true, Ordering::Release);
        }
        if self.life == 0 || self.fails && self.dice.is(4) {
            return Err(Trouble::new(TroubleKind::Unreachable, "the session is over"));
        }
        Ok(())
    }
}

impl Bus for Queue {
    fn open(&mut self) -> Result<Opened, Trouble> {
        let mut world = self.0.0.borrow_mut();
        world.session()?;
        Ok(if world.fails && world.dice.is(10) { Opened::Standby } else { Opened::Active })
    }

    fn take(
        &mut self,
        room: Room,
        wait: Duration,
        known: &mut dyn Iterator<Item = &str>,
        into: &mut Vec<Message>,
    ) -> Result<(), Trouble> {
        let mut world = self.0.0.borrow_mut();
        world.session()?;
        world.check_right("take")?;
        // Now and then it gives what is known already.
        let repeats = world.fails && world.dice.is(20);
        let known: BTreeSet<&str> = known.collect();
        let count = usize::try_from(world.dice.next(5)).expect("small").min(room.entries);
        let fresh = world.queue.iter().filter(|(id, _)| repeats || !known.contains(&**id));
        let before = into.len();
        into.extend(fresh.take(count).map(|(id, channel)| Message {
            id: id.clone(),
            body: id.as_bytes().to_vec(),
            fields: vec![("channel".into(), channel.as_str().into())],
            is_gone: channel == "gone",
            ..Message::default()
        }));
        if into.len() == before {
            world.now += wait;
        }
        if world.queue.is_empty() {
            world.is_stopping.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn acknowledge(&mut self, ids: &[Id]) -> Result<(), Trouble> {
        let mut world = self.0.0.borrow_mut();
        // It may have done so, and not said so.
        let done = world.session();
        if done.is_ok() || world.dice.is(50) {
            world.queue.retain(|(id, _)| !ids.contains(id));
        }
        done
    }

    fn pending(&mut self) -> Result<Option<u64>, Trouble> {
        let mut world = self.0.0.borrow_mut();
        world.check_right("count")?;
        Ok(Some(world.queue.len() as u64))
    }
}

impl Sink for Log {
    fn offer(&mut self, ticket: Ticket, it: &Mapped) -> Result<(), String> {
        let mut world = self.0.0.borrow_mut();
        if it.channel.starts_with("bad") {
            return Err("it is bad".to_owned());
        }
        world.offers.push((ticket, it.key.clone(), it.channel.clone(), it.data.to_string()));
        Ok(())
    }

    fn answers(&mut self, wait: Duration, into: &mut Vec<(Ticket, Outcome)>) {
        let mut world = self.0.0.borrow_mut();
        let mut left = Vec::new();
        // The log takes offers in any order: only the pump keeps that of a channel.
        while !world.offers.is_empty() {
            let count = world.offers.len() as u64;
            let at = world.dice.next(count);
            let offer = world.offers.swap_remove(usize::try_from(at).expect("small"));
            if world.fails && world.dice.is(30) {
                left.push(offer);
                continue;
            }
            let (ticket, key, channel, data) = offer;
            let outcome = if world.fails && world.dice.is(10) {
                Outcome::Later
            } else if channel.starts_with("never") {
                Outcome::Never("it never can".to_owned())
            } else if world.keys.insert(key) {
                world.log.entry(channel.into()).or_default().push(data);
                Outcome::Published
            } else {
                Outcome::Repeat
            };
            into.push((ticket, outcome));
        }
        world.offers = left;
        if into.is_empty() {
            world.now += wait;
        }
    }

    fn now(&self) -> Instant {
        self.0.0.borrow().now
    }

    fn note(&mut self, note: Note<'_>) {
        let mut world = self.0.0.borrow_mut();
        if world.lacks.is_some() {
            world.is_stopping.store(true, Ordering::Release);
        }
        match note {
            Note::Bad { id, why, .. } => world.notes.push(format!("bad {id}: {why}")),
            Note::Gone(id) => world.notes.push(format!("gone {id}")),
            Note::Stopped => world.notes.push("stopped".to_owned()),
            Note::Active if !world.fails => world.notes.push("active".to_owned()),
            Note::Away(trouble) if !world.fails => world.notes.push(format!("away: {trouble}")),
            Note::Active | Note::Standby | Note::Away(_) | Note::Published | Note::Repeat => {}
            Note::Retry | Note::Load(..) => {}
        }
    }
}

/// One life of a process.
fn live(world: &Shared, on_bad: OnBad) {
    let is_stopping = Arc::new(AtomicBool::new(false));
    world.0.borrow_mut().is_stopping = Arc::clone(&is_stopping);
    let mapping = Mapping {
        name: "n".into(),
        channel: Template::parse("{channel}").expect("a template"),
        data: None,
        event: None,
        format: Format::Text,
    };
    let limits = WindowLimits { entries_max: 8, bytes_max: 10_000 };
    let settings = PumpSettings { mapping, on_bad, limits };
    Pump::new(Queue(world.clone()), Log(world.clone()), settings, is_stopping).run();
}

/// Whether a text of digits is a number, for sorting.
fn numbers(texts: &[String]) -> Vec<u64> {
    texts.iter().map(|it| it.parse().expect("a number")).collect()
}

#[test]
fn each_message_is_once_and_in_order_whatever_fails() {
    for seed in 0..300 {
        let world = Shared(Rc::new(RefCell::new(World::new(seed, 40, 3))));
        let wanted = world.0.borrow().queue.clone();
        let mut lives = 0;
        while !world.0.borrow().queue.is_empty() {
            let life = {
                let mut world = world.0.borrow_mut();
                // Offers of a process that was killed may still be taken: there is nobody who hears of it.
                world.fails = lives < 50;
                1 + world.dice.next(LIFE_MAX)
            };
            world.0.borrow_mut().life = if lives < 50 { life } else { u64::MAX };
            live(&world, OnBad::Stop);
            late_offers(&world);
            lives += 1;
            assert!(lives < 60, "seed {seed}: it comes to an end");
        }
        let world = world.0.borrow();
        for (channel, log) in &world.log {
            let of_channel = wanted.iter().filter(|(_, it)| it == channel);
            let of_channel: Vec<String> = of_channel.map(|(id, _)| id.to_string()).collect();
            assert_eq!(numbers(log), numbers(&of_channel), "seed {seed}, {channel}");
        }
        let all: usize = world.log.values().map(Vec::len).sum();
        assert_eq!(all, wanted.len(), "seed {seed}");
    }
}

/// Takes some of the offers that a killed process has left: the log had them, and nobody hears the receipts.
fn late_offers(world: &Shared) {
    let mut world = world.0.borrow_mut();
    for (_, key, channel, data) in core::mem::take(&mut world.offers) {
        if world.dice.is(50) && world.keys.insert(key) {
            world.log.entry(channel.into()).or_default().push(data);
        }
    }
}

/// A world without faults, with these channels.
fn world_of(channels: &[&str]) -> Shared {
    let mut world = World::new(1, 0, 1);
    world.fails = false;
    let messages = channels.iter().enumerate();
    world.queue = messages.map(|(at, it)| (at.to_string().into(), (*it).to_owned())).collect();
    Shared(Rc::new(RefCell::new(world)))
}

#[test]
fn what_can_never_be_published_is_passed_over_if_that_is_wanted() {
    let world = world_of(&["a", "bad", "never", "a", "gone", "b"]);
    live(&world, OnBad::Skip);
    let world = world.0.borrow();
    assert_eq!(world.log["a"], ["0", "3"]);
    assert_eq!(world.log["b"], ["5"]);
    assert!(world.queue.is_empty());
    let mut notes = world.notes.clone();
    notes.sort();
    assert_eq!(notes, ["active", "bad 1: it is bad", "bad 2: it never can", "gone 4"]);
}

#[test]
fn a_source_that_lacks_a_right_is_not_said_to_take_messages() {
    for right in ["take", "count"] {
        let world = world_of(&["a", "a"]);
        world.0.borrow_mut().lacks = Some(right);
        live(&world, OnBad::Stop);
        assert_eq!(world.0.borrow().notes, [format!("away: no right to {right}")]);
    }
    let world = world_of(&["a", "a"]);
    live(&world, OnBad::Stop);
    assert_eq!(world.0.borrow().notes, ["active"]);
}

#[test]
fn a_source_waits_at_what_can_never_be_published_and_goes_on_without_it() {
    let world = world_of(&["a", "never", "never", "a"]);
    world.0.borrow_mut().life = 200;
    live(&world, OnBad::Stop);
    {
        let mut world = world.0.borrow_mut();
        assert!(world.notes.iter().any(|it| it == "stopped"), "{:?}", world.notes);
        let left: Vec<_> = world.queue.iter().map(|(id, _)| id.to_string()).collect();
        assert!(left.starts_with(&["1".into(), "2".into()]), "nothing is passed over: {left:?}");
        // Somebody takes them away.
        world.queue.retain(|(_, channel)| channel != "never");
        world.life = u64::MAX;
    }
    live(&world, OnBad::Stop);
    assert_eq!(world.0.borrow().log["a"], ["0", "3"]);
}
