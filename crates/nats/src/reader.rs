//! Reading: entries by a consumer that lasts as long as it is read, and the ends of the log.

use core::convert::Infallible;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::Poll;
use core::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::pull::{Batch, Config};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer};
use async_nats::jetstream::stream::ConsumerErrorKind;
use futures_core::Stream;
use sockeye_backbone::driver::{KnownEnds, Turn};
use sockeye_backbone::engine::ENDS_EVERY_MS;
use sockeye_backbone::{Event, LogEnds, State, Trouble, TroubleKind};
use tokio::select;
use tokio::time::{Instant, sleep_until};

use crate::link::{Link, is_missing};
use crate::shared::{Entry, Shared, position};
use crate::trouble;

/// How long a request for entries waits at the server.
const EXPIRES: Duration = Duration::from_secs(2);

/// How long a consumer stays that nobody asks.
const INACTIVE: Duration = Duration::from_secs(30);

/// How often the ends are asked for.
const ASK_EVERY: Duration = Duration::from_millis(ENDS_EVERY_MS / 2);

/// The entries of one batch. The request for the next batch waits at the server for the appends that were sent before it on
/// the same connection (`FLIGHT_ENTRIES_MAX`), so a batch has more entries than these.
const BATCH_ENTRIES_MAX: usize = 4_096;

/// Their bytes; a larger message is let through alone.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Failures of batches, one behind the other, after which the session ends.
const FAILURES_MAX: u32 = 3;

/// The place where reading goes on, also in the next session.
#[derive(Default)]
pub(crate) struct Place {
    /// The next sequence to give to the owner. `None` while nobody reads.
    next: Option<u64>,
    generation: u64,
}

/// The reading of one session.
pub(crate) struct Reader<'s> {
    shared: &'s Shared,
    link: &'s Link<'s>,
    place: &'s mut Place,
    entries: Vec<Entry>,
    ends: KnownEnds,
    asks_at: Instant,
    consumer: Option<PullConsumer>,
    batch: Option<Batch>,
    /// The number of the newest message that the consumer has sent.
    sent: u64,
    failures: u32,
    progress: Progress,
}

/// When a consumer was last seen to work.
struct Progress {
    /// When a message came, the consumer was made, or there was nothing to send.
    moved_at: Instant,
}

impl Progress {
    fn now() -> Self {
        Self { moved_at: Instant::now() }
    }

    /// Whether the consumer has sent nothing for too long. `has_more` says that there are entries it has not sent.
    fn stalls(&mut self, has_more: bool, now: Instant, patience: Duration) -> bool {
        if !has_more {
            self.moved_at = now;
        }
        now.duration_since(self.moved_at) > patience
    }
}

impl<'s> Reader<'s> {
    pub(crate) fn new(
        shared: &'s Shared,
        link: &'s Link<'s>,
        ends: LogEnds,
        place: &'s mut Place,
    ) -> Self {
        Self {
            shared,
            link,
            place,
            entries: Vec::new(),
            ends: KnownEnds::new(ends),
            asks_at: Instant::now(),
            consumer: None,
            batch: None,
            sent: 0,
            failures: 0,
            progress: Progress::now(),
        }
    }

    /// Reads until the session is over.
    pub(crate) async fn run(&mut self) -> Result<Infallible, Trouble> {
        loop {
            let turn = self.shared.tasks.queues.turn(self.place.generation);
            if let Turn::Anew(from, generation) = turn {
                *self.place = Place { next: Some(from.number.max(1)), generation };
                self.ends.drop_waiting();
                self.asks_at = Instant::now();
                self.begin_anew();
                continue;
            }
            if Instant::now() >= self.asks_at {
                self.ask().await?;
            }
            let reads = turn == Turn::On && self.ends.known().identity != 0;
            if reads && self.batch.is_none() {
                self.pull().await?;
            }
            let (shared, asks_at) = (self.shared, self.asks_at);
            select! {
                biased;
                message = next(&mut self.batch) => self.take_all(message)?,
                () = shared.tasks.has_turn.notified() => {}
                () = shared.tasks.has_begun.notified() => self.asks_at = Instant::now(),
                () = sleep_until(asks_at) => {}
            }
        }
    }

    /// Reads on by another consumer.
    fn begin_anew(&mut self) {
        (self.batch, self.consumer, self.sent) = (None, None, 0);
        self.progress = Progress::now();
    }

    // --- The ends --------------------------------------------------------------------------------

    async fn ask(&mut self) -> Result<(), Trouble> {
        let described = self.link.describe().await?;
        self.asks_at = Instant::now() + ASK_EVERY;
        let described = described.map(|(_, description)| description);
        let ends = described.as_ref().map(|it| it.ends).unwrap_or_default();
        if self.ends.known().identity != ends.identity || self.stalls(ends) {
            self.begin_anew();
        }
        if self.ends.note(ends, self.place.next.map(position)) {
            self.shared.tasks.queues.tell(Event::State(State::Up(ends)));
        }
        described.iter().for_each(|it| self.shared.tell_subject(&it.subject));
        self.give();
        Ok(())
    }

    /// Whether there are entries that the consumer does not send: the server that had it may be gone.
    fn stalls(&mut self, ends: LogEnds) -> bool {
        let has_more = ends.last.is_some() && ends.last >= self.place.next.map(position);
        let stalls = self.progress.stalls(has_more, Instant::now(), self.link.config.patience());
        stalls && self.batch.is_some()
    }

    /// Gives the owner what was read, and the ends if they are reached.
    fn give(&mut self) {
        let reached = self.ends.take_reached(self.place.next.map(position));
        if reached.is_some() || !self.entries.is_empty() {
            self.shared.give(self.place.generation, &mut self.entries, reached);
        }
    }

    // --- Entries ---------------------------------------------------------------------------------

    /// Asks for a batch, by a new consumer if there is none.
    async fn pull(&mut self) -> Result<(), Trouble> {
        let (server, config) = (self.link.server, self.link.config);
        if self.consumer.is_none() {
            self.consumer = self.consume().await?;
        }
        // The stream is gone, and the ends will tell.
        let Some(consumer) = &self.consumer else { return Ok(()) };
        let bytes_max = batch_bytes_max(self.link.message_bytes_max());
        let batch = consumer.batch().max_messages(BATCH_ENTRIES_MAX).max_bytes(bytes_max);
        let batch = batch.expires(EXPIRES).messages().await;
        self.batch = Some(batch.map_err(|error| trouble::of_request(&error, server, config))?);
        Ok(())
    }

    /// Makes a consumer that begins at the place; `None` if there is no stream.
    async fn consume(&mut self) -> Result<Option<PullConsumer>, Trouble> {
        let (server, config) = (self.link.server, self.link.config);
        let stream = self.link.context.get_stream_no_info(&*config.stream).await;
        let stream = stream.map_err(|error| trouble::of_request(&error, server, config))?;
        let start_sequence = self.place.next.unwrap_or(1);
        let made = stream.create_consumer(Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence },
            ack_policy: AckPolicy::None,
            inactive_threshold: INACTIVE,
            memory_storage: true,
            num_replicas: 1,
            ..Config::default()
        });
        let error = match made.await {
            Ok(consumer) => return Ok(Some(consumer)),
            Err(error) => error,
        };
        match error.kind() {
            ConsumerErrorKind::JetStream(error) if is_missing(&error) => {
                self.ends.note_missing();
                Ok(None)
            }
            ConsumerErrorKind::JetStream(error) => {
                Err(trouble::of_jetstream(&error, server, config))
            }
            _ => Err(trouble::of_request(&error, server, config)),
        }
    }

    /// Takes a message, and all others that have arrived.
    fn take_all(&mut self, mut message: Arrival) -> Result<(), Trouble> {
        while self.take(message)? {
            message = match next_now(&mut self.batch) {
                Poll::Pending => break,
                Poll::Ready(message) => message,
            };
        }
        self.give();
        Ok(())
    }

    /// Takes a message. False behind the end of a batch.
    fn take(&mut self, arrival: Arrival) -> Result<bool, Trouble> {
        match arrival {
            Some(Ok(message)) => {
                self.failures = 0;
                let follows = self.take_message(&message)?;
                if !follows {
                    self.begin_anew();
                }
                Ok(follows)
            }
            None => {
                self.batch = None;
                Ok(false)
            }
            Some(Err(error)) => {
                self.failures += 1;
                if self.failures >= FAILURES_MAX {
                    let (server, config) = (self.link.server, self.link.config);
                    return Err(trouble::of_request(&*error, server, config));
                }
                // The consumer or the stream is gone, or has another leader.
                self.asks_at = Instant::now();
                self.begin_anew();
                Ok(false)
            }
        }
    }

    /// Takes a message. False if some were sent before it that have not arrived.
    fn take_message(&mut self, message: &Message) -> Result<bool, Trouble> {
        let info = message.info().map_err(|_| {
            let text = format!("{} sent a message that is not of JetStream", self.link.server);
            Trouble::new(TroubleKind::Protocol, text)
        })?;
        if info.consumer_sequence.checked_sub(1) != Some(self.sent) {
            return Ok(false);
        }
        self.sent = info.consumer_sequence;
        self.progress = Progress::now();
        let sequence = info.stream_sequence;
        // A consumer that is to begin behind the end begins there.
        if Some(sequence) >= self.place.next {
            self.entries.push((position(sequence), message.payload[..].into()));
            self.place.next = Some(sequence.saturating_add(1));
        }
        Ok(true)
    }
}

/// The bytes that a batch may have, if a message may have so many.
fn batch_bytes_max(message_bytes_max: usize) -> usize {
    BATCH_BYTES_MAX.max(message_bytes_max.saturating_mul(2))
}

/// What a batch gives: a message, an error, or its end.
type Arrival = Option<Result<Message, async_nats::Error>>;

/// Waits for what a batch gives; for ever without one.
async fn next(batch: &mut Option<Batch>) -> Arrival {
    poll_fn(|context| match batch {
        Some(batch) => Pin::new(batch).poll_next(context),
        None => Poll::Pending,
    })
    .await
}

/// What a batch has now. It is polled again before anything waits for it.
fn next_now(batch: &mut Option<Batch>) -> Poll<Arrival> {
    let mut context = core::task::Context::from_waker(core::task::Waker::noop());
    match batch {
        Some(batch) => Pin::new(batch).poll_next(&mut context),
        None => Poll::Pending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_of_a_quiet_log_does_not_stall_when_an_entry_comes() {
        let patience = Duration::from_secs(5);
        let mut progress = Progress::now();
        let mut now = progress.moved_at;
        for _ in 0..20 {
            now += Duration::from_secs(1);
            assert!(!progress.stalls(false, now, patience), "there is nothing to send");
        }
        let mut seconds = 0;
        while !progress.stalls(true, now + Duration::from_secs(seconds), patience) {
            seconds += 1;
        }
        assert_eq!(
            seconds, 6,
            "more than the patience after the last time that nothing was missing"
        );
    }

    #[test]
    fn a_server_may_have_any_bound_of_messages() {
        assert_eq!(batch_bytes_max(1024), BATCH_BYTES_MAX);
        assert_eq!(batch_bytes_max(BATCH_BYTES_MAX), 2 * BATCH_BYTES_MAX);
        assert_eq!(batch_bytes_max(usize::MAX / 2 + 1), usize::MAX);
    }
}
