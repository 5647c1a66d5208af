//! Reading: entries that the stream sends, and the ends of the log.

use core::convert::Infallible;
use core::future::pending;
use core::pin::Pin;
use core::task::Poll;
use core::time::Duration;

use lapin::message::Delivery;
use lapin::options::BasicAckOptions;
use lapin::types::AMQPValue;
use lapin::{Channel, Consumer};
use sockeye_backbone::driver::{KnownEnds, Turn};
use sockeye_backbone::engine::ENDS_EVERY_MS;
use sockeye_backbone::{Event, LogEnds, State, Trouble, TroubleKind};
use tokio::select;
use tokio::time::{Instant, sleep_until};

use crate::link::Link;
use crate::look::{self, Found, Look};
use crate::next::{next, next_now};
use crate::settings;
use crate::shared::{Entry, Life, Shared, position};

/// How often the queue is asked for, and how often its first entry.
const ASK_EVERY: Duration = Duration::from_millis(ENDS_EVERY_MS / 2);
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The messages that a server may send before they are acknowledged.
const PREFETCH: u16 = 512;

/// How long a server may send none of its messages. It counts them every five seconds.
const STALL_MAX: Duration = Duration::from_secs(15);

/// The place where reading goes on, also in the next session.
#[derive(Default)]
pub(crate) struct Place {
    /// The offset of the next entry to give to the owner. `None` while nobody reads.
    next: Option<u64>,
    generation: u64,
    /// The life of the log that was there last.
    life: Option<Life>,
    /// The offset behind the newest entry of it that is known.
    pub(crate) high: u64,
    /// Since when servers were asked for the log in vain.
    pub(crate) silent_since: Option<Instant>,
}

impl Place {
    /// The offset behind the newest entry of a life that was read.
    pub(crate) fn high_of(&self, life: Option<&Life>) -> u64 {
        if self.life.as_ref() == life { self.high } else { 0 }
    }

    /// Notes the log that is there now.
    pub(crate) fn note(&mut self, life: Option<Life>, high: u64) {
        (self.life, self.high) = (life, high);
    }
}

/// The reading of one session.
pub(crate) struct Reader<'s, 'c> {
    shared: &'s Shared,
    looking: Link<'c>,
    reading: Link<'c>,
    place: &'s mut Place,
    entries: Vec<Entry>,
    /// The log; `None` if there is none.
    look: Option<Look>,
    ends: KnownEnds,
    asks_at: Instant,
    looks_at: Instant,
    /// The entries that the stream sends, and their channel.
    consumer: Option<(Channel, Consumer)>,
    /// The newest delivery that was not acknowledged.
    unacknowledged: Option<u64>,
    /// The server has ended the consumer, and it is not known why.
    is_cancelled: bool,
    /// When the stream was last seen to send what it has.
    moved_at: Instant,
}

impl<'s, 'c> Reader<'s, 'c> {
    pub(crate) fn new(
        shared: &'s Shared,
        looking: Link<'c>,
        reading: Link<'c>,
        (look, ends): (Option<Look>, LogEnds),
        place: &'s mut Place,
    ) -> Self {
        let now = Instant::now();
        Self {
            shared,
            looking,
            reading,
            place,
            entries: Vec::new(),
            look,
            ends: KnownEnds::new(ends),
            asks_at: now,
            looks_at: now + LOOK_EVERY,
            consumer: None,
            unacknowledged: None,
            is_cancelled: false,
            moved_at: now,
        }
    }

    /// Reads until the session is over.
    pub(crate) async fn run(&mut self) -> Result<Infallible, Trouble> {
        loop {
            let turn = self.shared.tasks.queues.turn(self.place.generation);
            if let Turn::Anew(from, generation) = turn {
                let next = from.number.saturating_sub(1);
                (self.place.next, self.place.generation) = (Some(next), generation);
                self.ends.drop_waiting();
                self.asks_at = Instant::now();
                self.end_consumer().await?;
                continue;
            }
            if Instant::now() >= self.asks_at {
                self.ask().await?;
            }
            if turn == Turn::On {
                self.go_on().await?;
            }
            let (shared, asks_at) = (self.shared, self.asks_at);
            select! {
                biased;
                news = self.reading.watch() => news?,
                delivery = next_of(&mut self.consumer) => self.take_all(delivery).await?,
                () = shared.tasks.has_turn.notified() => {}
                () = shared.has_news.notified() => self.asks_at = Instant::now(),
                () = sleep_until(asks_at) => {}
            }
        }
    }

    // --- The ends --------------------------------------------------------------------------------

    async fn ask(&mut self) -> Result<(), Trouble> {
        let was = self.look.clone();
        let messages = look::find(&self.looking).await?;
        match messages {
            None => (self.look, self.is_cancelled) = (None, false),
            Some(_) if self.look.is_none() || Instant::now() >= self.looks_at => {
                self.look().await?;
            }
            Some(_) => {}
        }
        self.asks_at = Instant::now() + ASK_EVERY;
        let is_other = was.as_ref().map(|it| &it.life) != self.look.as_ref().map(|it| &it.life);
        if is_other {
            self.end_consumer().await?;
            self.place.note(self.look.as_ref().and_then(|look| look.life.clone()), 0);
            if self.look.is_some() {
                settings::check(&self.looking).await?;
                self.place.high = look::high(&self.looking).await?;
            }
        }
        self.check_progress(messages.unwrap_or_default())?;
        let look = self.look.as_ref();
        let ends = look.map_or_else(LogEnds::default, |look| look.ends(self.place.high));
        if self.ends.note(ends, self.place.next.map(position)) {
            self.shared.tasks.queues.tell(Event::State(State::Up(ends)));
        }
        look.and_then(|look| look.life.as_ref())
            .into_iter()
            .for_each(|it| self.shared.tell_life(it));
        self.give();
        Ok(())
    }

    /// Looks at the first entry. A stream that has just been created has none yet.
    async fn look(&mut self) -> Result<(), Trouble> {
        self.looks_at = Instant::now() + LOOK_EVERY;
        match look::first(&self.looking).await? {
            Found::Nothing => self.look = None,
            Found::Silence if self.is_cancelled => return Err(self.looking.place.silent()),
            Found::Silence => {}
            Found::Log(look) => self.look = Some(look),
        }
        self.is_cancelled = false;
        Ok(())
    }

    /// Looks whether the stream sends what it has.
    fn check_progress(&mut self, messages: u32) -> Result<(), Trouble> {
        let (Some(next), Some(look)) = (self.place.next, &self.look) else { return Ok(()) };
        let high = self.place.high.max(look.first.saturating_add(messages.into()));
        let waits_for_owner = self.consumer.is_none() || self.unacknowledged.is_some();
        if next >= high || waits_for_owner {
            self.moved_at = Instant::now();
        } else if self.moved_at.elapsed() > STALL_MAX {
            let what = "sends none of the entries that it has";
            return Err(self.reading.place.trouble(TroubleKind::Unreachable, what));
        }
        Ok(())
    }

    /// Gives the owner what was read, and the ends if they are reached.
    fn give(&mut self) {
        let queues = &self.shared.tasks.queues;
        let reached = self.ends.take_reached(self.place.next.map(position));
        let newest = self.entries.last().map(|(at, _)| *at);
        if reached.is_some() || newest.is_some() {
            queues.give(self.place.generation, &mut self.entries, reached);
        }
        // Readers are sent what most copies have.
        if let Some(newest) = newest.filter(|_| self.shared.config.replicas > 1) {
            queues.tell(Event::Replicated(newest));
        }
    }

    // --- Entries ---------------------------------------------------------------------------------

    /// Lets the stream send, from the place on if it does not yet.
    async fn go_on(&mut self) -> Result<(), Trouble> {
        if let (Some((channel, _)), Some(tag)) = (&self.consumer, self.unacknowledged.take()) {
            let acknowledged = channel.basic_ack(tag, BasicAckOptions { multiple: true });
            // A channel that is closed meanwhile shows it by its consumer.
            return self.reading.answer(acknowledged).await.map(drop);
        }
        let (None, Some(next), Some(_)) = (&self.consumer, self.place.next, &self.look) else {
            return Ok(());
        };
        let from = AMQPValue::LongLongInt(i64::try_from(next).unwrap_or(i64::MAX));
        let patience = self.reading.place.config.patience();
        match look::consume(&self.reading, from, PREFETCH, patience).await? {
            Ok(consumer) => (self.consumer, self.moved_at) = (Some(consumer), Instant::now()),
            // The ends will tell.
            Err(closed) if closed.is_missing() => self.look = None,
            Err(closed) => return Err(self.reading.place.of_closed(&closed)),
        }
        Ok(())
    }

    async fn end_consumer(&mut self) -> Result<(), Trouble> {
        self.unacknowledged = None;
        self.entries.clear();
        match self.consumer.take() {
            Some((channel, _)) => self.reading.close_channel(&channel).await,
            None => Ok(()),
        }
    }

    /// Takes what has arrived.
    async fn take_all(&mut self, delivery: Option<lapin::Result<Delivery>>) -> Result<(), Trouble> {
        self.take(delivery).await?;
        while let Some((_, consumer)) = &mut self.consumer
            && let Poll::Ready(delivery) = next_now(Pin::new(consumer))
        {
            self.take(delivery).await?;
        }
        self.give();
        Ok(())
    }

    async fn take(&mut self, delivery: Option<lapin::Result<Delivery>>) -> Result<(), Trouble> {
        match delivery {
            Some(Ok(delivery)) => {
                let strange = || self.reading.place.strange();
                let offset = look::offset(&delivery).ok_or_else(strange)?;
                self.unacknowledged = Some(delivery.delivery_tag);
                self.moved_at = Instant::now();
                // A server may begin with the chunk of an entry.
                if Some(offset) >= self.place.next {
                    self.entries.push((position(offset), delivery.data.into()));
                    let behind = offset.saturating_add(1);
                    self.place.next = Some(behind);
                    self.place.high = self.place.high.max(behind);
                }
            }
            // The stream is deleted, or its replica is gone.
            None => {
                self.give();
                self.end_consumer().await?;
                (self.asks_at, self.looks_at) = (Instant::now(), Instant::now());
                self.is_cancelled = true;
            }
            Some(Err(error)) => return Err(self.reading.place.of_error(&error)),
        }
        Ok(())
    }
}

/// What the stream sends next, while there is a consumer. This may be dropped, and asked for again.
async fn next_of(consumer: &mut Option<(Channel, Consumer)>) -> Option<lapin::Result<Delivery>> {
    match consumer {
        Some((_, consumer)) => next(Pin::new(consumer)).await,
        None => pending().await,
    }
}
