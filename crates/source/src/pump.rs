//! The pump: takes messages from a bus, has them published, and acknowledges them after their receipts.
//!
//! ```text
//!  open ─► take ─► map ─► window ─► offer ─► answers ─► acknowledge ─► take …
//!    ▲                      ▲                 │ for now: later again, after a pause
//!    └── pause ◄── trouble  └─────────────────┘
//! ```

use core::time::Duration;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use sockeye_backbone::driver::Attempts;
use sockeye_backbone::{State, Trouble};

use crate::bus::{Bus, Id, Message, Opened, Room};
use crate::mapping::{Mapped, Mapping};
use crate::window::{Ticket, Window, WindowLimits};

/// How long a bus without messages is waited for. A stop is seen behind it.
const IDLE_WAIT: Duration = Duration::from_millis(250);

/// How long answers are waited for before the bus is looked at again.
const ANSWERS_WAIT: Duration = Duration::from_millis(20);

/// How often a bus whose window is full is asked whether it is there.
const KEEP_EVERY: Duration = Duration::from_secs(1);

/// How often the messages that wait at the bus are counted.
const PENDING_EVERY: Duration = Duration::from_secs(5);

/// How often a source that stands by tries to be the one.
const STANDBY_PAUSE: Duration = Duration::from_secs(1);

/// How often a source that waits at a message looks at it again.
const STOPPED_PAUSE: Duration = Duration::from_secs(10);

/// Pauses before messages that were refused for now are offered again.
const RETRY_MIN: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Messages that are acknowledged at once.
const ACKNOWLEDGED_MAX: usize = 256;

/// What a source does with a message that can never be published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBad {
    /// It waits there, until the message is gone or can be published.
    #[default]
    Stop,
    /// It acknowledges the message, and goes on.
    Skip,
}

/// The settings of a [`Pump`].
#[derive(Clone, Debug)]
pub struct PumpSettings {
    /// The mapping of messages to publications.
    pub mapping: Mapping,
    /// The treatment of messages that cannot be publications.
    pub on_bad: OnBad,
    /// Bounds of what was taken and is not acknowledged.
    pub limits: WindowLimits,
}

/// The answer to an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the log.
    Published,
    /// It was there already.
    Repeat,
    /// Not now.
    Later,
    /// Never, for this reason.
    Never(String),
}

/// The owner of a pump: publishes, and hears what happens.
pub trait Sink {
    /// Takes an offer over. An answer with this ticket follows.
    ///
    /// # Errors
    /// It can never be published, for this reason. No answer follows.
    fn offer(&mut self, ticket: Ticket, publication: &Mapped) -> Result<(), String>;

    /// Appends the answers that have come. Waits for the first one for so long at the most.
    fn answers(&mut self, wait: Duration, into: &mut Vec<(Ticket, Outcome)>);

    /// The time. Tests have one of their own, which goes on while [`answers`](Self::answers) waits.
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// Hears what has happened.
    fn note(&mut self, note: Note<'_>);
}

/// What has happened.
#[derive(Clone, Copy, Debug)]
pub enum Note<'n> {
    /// The bus is there, and has let this process take and count messages.
    Active,
    /// The bus is there, and another process takes its messages.
    Standby,
    /// The bus cannot be used. It is told once for each reason.
    Away(&'n Trouble),
    /// A message has its receipt.
    Published,
    /// A message was there already.
    Repeat,
    /// A message was refused for now.
    Retry,
    /// A message cannot be published.
    Bad {
        /// Its name.
        id: &'n str,
        /// Why.
        why: &'n str,
        /// The treatment of such a message.
        on_bad: OnBad,
    },
    /// A message was deleted at the bus before it was published.
    Gone(&'n str),
    /// The pump waits at a message that cannot be published.
    Stopped,
    /// The messages that were taken and are not acknowledged, and those that the bus holds, if they were counted.
    Load(usize, Option<u64>),
}

/// Why a session is over without a trouble.
enum End {
    Stopped,
    Standby,
    AtBad,
}

/// Moves messages from one bus into channels.
pub struct Pump<B, S> {
    bus: B,
    sink: S,
    settings: PumpSettings,
    is_stopping: Arc<AtomicBool>,
    window: Window<Mapped>,
    taken: Vec<Message>,
    answers: Vec<(Ticket, Outcome)>,
    /// A message cannot be published: nothing behind it is taken.
    is_at_bad: bool,
    stands_by: bool,
    retry_pause: Duration,
    retry_at: Instant,
    keep_at: Instant,
    count_at: Instant,
}

impl<B: Bus, S: Sink> Pump<B, S> {
    /// A pump that ends after `is_stopping` was set.
    pub fn new(bus: B, sink: S, settings: PumpSettings, is_stopping: Arc<AtomicBool>) -> Self {
        let now = sink.now();
        Self {
            bus,
            sink,
            window: Window::new(settings.limits),
            settings,
            is_stopping,
            taken: Vec::new(),
            answers: Vec::new(),
            is_at_bad: false,
            stands_by: false,
            retry_pause: RETRY_MIN,
            retry_at: now,
            keep_at: now,
            count_at: now,
        }
    }

    /// Runs until it is stopped: then what is in flight has been answered and acknowledged, unless the bus is away.
    pub fn run(mut self) {
        let mut attempts = Attempts::default();
        while !self.is_stopping() {
            let was_up = &mut false;
            let ended = self.session(was_up);
            if *was_up {
                attempts.note_up();
            }
            self.window.drop_waiting();
            let pause = match ended {
                Ok(End::Stopped) => return,
                Ok(End::Standby) => STANDBY_PAUSE,
                Ok(End::AtBad) => {
                    self.sink.note(Note::Stopped);
                    STOPPED_PAUSE
                }
                // Nobody waits for what a bus could not do meanwhile.
                Err(_) if self.is_stopping() && self.window.in_flight() == 0 => return,
                Err(trouble) => {
                    self.stands_by = false;
                    let (news, pause) = attempts.note_trouble(trouble, random());
                    if let Some(State::Away(trouble) | State::Refused(trouble)) = &news {
                        self.sink.note(Note::Away(trouble));
                    }
                    pause
                }
            };
            self.pause(pause);
        }
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// Hears answers for so long, or until it is stopped.
    fn pause(&mut self, pause: Duration) {
        let until = self.sink.now() + pause;
        while !self.is_stopping() {
            let left = until.saturating_duration_since(self.sink.now());
            if left.is_zero() {
                return;
            }
            self.hear(left.min(IDLE_WAIT));
        }
    }

    /// One session; why it is over.
    fn session(&mut self, was_up: &mut bool) -> Result<End, Trouble> {
        if self.bus.open()? == Opened::Standby {
            *was_up = true;
            if !core::mem::replace(&mut self.stands_by, true) {
                self.sink.note(Note::Standby);
            }
            return Ok(End::Standby);
        }
        let mut is_told = false;
        (*was_up, self.stands_by, self.is_at_bad) = (true, false, false);
        (self.keep_at, self.count_at) = (self.sink.now(), self.sink.now());
        loop {
            self.acknowledge()?;
            if self.is_stopping() && self.window.in_flight() == 0 {
                return Ok(End::Stopped);
            }
            if self.is_at_bad && self.window.is_quiet() {
                return Ok(End::AtBad);
            }
            self.take()?;
            self.count()?;
            if !core::mem::replace(&mut is_told, true) {
                // Rights may lack up to here.
                self.sink.note(Note::Active);
            }
            self.offer();
            self.hear(self.patience());
        }
    }

    /// Acknowledges all that has its receipt.
    fn acknowledge(&mut self) -> Result<(), Trouble> {
        loop {
            let owed: Vec<Id> = self.window.owed(ACKNOWLEDGED_MAX);
            if owed.is_empty() {
                return Ok(());
            }
            self.bus.acknowledge(&owed)?;
            self.window.acknowledged(owed.len());
        }
    }

    /// Takes messages, if there is room; or shows the bus that it is there.
    fn take(&mut self) -> Result<(), Trouble> {
        let takes = !self.is_stopping() && !self.is_at_bad;
        let mut room = if takes { self.window.room() } else { Room::NONE };
        if room.is_none() {
            if self.sink.now() < self.keep_at {
                return Ok(());
            }
            room = Room::NONE;
        }
        let wait = if self.window.is_empty() && takes { IDLE_WAIT } else { Duration::ZERO };
        let mut taken = core::mem::take(&mut self.taken);
        let done = self.bus.take(room, wait, &mut self.window.ids(), &mut taken);
        self.keep_at = self.sink.now() + KEEP_EVERY;
        if done.is_ok() {
            taken.drain(..).for_each(|message| self.push(message));
        }
        taken.clear();
        self.taken = taken;
        done
    }

    fn push(&mut self, message: Message) {
        if self.is_at_bad || self.window.knows(&message.id) {
            return;
        }
        if message.is_gone {
            self.sink.note(Note::Gone(&message.id));
            return self.window.push_settled(message.id);
        }
        match self.settings.mapping.map(&message) {
            Ok(mapped) => {
                let (channel, cost) = (mapped.channel.clone(), mapped.cost());
                self.window.push(message.id, &channel, cost, mapped);
            }
            Err(why) => {
                let (id, why, on_bad) = (&*message.id, &why.to_string(), self.settings.on_bad);
                self.sink.note(Note::Bad { id, why, on_bad });
                match on_bad {
                    OnBad::Skip => self.window.push_settled(message.id),
                    OnBad::Stop => self.is_at_bad = true,
                }
            }
        }
    }

    /// Tells the load, and now and then counts what the bus holds.
    fn count(&mut self) -> Result<(), Trouble> {
        let mut pending = None;
        if self.sink.now() >= self.count_at {
            self.count_at = self.sink.now() + PENDING_EVERY;
            pending = self.bus.pending()?;
        }
        self.sink.note(Note::Load(self.window.len(), pending));
        Ok(())
    }

    /// Offers all that may be offered.
    fn offer(&mut self) {
        if self.is_stopping() || self.sink.now() < self.retry_at {
            return;
        }
        while let Some((ticket, mapped)) = self.window.take_next() {
            if let Err(why) = self.sink.offer(ticket, mapped) {
                self.refuse(ticket, &why);
            }
        }
    }

    /// How long answers are waited for.
    fn patience(&self) -> Duration {
        if self.window.in_flight() > 0 {
            return ANSWERS_WAIT;
        }
        if self.window.has_ready() {
            return self.retry_at.saturating_duration_since(self.sink.now()).min(IDLE_WAIT);
        }
        Duration::ZERO
    }

    /// Takes the answers that have come, and those that come in the meantime.
    fn hear(&mut self, wait: Duration) {
        let mut answers = core::mem::take(&mut self.answers);
        self.sink.answers(wait, &mut answers);
        for (ticket, outcome) in answers.drain(..) {
            match outcome {
                Outcome::Published => {
                    self.sink.note(Note::Published);
                    self.settle(ticket);
                }
                Outcome::Repeat => {
                    self.sink.note(Note::Repeat);
                    self.settle(ticket);
                }
                Outcome::Later => self.put_off(ticket),
                Outcome::Never(why) => self.refuse(ticket, &why),
            }
        }
        self.answers = answers;
    }

    fn settle(&mut self, ticket: Ticket) {
        self.window.settle(ticket);
        self.retry_pause = RETRY_MIN;
    }

    /// Offers a message again after a pause, which all others share: what refuses one refuses most.
    fn put_off(&mut self, ticket: Ticket) {
        self.sink.note(Note::Retry);
        self.window.put_back(ticket);
        if self.retry_at <= self.sink.now() {
            let part = 512 + u32::try_from(random() % 512).expect("below 512");
            self.retry_at = self.sink.now() + self.retry_pause / 1024 * part;
            self.retry_pause = (self.retry_pause * 2).min(RETRY_MAX);
        }
    }

    fn refuse(&mut self, ticket: Ticket, why: &str) {
        let on_bad = self.settings.on_bad;
        let id = self.window.id(ticket).unwrap_or_default();
        self.sink.note(Note::Bad { id, why, on_bad });
        match on_bad {
            OnBad::Skip => self.window.settle(ticket),
            OnBad::Stop => {
                self.window.bar(ticket);
                self.is_at_bad = true;
            }
        }
    }
}

impl<B, S> core::fmt::Debug for Pump<B, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Pump").field("settings", &self.settings).finish_non_exhaustive()
    }
}

fn random() -> u64 {
    RandomState::new().hash_one(0)
}
