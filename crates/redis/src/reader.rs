//! The thread that reads. It also opens the sessions: a pair of connections to one server.

use core::time::Duration;
use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

use sockeye_backbone::driver::{Attempts, Server};
use sockeye_backbone::engine::ENDS_EVERY_MS;
use sockeye_backbone::{Event, LogEnds, State, Trouble, TroubleKind};

use crate::appender::{describe, receive_description};
use crate::check;
use crate::config::RedisConfig;
use crate::link::Link;
use crate::sentinel;
use crate::shared::{Shared, Turn};
use crate::stream::{self, Id};
use crate::trouble;

/// How long Redis waits for an entry. The ends are asked for between two waits.
const BLOCK_MS: u64 = 250;

/// How often the ends and the role are asked for.
const ASK_EVERY: Duration = Duration::from_millis(ENDS_EVERY_MS / 2);

/// The entries of one reply. Their number follows from the bytes of the replies before.
const COUNT_MAX: usize = 1024;
const COUNT_FIRST: usize = 64;

/// A reply that was too long divides the greatest number by this, until the log's end is reached.
const COUNT_DIVISOR: usize = 4;

/// A reply of more bytes halves that number; a full one of less than a quarter doubles it.
const REPLY_BYTES_AIM: usize = 4 * 1024 * 1024;

/// Reads until the engine is stopped.
pub(crate) fn run(shared: &Shared) {
    let mut attempts = Attempts::default();
    let mut place = Place { behind: None, generation: 0, counts: Counts::default() };
    let mut servers = sentinel::Servers::new(&shared.config);
    while !shared.is_stopped() {
        let trouble = match open(shared, &mut servers) {
            Ok((link, ends)) => {
                attempts.note_up();
                shared.end_session(Reader::new(shared, link, ends, &mut place).run())
            }
            Err(trouble) => trouble,
        };
        let (news, pause) = attempts.note_trouble(trouble, RandomState::new().hash_one(0));
        if let Some(state) = news.filter(|_| !shared.is_stopped()) {
            shared.tell(Event::State(state));
        }
        shared.pause(pause);
    }
}

/// Opens a session: finds the primary, connects twice, and checks that both lead to one server that may
/// keep the log.
fn open(shared: &Shared, servers: &mut sentinel::Servers) -> Result<(Link, LogEnds), Trouble> {
    let config = &shared.config;
    let server = servers.primary(config)?;
    let (mut reading, run_id) = connect(&server, config)?;
    let (appending, other) = connect(&server, config)?;
    if run_id != other {
        let text =
            format!("{server} leads to two servers, one after the other: give the address of one");
        return Err(Trouble::new(TroubleKind::NoLeader, text));
    }
    let ends = describe(&mut reading, shared)?.map(|it| it.ends).unwrap_or_default();
    let cuts = [reading.cutter()?, appending.cutter()?];
    shared.begin_session(appending, cuts, State::Up(ends));
    Ok((reading, ends))
}

fn connect(server: &Server, config: &RedisConfig) -> Result<(Link, String), Trouble> {
    let mut link = Link::open(server, &config.login, config)?;
    let findings = check::server(&mut link, config)?;
    Ok((link, findings.run_id))
}

/// Where reading goes on, also in the next session.
struct Place {
    /// Everything up to here was given to the owner. `None` while nobody reads.
    behind: Option<Id>,
    generation: u64,
    counts: Counts,
}

/// How many entries replies have.
struct Counts {
    next: usize,
    /// Above that number, a reply may be too long: a reader that begins again comes to the same entries.
    max: usize,
}

impl Default for Counts {
    fn default() -> Self {
        Self { next: COUNT_FIRST, max: COUNT_MAX }
    }
}

impl Counts {
    /// The entries of the reply that comes now. If it fails, the next session begins with one entry a reply.
    const fn take(&mut self) -> usize {
        core::mem::replace(&mut self.next, 1)
    }

    /// A reply of so many entries was too long.
    fn lower(&mut self, count: usize) {
        self.max = (count / COUNT_DIVISOR).max(1);
    }

    /// The reply to `count` has come.
    fn follow(&mut self, count: usize, entries: &[stream::Entry]) {
        self.next = next_count(count, entries).min(self.max);
    }
}

/// The reading of one session.
struct Reader<'s> {
    shared: &'s Shared,
    link: Link,
    entries: Vec<stream::Entry>,
    place: &'s mut Place,
    /// The ends that the owner gets once it was given all entries up to them.
    ends: Option<LogEnds>,
    /// Whether the log had entries when it was asked last.
    had_entries: bool,
    asked: Option<Instant>,
}

impl<'s> Reader<'s> {
    fn new(shared: &'s Shared, link: Link, ends: LogEnds, place: &'s mut Place) -> Self {
        Self {
            shared,
            link,
            entries: Vec::new(),
            place,
            ends: None,
            had_entries: ends.last.is_some(),
            asked: None,
        }
    }

    /// Reads until the session is over, and says why it is.
    fn run(&mut self) -> Trouble {
        loop {
            match self.shared.next_turn(self.place.generation, Duration::from_millis(BLOCK_MS)) {
                Turn::On | Turn::Idle => {}
                Turn::Anew(behind, generation) => {
                    (self.place.behind, self.place.generation) = (Some(behind), generation);
                    (self.ends, self.asked) = (None, None);
                }
                Turn::End => return Trouble::new(TroubleKind::Unreachable, "the engine is closed"),
            }
            if let Err(trouble) = self.turn() {
                return trouble;
            }
        }
    }

    /// Asks for role and ends if it is time, then reads on.
    fn turn(&mut self) -> Result<(), Trouble> {
        let (shared, key) = (self.shared, &self.shared.config.key);
        let asks = self.asked.is_none_or(|asked| asked.elapsed() >= ASK_EVERY);
        let mut commands = redis::pipe();
        if asks {
            commands.cmd("ROLE").add_command(stream::ends(key));
        }
        if let Some(behind) = self.place.behind {
            commands.add_command(stream::read(key, behind, self.place.counts.next, BLOCK_MS));
        }
        self.link.send(&commands.get_packed_pipeline())?;
        if asks {
            self.asked = Some(Instant::now());
            check::receive_role(&mut self.link, &shared.config)?;
            let ends = receive_description(&mut self.link, shared)?.map(|it| it.ends);
            self.take_ends(ends.unwrap_or_default());
        }
        if self.place.behind.is_some() { self.receive_entries() } else { Ok(()) }
    }

    /// Takes the log's ends: at once if the owner was given all before them, else behind the entries.
    fn take_ends(&mut self, ends: LogEnds) {
        let has_entries = ends.last.is_some();
        if self.had_entries && !has_entries {
            self.shared.tell(Event::State(State::Up(ends)));
        }
        self.had_entries = has_entries;
        // Ends that are not reached yet stay: a reader that is behind would never reach newer ones.
        let stays = self.ends.is_some_and(|waiting| waiting.last <= ends.last);
        if !stays {
            self.ends = self.place.behind.is_some().then_some(ends);
        }
        self.give_ends();
    }

    fn give_ends(&mut self) {
        let is_reached =
            |ends: &LogEnds| ends.last.is_none_or(|last| Some(Id::at(last)) <= self.place.behind);
        let reached = self.ends.filter(is_reached);
        if reached.is_some() {
            self.ends = None;
            self.place.counts.max = COUNT_MAX;
        }
        if reached.is_some() || !self.entries.is_empty() {
            self.shared.give(self.place.generation, &mut self.entries, reached);
        }
    }

    fn receive_entries(&mut self) -> Result<(), Trouble> {
        let config = &self.shared.config;
        let count = self.place.counts.take();
        let bytes_max = 2 * config.limits.entry_bytes_max + REPLY_BYTES_AIM;
        let reply = self.link.receive_after(Duration::from_millis(BLOCK_MS), bytes_max);
        if reply.is_err() && self.link.has_used_bound() {
            self.place.counts.lower(count);
        }
        let reply = reply?;
        let streams: Option<stream::Streams> = self
            .link
            .convert(reply)?
            .map_err(|error| trouble::of_error(&error, &self.link.name, config))?;
        self.entries.extend(stream::entries(streams.unwrap_or_default()));
        self.place.counts.follow(count, &self.entries);
        if bytes(&self.entries) > REPLY_BYTES_AIM {
            self.link.shrink();
        }
        match self.entries.last() {
            Some((newest, _)) => self.place.behind = Some(*newest),
            // The log was changed between the two commands.
            None if self.ends.is_some() => (self.ends, self.asked) = (None, None),
            None => {}
        }
        self.give_ends();
        Ok(())
    }
}

/// How many entries the next reply may have.
fn next_count(count: usize, entries: &[stream::Entry]) -> usize {
    let bytes = bytes(entries);
    if bytes > REPLY_BYTES_AIM {
        (count / 2).max(1)
    } else if bytes < REPLY_BYTES_AIM / 4 && entries.len() == count {
        (count * 2).min(COUNT_MAX)
    } else {
        count
    }
}

fn bytes(entries: &[stream::Entry]) -> usize {
    entries.iter().map(|(_, entry)| entry.len()).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{COUNT_MAX, Counts, next_count};
    use crate::stream::{Entry, Id};

    fn entries(count: usize, bytes: usize) -> Vec<Entry> {
        (0..count).map(|_| (Id::ZERO, Arc::from(vec![0; bytes]))).collect()
    }

    #[test]
    fn replies_stay_near_their_aim() {
        assert_eq!(next_count(64, &entries(64, 200)), 128, "small and full");
        assert_eq!(next_count(64, &entries(63, 200)), 64, "there were no more");
        assert_eq!(next_count(COUNT_MAX, &entries(COUNT_MAX, 200)), COUNT_MAX);
        assert_eq!(next_count(64, &entries(64, 100_000)), 32, "large");
        assert_eq!(next_count(1, &entries(1, 5_000_000)), 1);
        assert_eq!(next_count(64, &entries(64, 40_000)), 64, "near enough");
    }

    /// A node that joins reads from the beginning in each session: large entries behind small ones are reached
    /// with too great a number, unless that is remembered.
    #[test]
    fn a_reply_that_was_too_long_is_not_asked_for_without_end() {
        const BYTES_MAX: usize = 36 * 1024 * 1024;
        let bytes = |at: usize| if at < 5_000 { 200 } else { 200_000 };
        let mut counts = Counts::default();
        let reads_all = |counts: &mut Counts| {
            let mut at = 0;
            while at < 6_000 {
                let count = counts.take();
                let reply: Vec<Entry> =
                    (at..6_000.min(at + count)).map(|at| entries(1, bytes(at)).remove(0)).collect();
                if super::bytes(&reply) > BYTES_MAX {
                    counts.lower(count);
                    return false;
                }
                counts.follow(count, &reply);
                at += reply.len();
            }
            true
        };
        let sessions = (1..=10).find(|_| reads_all(&mut counts));
        assert!(sessions.is_some(), "the same reply is asked for again and again");
        assert!(sessions > Some(1), "a reply was too long");
    }
}
