//! Appends: published one after the other without waiting, over one connection.

use core::convert::Infallible;
use core::future::Future;
use core::pin::Pin;
use std::collections::VecDeque;
use std::sync::Arc;

use async_nats::Subject;
use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::publish::PublishAck;
use bytes::Bytes;
use sockeye_backbone::{Event, Rejection, Trouble, TroubleKind};
use tokio::select;

use crate::begin::{self, Begun};
use crate::link::{FLIGHT_ENTRIES_MAX, Link};
use crate::shared::{Job, Shared, position};
use crate::trouble;

/// The bytes of appends whose fate is not known. A larger entry goes alone.
const FLIGHT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What the first entry of a log has besides its bytes: the header with the sequence that has to be the last one.
const HEADER_BYTES_MAX: usize = 128;

/// The bytes of the largest entry, where messages have this bound.
pub(crate) const fn entry_bytes_max(message_bytes_max: usize) -> usize {
    message_bytes_max.saturating_sub(HEADER_BYTES_MAX)
}

type Answer = Result<PublishAck, PublishError>;

/// An append on its way.
struct Flight {
    answer: PublishAckFuture,
    subject: Arc<str>,
    bytes: usize,
}

/// The append whose answer comes next.
struct Front {
    answer: Pin<Box<dyn Future<Output = Answer> + Send>>,
    subject: Arc<str>,
    bytes: usize,
}

/// The appends of one session.
pub(crate) struct Appender<'s> {
    shared: &'s Shared,
    link: &'s Link<'s>,
    front: Option<Front>,
    flights: VecDeque<Flight>,
    bytes: usize,
}

impl<'s> Appender<'s> {
    pub(crate) fn new(shared: &'s Shared, link: &'s Link<'s>) -> Self {
        Self { shared, link, front: None, flights: VecDeque::new(), bytes: 0 }
    }

    /// Appends until the session is over.
    pub(crate) async fn run(&mut self) -> Result<Infallible, Trouble> {
        loop {
            self.send().await?;
            if self.front.is_none() {
                self.front = self.flights.pop_front().map(Front::new);
            }
            select! {
                answer = Front::answer(&mut self.front) => self.land(answer).await?,
                () = self.shared.tasks.has_appends.notified() => {}
            }
        }
    }

    /// Publishes what waits, as far as there is room.
    async fn send(&mut self) -> Result<(), Trouble> {
        while self.flights.len() + usize::from(self.front.is_some()) < FLIGHT_ENTRIES_MAX {
            let room = FLIGHT_BYTES_MAX.saturating_sub(self.bytes);
            let is_alone = self.flights.is_empty() && self.front.is_none();
            let Some(job) = self.shared.take_job(room, is_alone) else { break };
            match job {
                Job::Entry(Some(subject), entry) => self.publish(subject, &entry).await?,
                // The owner knows of no stream. If there is one, it is not the one that this was meant for.
                Job::Entry(None, _) => self.reject(Rejection::Gone),
                Job::Begin(entry) => self.begin(&entry).await?,
            }
        }
        Ok(())
    }

    /// Begins the log, unless it has begun.
    async fn begin(&mut self, entry: &Arc<[u8]>) -> Result<(), Trouble> {
        match begin::begin(self.link, entry).await? {
            Begun::Answered(answer) => self.settle(answer, None).await?,
            Begun::Already => self.shared.settle(None),
        }
        self.shared.tasks.has_begun.notify_one();
        Ok(())
    }

    async fn publish(&mut self, subject: Arc<str>, entry: &Arc<[u8]>) -> Result<(), Trouble> {
        let message = PublishMessage::build().payload(Bytes::from_owner(Arc::clone(entry)));
        match self.link.context.send_publish(Subject::from(&*subject), message).await {
            Ok(answer) => {
                self.bytes += entry.len();
                self.flights.push_back(Flight { answer, subject, bytes: entry.len() });
                Ok(())
            }
            Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                self.reject(Rejection::TooLarge);
                Ok(())
            }
            Err(error) => Err(trouble::of_publish(&error, self.link.server)),
        }
    }

    /// Takes the answer to the oldest append on its way.
    async fn land(&mut self, answer: Answer) -> Result<(), Trouble> {
        let Some(front) = self.front.take() else { return Ok(()) };
        self.bytes -= front.bytes;
        self.settle(answer, Some(&front.subject)).await
    }

    /// Takes an answer; `subject` is the one of an entry that is not the first.
    async fn settle(&mut self, answer: Answer, subject: Option<&str>) -> Result<(), Trouble> {
        match answer {
            Ok(ack) => {
                if ack.stream != *self.link.config.stream {
                    return Err(self.other_stream(&ack));
                }
                self.shared.settle(Some(ack.sequence));
                if self.link.config.replicas > 1 {
                    self.shared.tasks.queues.tell(Event::Replicated(position(ack.sequence)));
                }
                Ok(())
            }
            Err(error) => self.fail(&error, subject).await,
        }
    }

    /// Handles an append that was refused, or whose answer is missing.
    async fn fail(&mut self, error: &PublishError, subject: Option<&str>) -> Result<(), Trouble> {
        let link = self.link;
        let rejection = match error.kind() {
            PublishErrorKind::StreamNotFound => Rejection::Gone,
            PublishErrorKind::MaxPayloadExceeded => Rejection::TooLarge,
            PublishErrorKind::WrongLastMessageId
            | PublishErrorKind::WrongLastSequence
            | PublishErrorKind::TimedOut
            | PublishErrorKind::BrokenPipe
            | PublishErrorKind::MaxAckPending
            | PublishErrorKind::Other => trouble::rejection(error, link.server, link.config)
                .ok_or_else(|| trouble::of_publish(error, link.server))?,
        };
        // A server that has lost its leader may say other things first.
        let now = link.describe().await?.map(|(_, description)| description.subject);
        let is_there =
            now.is_some() && subject.is_none_or(|subject| now.as_deref() == Some(subject));
        if is_there && rejection == Rejection::Gone {
            let text = format!("{} takes no entries: the stream has no leader", link.server);
            return Err(Trouble::new(TroubleKind::NoLeader, text));
        }
        self.reject(rejection);
        Ok(())
    }

    /// Drops everything. What is on its way may be in the log all the same, behind a hole.
    fn reject(&mut self, rejection: Rejection) {
        self.front = None;
        self.flights.clear();
        self.bytes = 0;
        self.shared.reject(rejection);
    }

    fn other_stream(&self, ack: &PublishAck) -> Trouble {
        let text = format!(
            "{} keeps subjects {}… in the stream {:?}: name another stream (?stream=NAME)",
            self.link.server,
            self.link.config.subject_prefix(),
            ack.stream
        );
        Trouble::new(TroubleKind::Settings, text)
    }
}

impl Front {
    fn new(flight: Flight) -> Self {
        let Flight { answer, subject, bytes } = flight;
        Self { answer: answer.into_future(), subject, bytes }
    }

    /// Waits for the answer, which may be asked for again; for ever if there is nothing on its way.
    async fn answer(front: &mut Option<Self>) -> Answer {
        match front {
            Some(front) => front.answer.as_mut().await,
            None => core::future::pending().await,
        }
    }
}
