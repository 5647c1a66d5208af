//! A node: it appends offers, reads the log, and decides every entry as all nodes do.
//!
//! ```text
//!  Sequence::offer ─► outbox ─► Engine::append
//!                        ▲ settled when read back
//!  events ◄─ effects ◄─ replica ◄─ chain ◄─ Engine::next
//! ```
//!
//! | phase | what happens |
//! |---|---|
//! | joining | it reads the retained log from its first entry on |
//! | following | it reads on, and appends |
//! | stopped | it cannot take part: a later version, or verdicts that differ |
//!
//! A node that has reason to doubt what it has read joins again. If its hubs stand on the log, they go on from
//! there; otherwise they have a gap. A reader may have read another log, so it ends the epoch.

mod behind;
mod chain;
pub mod import;
mod join;
mod outbox;
mod presence;
mod read;
mod replica;
mod status;
mod write;

use std::collections::VecDeque;
use std::sync::Arc;

use sockeye_hub::{Epoch, Refusal};
use sockeye_service::sequencing::{
    Figures, LogNode, NoRoom, Offer, Origin, Sequence, SequencerEvent, Statement, Verdict,
};
use sockeye_service::wire::Level;

use self::behind::Behind;
use self::chain::Chain;
use self::outbox::{Outbox, Wish};
use self::presence::Presences;
use self::replica::{Replica, Ticket};
pub use self::status::{Notice, Objection, Status, Stop};
use crate::digest::Digest;
use crate::engine::{Engine, Event, LogEnds, Position, Rejection, State, Trouble};
use crate::entry::{Evidence, Rules};

/// Events of the engine that one call takes in.
const EVENTS_MAX: usize = 8_192;

/// The bytes of an entry beside those of an offer.
const ENTRY_OVERHEAD_BYTES: usize = 512;

/// Epochs that a node remembers.
const EPOCHS_MAX: usize = 1_024;

/// Nodes whose disconnections a node remembers, so that it does none twice.
const DISCONNECTED_MAX: usize = 1_024;

/// How long a node waits after a failed append, in milliseconds.
const RETRY_MS: u64 = 500;

/// What a node is, and what it wants.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// A random number that no other process has, now or later.
    pub node: u64,
    /// A random number that nobody else knows: nonces and epochs come from it.
    pub seed: u64,
    /// The node's name, for people.
    pub name: String,
    /// The rules of its configuration.
    pub rules: Rules,
    /// What happens if the log has other rules.
    pub on_other_rules: OnOtherRules,
    /// How durable a message is that was read back.
    pub level: Level,
    /// The log time of a log that is empty: milliseconds since 1970.
    pub begin_ms: u64,
    /// How often a node says that it is there, in milliseconds. Each time it does so up to an eighth of that sooner.
    pub lease_every_ms: u64,
    /// How long it counts as there after that, in milliseconds.
    pub lease_ms: u64,
    /// Entries behind which horizons are set.
    pub keep: u64,
    /// The newest version of entries that it reads: [`VERSION`](crate::entry::VERSION). With an earlier one it does what
    /// a program of that time does.
    pub version: u8,
    /// The release of the program, for people.
    pub program: &'static str,
}

/// What a node does if the log has other rules than its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOtherRules {
    /// It is not ready.
    Refuse,
    /// It gives the log its own. Nodes with the former ones are not ready from then on.
    Replace,
}

/// A node of a shared log, as the sequencer of a process.
pub struct Node {
    settings: NodeSettings,
    engine: Box<dyn Engine>,
    /// What was read of the log; `None` before its first entry.
    log: Option<ReadLog>,
    /// The entries of a log whose beginning was trimmed, until the node can begin.
    behind: Option<Behind>,
    /// The first entry of a fence, until the node knows whether entries are missing before it.
    raised: Option<Raised>,
    /// The node has begun in the middle of the log, and has not read all of it.
    is_behind: bool,
    /// The node reads again because it doubts what it has read.
    doubts: bool,
    /// The log goes on from another one, of which parts are missing.
    waits_for_import: bool,
    phase: Phase,
    outbox: Outbox,
    /// The place of the hubs; `None` before they have one.
    hubs: Option<Place>,
    /// Whether the hubs follow what is read.
    leads: bool,
    epochs: Epochs,
    /// The last disconnection of each node that the services were told of, the newest one at the end.
    disconnected: VecDeque<Ticket>,
    /// The health that the hubs were told last; the inner `None` is good health.
    health_told: Option<Option<Objection>>,
    link: LinkState,
    writes: Writes,
    /// Numbers drawn from the seed.
    draws: u64,
    status: Status,
    notices: Vec<Notice>,
    /// The nodes by their leases.
    nodes: Arc<[LogNode]>,
    /// The statements of nodes about the members of their streams.
    presences: Presences,
}

/// One life of the log, as far as it was read.
struct ReadLog {
    chain: Chain,
    replica: Replica,
}

/// The first entry of a fence.
#[derive(Clone, Copy, Debug)]
struct Raised {
    position: Position,
    hash: u64,
    /// The last entry of the fence before was still there when this one had been read.
    last_is_there: bool,
}

/// Where the hubs are.
#[derive(Clone, Copy, Debug)]
struct Place {
    epoch: Epoch,
    seq: u64,
    chain: u64,
    /// The random number of the log's life.
    nonce: u64,
}

/// The epochs that this node has read of. One that comes back says nothing of what was lost since: the entry that
/// ended it was lost, too.
#[derive(Debug, Default)]
struct Epochs {
    read: VecDeque<u64>,
    /// The first of these were read before the node joined last.
    before: usize,
    /// Epochs that only others have read of.
    doubted: VecDeque<u64>,
}

impl Epochs {
    fn note(&mut self, epoch: u64) {
        self.read.push_back(epoch);
        if self.read.len() > EPOCHS_MAX {
            self.read.pop_front();
            self.before = self.before.saturating_sub(1);
        }
    }

    fn doubt(&mut self, epoch: u64) {
        self.doubted.push_back(epoch);
        if self.doubted.len() > EPOCHS_MAX {
            self.doubted.pop_front();
        }
    }

    fn knows(&self, epoch: u64) -> bool {
        self.read.contains(&epoch) || self.doubted.contains(&epoch)
    }

    fn join(&mut self) {
        self.before = self.read.len();
    }

    /// Whether the epoch was read of before the node joined last.
    fn is_old(&self, epoch: u64) -> bool {
        self.read.range(..self.before).any(|it| *it == epoch)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Joining,
    Following,
    Stopped(Stop),
}

/// The engine, as it was last heard.
#[derive(Debug, Default)]
struct LinkState {
    is_up: bool,
    trouble: Option<Trouble>,
    identity: u64,
    ends: LogEnds,
}

/// What was written and not read back, beside offers.
#[derive(Debug, Default)]
struct Writes {
    /// The epoch has to end, for this reason.
    raise: Option<Evidence>,
    has_raised: bool,
    has_begun: bool,
    has_configured: bool,
    /// The number of the horizon that is under way.
    horizon: u64,
    /// The next lease is due at this time of the node's own clock.
    lease_at_ms: u64,
    /// Offers were passed over: all that are unread have to be appended again, behind a lease.
    resends: bool,
    /// The end of that lease, until it is read back.
    resent_ms: Option<u64>,
    /// Nothing is appended before this time of the same clock. Log time may be ahead of it.
    retry_at_ms: u64,
    /// The fence of the last appends, and that of those that were rejected because it was too old.
    fence: u64,
    fenced: Option<u64>,
}

impl Node {
    /// A node on an engine, whose waker is set.
    pub fn new(settings: NodeSettings, engine: Box<dyn Engine>) -> Self {
        Self {
            outbox: Outbox::new(settings.node),
            presences: Presences::new(settings.node, settings.lease_ms),
            settings,
            engine,
            log: None,
            behind: None,
            raised: None,
            is_behind: false,
            doubts: false,
            waits_for_import: false,
            phase: Phase::Joining,
            hubs: None,
            leads: false,
            epochs: Epochs::default(),
            disconnected: VecDeque::new(),
            health_told: None,
            link: LinkState::default(),
            writes: Writes::default(),
            draws: 0,
            status: Status::default(),
            notices: Vec::new(),
            nodes: Arc::default(),
        }
    }

    /// Takes other rules from the configuration.
    pub fn set_rules(&mut self, rules: Rules) {
        // A node appends its rules once: of two nodes that replace rules, one has the last word.
        self.writes.has_configured &= rules == self.settings.rules;
        self.settings.rules = rules;
    }

    /// What has happened since the last call, for log lines.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        core::mem::take(&mut self.notices)
    }

    /// A number that nobody has drawn before.
    fn draw(&mut self) -> u64 {
        self.draws += 1;
        let digest = Digest::new().number(self.settings.seed).number(self.settings.node);
        digest.number(self.draws).finish().max(1)
    }

    fn pump(&mut self, now_ms: u64, events: &mut Vec<SequencerEvent>) {
        for _ in 0..EVENTS_MAX {
            if matches!(self.phase, Phase::Stopped(_)) {
                return;
            }
            let Some(event) = self.engine.next() else { return };
            match event {
                Event::State(state) => self.note_state(state),
                Event::Entry(position, bytes) => {
                    self.status.restored += 1;
                    self.read(position, &bytes, events);
                }
                Event::Ends(ends) => self.reach_end(ends, events),
                Event::Dropped(rejection) => self.note_dropped(rejection, now_ms),
                Event::Replicated(_) => {}
            }
        }
    }

    fn note_state(&mut self, state: State) {
        let trouble = match state {
            State::Up(ends) => {
                self.link.trouble = None;
                if !core::mem::replace(&mut self.link.is_up, true) {
                    self.notices.push(Notice::Up);
                }
                return self.connect(ends);
            }
            State::Away(trouble) | State::Refused(trouble) => trouble,
        };
        self.notices.push(Notice::Away(trouble.clone()));
        self.link.is_up = false;
        self.link.trouble = Some(trouble);
    }

    fn note_dropped(&mut self, rejection: Rejection, now_ms: u64) {
        self.outbox.rewind();
        let before = core::mem::take(&mut self.writes);
        (self.writes.raise, self.writes.fence) = (before.raise, before.fence);
        self.writes.retry_at_ms = now_ms.saturating_add(RETRY_MS);
        match rejection {
            // The newer fence is read soon, and ends the pause.
            Rejection::Fenced => self.writes.fenced = Some(before.fence),
            Rejection::Full(trouble) => {
                self.notices.push(Notice::Away(trouble.clone()));
                self.link.trouble = Some(trouble);
            }
            Rejection::Away | Rejection::Gone | Rejection::TooLarge => {}
        }
    }

    /// The verdict on offers and statements that come now; `None` if they are taken.
    fn refusal(&self) -> Option<Verdict> {
        match self.phase {
            Phase::Stopped(_) => Some(Verdict::Failed),
            Phase::Joining | Phase::Following => {
                self.find_objection().map(|_| Verdict::NoRoom(NoRoom::Waiting))
            }
        }
    }

    fn push_or_answer(
        &mut self,
        wish: Wish,
        refusal: Option<Verdict>,
        (origin, now_ms): (Origin, u64),
        events: &mut Vec<SequencerEvent>,
    ) {
        match refusal {
            Some(verdict) => events.push(SequencerEvent::Answer(origin, verdict)),
            None => self.outbox.push(wish, origin, self.time_ms(now_ms)),
        }
    }

    /// Notes a disconnection. False if the services were told of it before.
    fn note_disconnected(&mut self, ticket: Ticket) -> bool {
        // The tickets of a node are taken in order, also where the log is read again.
        let at = self.disconnected.iter().position(|last| last.node == ticket.node);
        let last = at.and_then(|at| self.disconnected.remove(at));
        let is_new = last.is_none_or(|last| last.number < ticket.number);
        self.disconnected.push_back(if is_new { ticket } else { last.unwrap_or(ticket) });
        if self.disconnected.len() > DISCONNECTED_MAX {
            self.disconnected.pop_front();
        }
        is_new
    }

    fn stop(&mut self, stop: Stop, events: &mut Vec<SequencerEvent>) {
        self.notices.push(Notice::Stopped(stop));
        self.phase = Phase::Stopped(stop);
        let failed = |origin| SequencerEvent::Answer(origin, Verdict::Failed);
        events.extend(self.outbox.give_up().map(failed));
    }
}

impl Sequence for Node {
    fn offer(
        &mut self,
        offer: Offer,
        origin: Origin,
        now_ms: u64,
        events: &mut Vec<SequencerEvent>,
    ) {
        let key = offer.key.as_ref().map_or(0, |key| key.len());
        let bytes = offer.payload.cost() + offer.channel.len() + key + ENTRY_OVERHEAD_BYTES;
        let bytes_max = self.engine.capabilities().entry_bytes_max;
        let is_too_large = bytes > bytes_max && !matches!(self.phase, Phase::Stopped(_));
        let verdict = match is_too_large {
            true => {
                let bytes_max = bytes_max.saturating_sub(ENTRY_OVERHEAD_BYTES);
                Some(Verdict::Refused(Refusal::MessageTooLarge { bytes_max }))
            }
            false => self.refusal(),
        };
        self.push_or_answer(Wish::Offer(offer), verdict, (origin, now_ms), events);
    }

    fn declare(
        &mut self,
        statement: Statement,
        origin: Origin,
        now_ms: u64,
        events: &mut Vec<SequencerEvent>,
    ) {
        let epoch = self.log.as_ref().map_or(0, |log| log.replica.epoch().0);
        let wish = Wish::of(statement, epoch);
        // A node that does not read it would stop.
        let reads = |log: &ReadLog| log.replica.all_read(wish.version());
        let is_read = self.log.as_ref().is_some_and(reads);
        let verdict = self.refusal().or_else(|| (!is_read).then_some(Verdict::OldNodes));
        self.push_or_answer(wish, verdict, (origin, now_ms), events);
    }

    fn settle(&mut self, now_ms: u64, events: &mut Vec<SequencerEvent>) {
        self.pump(now_ms, events);
        self.write(now_ms);
        self.lead_on(events);
        self.tell_health(events);
        let own = self.settings.node;
        if let Some(nodes) = self.log.as_mut().and_then(|log| log.replica.take_roster(own)) {
            self.nodes = nodes.into();
        }
    }

    fn figures(&self) -> Figures {
        let figures = self.log.as_ref().map(|log| log.replica.figures());
        let durable = self.settings.level > Level::Accepted;
        let shared = Some(self.status().shared_log());
        Figures { durable, shared, ..figures.unwrap_or_default() }
    }

    fn nodes(&self) -> Arc<[LogNode]> {
        Arc::clone(&self.nodes)
    }
}

impl core::fmt::Debug for Node {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Node").field("status", &self.status()).finish_non_exhaustive()
    }
}
