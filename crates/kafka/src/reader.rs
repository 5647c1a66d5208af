//! Reading: entries by requests that wait at the server, and the ends of the log.

use core::convert::Infallible;
use core::time::Duration;

use kafka_protocol::error::ResponseError;
use sockeye_backbone::driver::{KnownEnds, Turn};
use sockeye_backbone::engine::ENDS_EVERY_MS;
use sockeye_backbone::{Event, State, Trouble};
use tokio::select;
use tokio::time::{Instant, sleep_until};

use crate::batch;
use crate::fetch::{Fetch, Fetched};
use crate::link::Link;
use crate::look::{self, Look};
use crate::range::{Entry, offset, position};
use crate::shared::Shared;
use crate::topic::Life;
use crate::trouble::is_missing;

/// How often the ends are asked for.
const ASK_EVERY: Duration = Duration::from_millis(ENDS_EVERY_MS / 2);

/// How soon they are asked for after an answer that does not fit them.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// How long a request for entries waits at the server. Kafka answers when there is an entry.
const WAIT_MS_MAX: u64 = 250;

/// The same at first, and behind entries at a server that answers only when the time is over, as Tansu does.
const WAIT_MS_MIN: u64 = 1;

/// The bytes of an answer. The first batch may be larger.
const ANSWER_BYTES: i32 = 4 * 1024 * 1024;

/// The place where reading goes on, also in the next session.
#[derive(Default)]
pub(crate) struct Place {
    /// The offset of the next entry to give to the owner. `None` while nobody reads.
    next: Option<i64>,
    generation: u64,
    /// The topic that was there last, and its high watermark.
    known: Option<(Life, i64)>,
}

impl Place {
    /// The high watermark of a topic, as far as it is known.
    pub(crate) fn high(&self, life: Life) -> i64 {
        self.known.filter(|(of, _)| *of == life).map_or(0, |(_, high)| high)
    }

    pub(crate) fn note(&mut self, look: &Look) {
        self.known = Some((look.topic.life, look.range.high));
    }
}

/// A request for entries on its way.
#[derive(Clone, Copy)]
struct Fetching {
    generation: u64,
    /// The server waits for entries until then.
    waits_until: Instant,
    /// The answer should be there by then.
    late: Instant,
}

/// The reading of one session.
pub(crate) struct Reader<'s, 'c> {
    shared: &'s Shared,
    link: Link<'c>,
    place: &'s mut Place,
    entries: Vec<Entry>,
    /// The topic; `None` if there is none.
    life: Option<Life>,
    ends: KnownEnds,
    asks_at: Instant,
    /// The request for entries that is on its way.
    fetching: Option<Fetching>,
    /// How long the next one waits at the server.
    wait_ms: u64,
    /// The next entry is not one that the log has: it is waited for until the ends were asked.
    is_outside: bool,
}

impl<'s, 'c> Reader<'s, 'c> {
    pub(crate) fn new(
        shared: &'s Shared,
        link: Link<'c>,
        look: Option<&Look>,
        place: &'s mut Place,
    ) -> Self {
        let life = look.map(|look| look.topic.life);
        let told = look.map(Look::ends).unwrap_or_default();
        let (entries, asks_at) = (Vec::new(), Instant::now());
        Self {
            shared,
            link,
            place,
            entries,
            life,
            ends: KnownEnds::new(told),
            asks_at,
            fetching: None,
            wait_ms: WAIT_MS_MIN,
            is_outside: false,
        }
    }

    /// Reads until the session is over.
    pub(crate) async fn run(&mut self) -> Result<Infallible, Trouble> {
        loop {
            let turn = self.shared.tasks.queues.turn(self.place.generation);
            if let Turn::Anew(from, generation) = turn {
                (self.place.next, self.place.generation) = (Some(offset(from)), generation);
                self.ends.drop_waiting();
                (self.asks_at, self.is_outside) = (Instant::now(), false);
                continue;
            }
            let is_free = self.fetching.is_none();
            if is_free && Instant::now() >= self.asks_at {
                self.ask().await?;
                continue;
            }
            if is_free && turn == Turn::On && !self.is_outside {
                self.fetch().await?;
            }
            let (shared, asks_at) = (self.shared, self.asks_at);
            let fetching = self.fetching;
            select! {
                biased;
                fetched = Fetched::receive(&mut self.link), if fetching.is_some() => {
                    self.take(fetched?)?;
                }
                () = shared.tasks.has_turn.notified() => {}
                () = shared.tasks.has_begun.notified() => self.asks_at = Instant::now(),
                () = sleep_until(fetching.map_or(asks_at, |fetching| fetching.late)) => {
                    if fetching.is_some() {
                        return Err(self.link.place.late());
                    }
                }
            }
        }
    }

    // --- The ends --------------------------------------------------------------------------------

    async fn ask(&mut self) -> Result<(), Trouble> {
        let known = |life| self.place.high(life);
        let look = look::look(&mut self.link, self.shared, known).await?;
        self.asks_at = Instant::now() + ASK_EVERY;
        self.is_outside = false;
        let ends = look.as_ref().map(Look::ends).unwrap_or_default();
        self.life = look.as_ref().map(|look| look.topic.life);
        if self.ends.note(ends, self.place.next.map(position)) {
            self.shared.tasks.queues.tell(Event::State(State::Up(ends)));
        }
        if let Some(look) = &look {
            self.place.note(look);
            if let Some(next) = &mut self.place.next {
                *next = (*next).max(look.range.start);
                self.is_outside = *next > look.range.high;
            }
        }
        self.shared.note_life(self.life);
        self.give();
        Ok(())
    }

    /// Gives the owner what was read, and the ends if they are reached.
    fn give(&mut self) {
        let reached = self.ends.take_reached(self.place.next.map(position));
        if reached.is_some() || !self.entries.is_empty() {
            self.shared.tasks.queues.give(self.place.generation, &mut self.entries, reached);
        }
    }

    // --- Entries ---------------------------------------------------------------------------------

    /// Asks for the next entries.
    async fn fetch(&mut self) -> Result<(), Trouble> {
        let (Some(from), Some(life)) = (self.place.next, self.life) else { return Ok(()) };
        let now = Instant::now();
        let until_asked = self.asks_at.saturating_duration_since(now).as_millis();
        let wait = u64::try_from(until_asked).unwrap_or(u64::MAX).min(self.wait_ms);
        let wait_ms = i32::try_from(wait).unwrap_or(i32::MAX);
        let name = self.shared.topic_name();
        Fetch { from, wait_ms, bytes_max: ANSWER_BYTES }.send(&mut self.link, &name, life).await?;
        let waits_until = now + Duration::from_millis(wait);
        let late = waits_until + self.link.place.config.patience();
        self.fetching = Some(Fetching { generation: self.place.generation, waits_until, late });
        Ok(())
    }

    fn take(&mut self, fetched: Option<Fetched>) -> Result<(), Trouble> {
        let fetching = self.fetching.take();
        let is_over = fetching.is_some_and(|fetching| Instant::now() >= fetching.waits_until);
        let has_entries = fetched.as_ref().is_some_and(|fetched| !fetched.records.is_empty());
        self.wait_ms = next_wait_ms(self.wait_ms, has_entries, is_over);
        let generation = fetching.map(|fetching| fetching.generation);
        let Some(fetched) = fetched else { return Ok(()) };
        let place = self.link.place;
        // The ends will tell.
        let ends_tell = |code| is_missing(code) || code == ResponseError::OffsetOutOfRange;
        match fetched.error {
            None => {}
            Some(code) if ends_tell(code) => {
                self.is_outside = true;
                self.asks_at = self.asks_at.min(Instant::now() + ASK_AGAIN);
                return Ok(());
            }
            // The broker does not know yet how far the log is confirmed.
            Some(ResponseError::OffsetNotAvailable) => {
                self.is_outside = true;
                return Ok(());
            }
            Some(code) => return Err(place.of_code(code)),
        }
        let Some(from) = self.place.next.filter(|_| generation == Some(self.place.generation))
        else {
            return Ok(());
        };
        let read = batch::decode(&fetched.records, from);
        let (entries, next) = read.map_err(|_| place.strange("the records are none"))?;
        self.entries.extend(entries);
        self.place.next = Some(next);
        self.give();
        Ok(())
    }
}

/// How long the next request waits at the server, behind an answer. One whose entries came when the time was over may not
/// answer earlier, so requests are short there, and become longer while nothing comes.
fn next_wait_ms(wait_ms: u64, has_entries: bool, is_over: bool) -> u64 {
    match has_entries {
        true if is_over || wait_ms < WAIT_MS_MAX => WAIT_MS_MIN,
        true => WAIT_MS_MAX,
        false => (wait_ms * 2).min(WAIT_MS_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::{WAIT_MS_MAX, WAIT_MS_MIN, next_wait_ms};

    #[test]
    fn requests_are_short_where_entries_wait_for_their_end() {
        let wait = next_wait_ms(WAIT_MS_MAX, true, false);
        assert_eq!(wait, WAIT_MS_MAX, "the server answers when there is an entry");
        assert_eq!(next_wait_ms(WAIT_MS_MAX, false, true), WAIT_MS_MAX, "nothing came");
        let mut wait = next_wait_ms(WAIT_MS_MAX, true, true);
        assert_eq!(wait, WAIT_MS_MIN);
        assert_eq!(next_wait_ms(wait, true, false), WAIT_MS_MIN, "more comes");
        let mut requests = 0;
        while wait < WAIT_MS_MAX {
            wait = next_wait_ms(wait, false, true);
            requests += 1;
        }
        assert_eq!(requests, 8, "a log that is quiet costs as few requests as before");
    }
}
