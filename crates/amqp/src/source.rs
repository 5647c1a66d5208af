//! A queue of RabbitMQ as the bus of a source.
//!
//! One process at a time takes the messages: the one whose connection has the lock, once nobody else consumes. RabbitMQ puts
//! back what a consumer has not acknowledged in the step in which it removes it. So the next one finds all of it in its place.

mod held;
mod message;
mod url;

use core::pin::Pin;
use core::task::Poll;
use core::time::Duration;

use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer, Queue};
use sockeye_backbone::{Trouble, TroubleKind};
use sockeye_source::{Bus, Id, Message, Opened, Room};
use tokio::runtime::{self, Runtime};
use tokio::select;
use tokio::task::yield_now;
use tokio::time::sleep;

use self::held::Held;
use self::message::Names;
pub use self::url::{AmqpSourceConfig, SourceUrlError};
use crate::link::{Line, Link};
use crate::look;
use crate::next::{next, next_now, poll_now};
use crate::trouble::{Closed, Place, code};

/// A queue of RabbitMQ.
pub struct AmqpSource {
    config: AmqpSourceConfig,
    /// The session, and the runtime that carries its connection.
    session: Option<(Runtime, Session)>,
    /// The server that is tried next.
    at: usize,
    state: State,
}

/// What is known of messages. It outlives sessions.
struct State {
    held: Held,
    names: Names,
}

/// A session with one server.
struct Session {
    line: Line,
    /// Which server it is.
    server: usize,
    consumer: Option<(Channel, Consumer)>,
}

/// A session that is used.
struct Work<'w> {
    config: &'w AmqpSourceConfig,
    state: &'w mut State,
    link: Link<'w>,
    consumer: Option<(Channel, Consumer)>,
}

impl AmqpSource {
    /// A source that connects when it is opened.
    pub fn new(config: AmqpSourceConfig) -> Self {
        let state = State { held: Held::default(), names: Names::new() };
        Self { config, session: None, at: 0, state }
    }

    /// Tries one server after the other. Why the first one is none, if none is.
    fn connect(&mut self) -> Result<(), Trouble> {
        let mut first = None;
        for _ in 0..self.config.amqp.servers.len() {
            match self.connect_to(self.at) {
                Ok(session) => {
                    self.session = Some(session);
                    return Ok(());
                }
                Err(trouble) => _ = first.get_or_insert(trouble),
            }
            self.at = (self.at + 1) % self.config.amqp.servers.len();
        }
        Err(first.expect("a URL has a server"))
    }

    fn connect_to(&self, server: usize) -> Result<(Runtime, Session), Trouble> {
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(|error| {
            let text = format!("there can be no connection: {error}");
            Trouble::new(TroubleKind::Unreachable, text)
        })?;
        match runtime.block_on(Link::open(place(&self.config, server))) {
            Ok(Link { line, .. }) => Ok((runtime, Session { line, server, consumer: None })),
            Err(trouble) => {
                // The look-up of a name may take long, and nobody waits for it.
                runtime.shutdown_background();
                Err(trouble)
            }
        }
    }

    /// Runs a step of the session. After a trouble there is none.
    fn on_session<T>(
        &mut self,
        step: impl AsyncFnOnce(&mut Work<'_>) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let Some((runtime, Session { line, server, consumer })) = self.session.take() else {
            return Err(Trouble::new(TroubleKind::Unreachable, "there is no connection"));
        };
        let link = Link { place: place(&self.config, server), line };
        let mut work = Work { config: &self.config, state: &mut self.state, link, consumer };
        let done = runtime.block_on(step(&mut work));
        let Work { link: Link { line, .. }, consumer, .. } = work;
        match done {
            Ok(_) => self.session = Some((runtime, Session { line, server, consumer })),
            Err(_) => {
                self.state.held.end_session();
                drop((consumer, line));
                runtime.shutdown_background();
            }
        }
        done
    }
}

fn place(config: &AmqpSourceConfig, server: usize) -> Place<'_> {
    Place { server: &config.amqp.servers[server], config: &config.amqp }
}

impl Work<'_> {
    async fn open(&mut self) -> Result<Opened, Trouble> {
        if self.consumer.is_some() {
            self.state.held.give_again();
            return Ok(Opened::Active);
        }
        if !self.lock().await? || self.find().await?.consumer_count() > 0 {
            return Ok(Opened::Standby);
        }
        let Some(consumer) = self.consume().await? else { return Ok(Opened::Standby) };
        // Somebody else may have been as quick.
        if self.find().await?.consumer_count() > 1 {
            self.link.close_channel(&consumer.0).await?;
            return Ok(Opened::Standby);
        }
        self.consumer = Some(consumer);
        Ok(Opened::Active)
    }

    /// Takes the lock: a queue of this connection, which the server deletes with it. False if it is another process's.
    async fn lock(&self) -> Result<bool, Trouble> {
        let lock = &*self.config.lock;
        let declare = async |channel: &Channel| {
            let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
            channel.queue_declare(lock.into(), options, FieldTable::default()).await
        };
        match self.link.ask(Duration::ZERO, declare).await? {
            Ok((channel, _)) => self.link.close_channel(&channel).await.map(|()| true),
            Err(closed) if closed.code == code::RESOURCE_LOCKED => Ok(false),
            Err(closed) if closed.code == code::ACCESS_REFUSED => {
                let (place, user) = (self.link.place, self.link.place.config.user());
                let what = format!(
                    "does not let the user {user:?} declare {lock:?}, by which one process at a time takes messages: \
                     allow configure on it"
                );
                Err(place.trouble(TroubleKind::Login, what))
            }
            Err(closed) => Err(self.of_closed(&closed)),
        }
    }

    /// The state of the queue.
    async fn find(&self) -> Result<Queue, Trouble> {
        let queue = &*self.config.queue;
        let ask = async |channel: &Channel| {
            let options = QueueDeclareOptions { passive: true, ..Default::default() };
            channel.queue_declare(queue.into(), options, FieldTable::default()).await
        };
        match self.link.ask(Duration::ZERO, ask).await? {
            Ok((channel, found)) => self.link.close_channel(&channel).await.map(|()| found),
            Err(closed) => Err(self.of_closed(&closed)),
        }
    }

    /// Begins to consume, alone where RabbitMQ can refuse others: not for quorum queues, nor with a single active consumer.
    /// `None` if somebody else consumes.
    async fn consume(&self) -> Result<Option<(Channel, Consumer)>, Trouble> {
        let (queue, in_flight) = (&*self.config.queue, self.config.in_flight);
        for exclusive in [true, false] {
            let consume = async |channel: &Channel| {
                channel.basic_qos(in_flight, BasicQosOptions::default()).await?;
                let options = BasicConsumeOptions { exclusive, ..Default::default() };
                channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await
            };
            match self.link.ask(Duration::ZERO, consume).await? {
                Ok(consumer) => return Ok(Some(consumer)),
                Err(closed) if closed.is_taken() => {}
                Err(closed) => return Err(self.of_closed(&closed)),
            }
        }
        Ok(None)
    }

    async fn take(
        &mut self,
        room: Room,
        wait: Duration,
        into: &mut Vec<Message>,
    ) -> Result<(), Trouble> {
        // The connection is carried meanwhile.
        yield_now().await;
        self.receive().await?;
        let before = into.len();
        self.state.held.give(room, into);
        if into.len() > before || room.is_none() || wait.is_zero() {
            return Ok(());
        }
        let Some((_, consumer)) = &mut self.consumer else { return Ok(()) };
        select! {
            biased;
            news = self.link.watch() => news?,
            delivery = next(Pin::new(consumer)) => self.receive_one(delivery).await?,
            () = sleep(wait) => {}
        }
        self.receive().await?;
        self.state.held.give(room, into);
        Ok(())
    }

    /// Takes all that has arrived: as many messages as the server may send.
    async fn receive(&mut self) -> Result<(), Trouble> {
        while let Some((_, consumer)) = &mut self.consumer
            && let Poll::Ready(delivery) = next_now(Pin::new(consumer))
        {
            self.receive_one(delivery).await?;
        }
        Ok(())
    }

    async fn receive_one(
        &mut self,
        delivery: Option<lapin::Result<Delivery>>,
    ) -> Result<(), Trouble> {
        let queue = &self.config.queue;
        let delivery = match delivery {
            Some(Ok(delivery)) => delivery,
            Some(Err(error)) => return Err(self.link.place.of_error(&error)),
            None => {
                let what = format!(
                    "sends nothing more of the queue {queue:?}: it was deleted, or is moved"
                );
                return Err(self.link.place.trouble(TroubleKind::NoLeader, what));
            }
        };
        if look::offset(&delivery).is_some() {
            let what = format!("has a stream {queue:?}, which keeps its messages: name a queue");
            return Err(self.link.place.trouble(TroubleKind::Settings, what));
        }
        let (tag, comes_again) = (delivery.delivery_tag, delivery.redelivered);
        let message = message::message(delivery, self.config.needs_id, &mut self.state.names);
        if !self.state.held.push(tag, comes_again, message) {
            self.acknowledge_tags(vec![tag]).await?;
        }
        Ok(())
    }

    async fn acknowledge_tags(&self, tags: Vec<u64>) -> Result<(), Trouble> {
        let Some((channel, _)) = &self.consumer else { return Ok(()) };
        let acknowledge = |tag| {
            let mut sent = Box::pin(channel.basic_ack(tag, BasicAckOptions::default()));
            // The first poll gives it to the connection.
            let done = poll_now(sent.as_mut());
            (sent, done)
        };
        let all: Vec<_> = tags.into_iter().map(acknowledge).collect();
        for (sent, done) in all {
            let done = match done {
                Poll::Ready(done) => done,
                Poll::Pending => self.link.answer(sent).await?,
            };
            done.map_err(|error| self.link.place.of_error(&error))?;
        }
        Ok(())
    }

    /// The messages of the queue that were not sent, and those that are not acknowledged.
    async fn pending(&self) -> Result<u64, Trouble> {
        let found = self.find().await?;
        if found.consumer_count() > 1 {
            let queue = &self.config.queue;
            let what = format!(
                "has another consumer of the queue {queue:?}, which takes a part of its messages: end it"
            );
            return Err(self.link.place.trouble(TroubleKind::Settings, what));
        }
        Ok(u64::from(found.message_count()) + self.state.held.len() as u64)
    }

    /// The trouble of a request for the queue that was refused.
    fn of_closed(&self, closed: &Closed) -> Trouble {
        let (place, queue) = (self.link.place, &self.config.queue);
        let (kind, what) = match closed.code {
            code::NOT_FOUND if closed.is_missing() => (
                TroubleKind::Settings,
                format!("has no queue {queue:?}: declare it, and bind what it is to have"),
            ),
            code::ACCESS_REFUSED => (
                TroubleKind::Login,
                format!(
                    "does not let the user {:?} read the queue {queue:?}: allow read on it",
                    place.config.user()
                ),
            ),
            code::RESOURCE_LOCKED => (
                TroubleKind::Settings,
                format!(
                    "has a queue {queue:?} of another connection: declare it without exclusive"
                ),
            ),
            _ => return place.of_closed(closed),
        };
        place.trouble(kind, what)
    }
}

impl Bus for AmqpSource {
    fn open(&mut self) -> Result<Opened, Trouble> {
        if self.session.is_none() {
            self.connect()?;
        }
        self.on_session(async |work| work.open().await)
    }

    fn take(
        &mut self,
        room: Room,
        wait: Duration,
        _known: &mut dyn Iterator<Item = &str>,
        into: &mut Vec<Message>,
    ) -> Result<(), Trouble> {
        self.on_session(async |work| work.take(room, wait, into).await)
    }

    fn acknowledge(&mut self, ids: &[Id]) -> Result<(), Trouble> {
        self.on_session(async |work| {
            let tags = work.state.held.acknowledge(ids);
            work.acknowledge_tags(tags).await
        })
    }

    fn pending(&mut self) -> Result<Option<u64>, Trouble> {
        self.on_session(async |work| work.pending().await).map(Some)
    }
}

/// Ends the connection in order: the server takes the last acknowledgements.
impl Drop for AmqpSource {
    fn drop(&mut self) {
        if let Some((runtime, Session { line, consumer, .. })) = self.session.take() {
            runtime.block_on(line.close());
            drop(consumer);
            runtime.shutdown_background();
        }
    }
}

impl core::fmt::Debug for AmqpSource {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AmqpSource").field("config", &self.config).finish_non_exhaustive()
    }
}
