//! A session: one connection, and who takes the messages.

use core::time::Duration;

use async_nats::jetstream::consumer::Info;
use async_nats::jetstream::stream::Stream;
use async_nats::{Client, Request, RequestErrorKind, Subscriber};
use bytes::Bytes;
use sockeye_backbone::{Trouble, TroubleKind};
use sockeye_source::{Id, Message, Room};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::consumer;
use super::reading::{Reading, confirm, next, subscribe};
use super::url::NatsSourceConfig;
use crate::link::{Link, Wire};
use crate::trouble;

/// How long the owner has for an answer. It looks at its connection once a second.
const OWNER_ANSWERS: Duration = Duration::from_secs(2);

/// Who takes the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Nobody.
    None,
    /// Somebody who answers.
    There,
    /// Somebody who does not answer.
    Silent,
}

/// A connection to one server.
pub(super) struct Session {
    pub(super) wire: Wire,
    /// Which server it is.
    pub(super) server: usize,
    stream: Stream,
    /// What tells messages of this stream from those of one that had its name before.
    life: Box<str>,
    active: Option<(Reading, Answering)>,
}

/// The task that answers who takes the messages. It ends when it is dropped.
struct Answering(JoinHandle<()>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Session {
    /// Finds the stream and the consumer, which is made if there is none.
    pub(super) async fn new(
        link: &Link<'_>,
        config: &NatsSourceConfig,
        server: usize,
    ) -> Result<Self, Trouble> {
        let stream = link.stream().await?;
        let stream = stream.ok_or_else(|| consumer::no_stream(link, config))?;
        let created = stream.cached_info().created.unix_timestamp_nanos();
        consumer::find_or_create(link, &stream, config).await?;
        let life = format!("{created:x}").into();
        Ok(Self { wire: link.wire(), server, stream, life, active: None })
    }

    /// Whether it takes messages.
    pub(super) const fn is_active(&self) -> bool {
        self.active.is_some()
    }

    /// Asks who takes the messages.
    pub(super) async fn ask_owner(
        &self,
        link: &Link<'_>,
        config: &NatsSourceConfig,
    ) -> Result<Owner, Trouble> {
        let request = Request::new().timeout(Some(OWNER_ANSWERS));
        match link.client().send_request(config.owner_subject(), request).await {
            Ok(_) => Ok(Owner::There),
            Err(error) => match error.kind() {
                RequestErrorKind::NoResponders => Ok(Owner::None),
                RequestErrorKind::TimedOut => Ok(Owner::Silent),
                RequestErrorKind::InvalidSubject
                | RequestErrorKind::MaxPayloadExceeded
                | RequestErrorKind::Other => {
                    Err(trouble::of_request(&error, link.server, link.config))
                }
            },
        }
    }

    /// Takes the messages from now on, first those that were sent before and are not acknowledged.
    pub(super) async fn begin(
        &mut self,
        link: &Link<'_>,
        config: &NatsSourceConfig,
    ) -> Result<(), Trouble> {
        let asked = subscribe(link, config.owner_subject()).await?;
        let answering = Answering(tokio::spawn(answer(link.client().clone(), asked)));
        let info = self.info(link, config).await?;
        let mut reading = Reading::begin(link, &info, self.life.clone()).await?;
        if info.num_ack_pending > 0 {
            reading.collect(link, &info).await?;
        }
        let now = self.info(link, config).await?;
        reading.begin_new(link, &now)?;
        self.active = Some((reading, answering));
        Ok(())
    }

    /// What the server says of the consumer.
    async fn info(&self, link: &Link<'_>, config: &NatsSourceConfig) -> Result<Info, Trouble> {
        let info = consumer::describe(link, &self.stream, config).await?;
        info.ok_or_else(|| consumer::missing(link, config))
    }

    fn reading(&mut self) -> Result<&mut Reading, Trouble> {
        let none = || Trouble::new(TroubleKind::Unreachable, "there is no session");
        self.active.as_mut().map(|(reading, _)| reading).ok_or_else(none)
    }

    /// Takes the next messages.
    pub(super) async fn take(
        &mut self,
        link: &Link<'_>,
        room_and_wait: (Room, Duration),
        into: &mut Vec<Message>,
    ) -> Result<(), Trouble> {
        self.reading()?.take(link, room_and_wait, into).await
    }

    /// Acknowledges messages, and waits until the server has noted it.
    pub(super) async fn acknowledge(&mut self, link: &Link<'_>, ids: &[Id]) -> Result<(), Trouble> {
        let mut replies = self.reading()?.deliveries.acknowledge(ids);
        // The server takes the acknowledgements of a connection in their order.
        let Some(last) = replies.pop() else { return Ok(()) };
        for reply in replies {
            let sent = link.client().publish(reply, Bytes::from_static(b"+ACK")).await;
            sent.map_err(|_| link.closed())?;
        }
        confirm(link, last, "+ACK").await
    }

    /// The messages that were not sent, and those that are not acknowledged.
    pub(super) async fn pending(
        &self,
        link: &Link<'_>,
        config: &NatsSourceConfig,
    ) -> Result<Option<u64>, Trouble> {
        let info = timeout(link.config.patience(), self.info(link, config)).await;
        let info = info.map_err(|_| link.late())??;
        let sent = u64::try_from(info.num_ack_pending).unwrap_or(u64::MAX);
        Ok(Some(info.num_pending.saturating_add(sent)))
    }
}

/// Answers everybody who asks for the owner.
async fn answer(client: Client, mut asked: Subscriber) {
    while let Some(request) = next(&mut asked).await {
        if let Some(reply) = request.reply {
            // A connection that is over has a trouble elsewhere.
            let _ = client.publish(reply, Bytes::new()).await;
        }
    }
}
