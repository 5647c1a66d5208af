//! The engine: sessions, publishing, catching up, presence, access, limits and figures.
//!
//! The engine has no routes, no encoders and no close codes. A [`Dialect`] stands before it: it
//! reads what clients send, calls the engine, and writes what the engine hands to its [`Outlet`].
//!
//! ```text
//!  request, command ─► dialect ─► connect, subscribe, publish, disconnect ─► engine ─► hub
//!  bytes ◄───────────── dialect ◄─ Outlet: entry, notice, announcement, end ◄─┘
//! ```
//!
//! | what | call |
//! |---|---|
//! | the time goes by | [`Engine::tell_time`] before anything else, [`Engine::deadline`], [`Engine::do_what_is_due`] |
//! | a principal's stream opens and closes | [`Engine::connect`], [`Engine::disconnect`] |
//! | a session subscribes, and gets what it missed | [`Engine::subscribe`], [`Engine::catch_up`] |
//! | a stream has room again | [`Engine::pull`] |
//! | a turn ends: streams that are behind go on | [`Engine::work`] |
//! | a principal publishes | [`Engine::publish`] |
//! | others publish elsewhere | [`Engine::follow`] |

pub(crate) mod access;
pub(crate) mod archive;
pub(crate) mod body;
pub(crate) mod bounds;
pub(crate) mod counters;
pub(crate) mod dialect;
pub(crate) mod disconnected;
pub(crate) mod handshakes;
pub(crate) mod limits;
pub(crate) mod namespaces;
pub(crate) mod openings;
pub(crate) mod parts;
pub(crate) mod presence;
pub(crate) mod publishing;
mod rates;
pub(crate) mod refusal;
pub(crate) mod reload;
pub(crate) mod session;
pub(crate) mod shared_state;
pub(crate) mod streams;
pub(crate) mod units;
pub(crate) mod work;

use std::collections::BTreeSet;

use sockeye_auth::{Moment, UnixTime};
use sockeye_hub::{Config, Cursor, Epoch, Hub, Item, Seq, Start, SubscriberKey};
use sockeye_server::Time;

use self::archive::Reading;
use self::bounds::Bounds;
use self::counters::Counters;
use self::openings::Openings;
use self::presence::{Presence, Telling};
use self::reload::Judging;
use self::session::Sessions;
use self::shared_state::SharedEngineState;
use self::streams::KeptForms;
use self::work::Work;
use crate::sequencing::{LogTime, Sequencing, Ticket};

pub use self::access::Principal;
pub(crate) use self::access::{Access, Issued};
pub use self::body::Body;
pub use self::dialect::{Burst, Delivery, Dialect, NotSent, Notice, Outlet, Recipient, StreamName};
pub(crate) use self::limits::Limits;
pub(crate) use self::namespaces::Namespaces;
pub use self::presence::{Roster, Watch};
pub use self::publishing::{Answered, Placed, Settled};
pub(crate) use self::rates::Before;
pub use self::refusal::{End, Refusal};
pub(crate) use self::session::Session;
pub use self::streams::Taken;
pub(crate) use self::work::Task;

/// How often the calendar is looked at while credentials of streams expire by it, in milliseconds.
const LOOK_MS: u64 = 10_000;

/// A cursor of no epoch: a client that resumes from it gets a gap.
pub(crate) const NOWHERE: Cursor = Cursor::new(Epoch(0), Seq::ZERO);

/// The hub with its subscribed sessions, and everything that decides about rights, quotas and rate
/// limits.
pub struct Engine<D: Dialect> {
    pub(crate) hub: Hub<Body<D::Forms>>,
    pub(crate) limits: Limits,
    pub(crate) sessions: Sessions<D>,
    /// The ticket of the last publication.
    tickets: Ticket,
    /// Publications that wait for their outcome.
    pub(crate) waiting: usize,
    /// Where publications are decided.
    pub(crate) sequencing: Sequencing,
    pub(crate) counters: Counters,
    pub(crate) access: Access,
    pub(crate) namespaces: Namespaces,
    pub(crate) presence: Presence,
    /// The presence event that is being sent.
    telling: Option<Telling<D::Announcement>>,
    /// The principal of a client that shows no credential.
    pub(crate) anybody: Principal,
    /// The loop's time, as of this call: for timers, rates and presence.
    pub(crate) now: Time,
    /// The calendar's time, as of this call: for credentials.
    pub(crate) calendar: UnixTime,
    /// The log's time, as of this call: for messages.
    pub(crate) log_time: LogTime,
    /// Sessions for which something is due, by when.
    pub(crate) due: BTreeSet<(Time, SubscriberKey)>,
    /// Sessions whose credential expires, by when. The calendar may jump, so this is no [`Time`].
    pub(crate) expiring: BTreeSet<(UnixTime, SubscriberKey)>,
    /// Work that goes on in later turns.
    pub(crate) work: Work,
    /// Units of the hub's steps that were counted.
    steps: u64,
    /// Units of those that were due.
    due_steps: u64,
    /// A [`Task::Drop`] is in the queue.
    drops: bool,
    /// A [`Task::FanOut`] is in the queue.
    fans_out: bool,
    kept_forms: KeptForms<D>,
    /// The walk that judges all sessions by new settings.
    pub(crate) judging: Judging,
    /// Room for the items of a pull, kept between pulls.
    items: Vec<Item<Body<D::Forms>>>,
    /// Questions to the archive.
    pub(crate) reading: Reading,
    /// Openings that wait for their cursor.
    pub(crate) openings: Openings,
    /// Rate limits, and how often each bound refused something.
    pub(crate) bounds: Bounds,
}

impl<D: Dialect> Engine<D> {
    /// An engine with an empty log of a new epoch, open to everybody.
    pub fn new(epoch: Epoch, hub: Config, limits: Limits) -> Self {
        Self {
            hub: Hub::new(epoch, hub),
            bounds: Bounds::new(&limits),
            reading: Reading::default(),
            openings: Openings::default(),
            sessions: Sessions::default(),
            tickets: 0,
            waiting: 0,
            sequencing: Sequencing::in_loop(),
            counters: Counters::default(),
            access: Access::Open,
            namespaces: Namespaces::default(),
            presence: Presence::new(&limits),
            telling: None,
            limits,
            now: Time::default(),
            anybody: Access::Open.anybody(),
            calendar: UnixTime::default(),
            log_time: LogTime::default(),
            due: BTreeSet::new(),
            expiring: BTreeSet::new(),
            work: Work::default(),
            steps: 0,
            due_steps: 0,
            drops: false,
            fans_out: false,
            kept_forms: KeptForms::default(),
            judging: Judging::default(),
            items: Vec::new(),
        }
    }

    /// Makes it the engine number `which`, from 0, of those that share `state`.
    pub(crate) fn share(&mut self, state: SharedEngineState, which: usize) {
        let SharedEngineState { others, counts, rates, presence } = state;
        self.sessions.counts = counts;
        self.bounds.rates = rates;
        self.presence.share(presence, which, others);
    }

    /// The principal of a client that shows no credential.
    pub fn anybody(&self) -> Principal {
        self.anybody.clone()
    }

    /// Puts rules of access in force.
    #[must_use]
    pub fn with_access(mut self, access: Access) -> Self {
        self.anybody = access.anybody();
        self.access = access;
        self
    }

    /// When something is due next.
    pub fn deadline(&self) -> Time {
        let due = self.due.first().map_or(Time::NEVER, |(due, _)| *due);
        due.min(self.expiry_deadline())
            .min(self.presence_deadline())
            .min(self.reading.deadline(&self.limits))
            .min(self.openings.deadline())
    }

    /// When the first credential expires, if the calendar goes evenly until then. A calendar that
    /// jumps is noticed within [`LOOK_MS`] even if nothing else happens.
    fn expiry_deadline(&self) -> Time {
        let until_ms = self.expiring.first().map(|(ends, _)| self.calendar.until(*ends));
        until_ms.map_or(Time::NEVER, |ms| self.now + ms.min(LOOK_MS))
    }

    /// Takes the loop's time, and the calendar's.
    pub fn tell_time(&mut self, now: Time, calendar: UnixTime) {
        // All messages of a turn come with the same time.
        if (now, calendar) == (self.now, self.calendar) && self.counters.started_s.is_some() {
            return;
        }
        self.counters.started_s.get_or_insert(calendar.as_millis() / 1_000);
        (self.now, self.calendar) = (now, calendar);
        self.log_time = self.sequencing.look(now, calendar.as_millis());
    }

    /// The present moment, for tickets.
    pub(crate) const fn moment(&self) -> Moment {
        Moment { unix: self.calendar, elapsed_ms: self.now.as_millis() }
    }

    /// Whether this log knows the position. A client that starts at any other position gets a gap.
    pub(crate) fn is_in_the_log(&self, start: Start) -> bool {
        self.hub.fault(start).is_none()
    }
}
