//! The requests of a session for messages, and what comes.

use core::future::poll_fn;
use core::pin::Pin;
use core::time::Duration;

use async_nats::jetstream::consumer::Info;
use async_nats::{Message as Delivery, Request, StatusCode, Subject, Subscriber};
use bytes::Bytes;
use futures_core::Stream as _;
use sockeye_backbone::driver::quoted;
use sockeye_backbone::{Trouble, TroubleKind};
use sockeye_source::{Message, Room};
use tokio::time::{Instant, timeout_at};

use super::deliveries::{Break, Deliveries, Place, message};
use crate::link::Link;
use crate::trouble;

/// How long a request for messages waits at the server: less than another process waits for this one.
pub(super) const EXPIRES: Duration = Duration::from_secs(2);

/// How long messages that were sent before are waited for, if fewer come than the server has told.
const AGAIN_EXPIRES: Duration = Duration::from_secs(1);

/// The messages that are asked for again before the server confirms it.
const AGAIN_AT_ONCE: u64 = 4_096;

/// The shortest wait: the connection is carried meanwhile.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// No bound of bytes.
const ANY_SIZE: usize = usize::MAX;

/// What a session is sent.
pub(super) struct Reading {
    pub(super) deliveries: Deliveries,
    life: Box<str>,
    /// The subject of requests for messages.
    requests: Subject,
    /// Where their ends are told: behind this prefix, and a dot, is the number of the request.
    prefix: String,
    inbox: Subscriber,
    pull: Option<Pull>,
    pulls: u64,
    /// The messages of one request, as the consumer bounds them.
    batch_max: usize,
    /// The next message is larger than there was room for.
    next_is_large: bool,
}

/// A request for messages that has not ended.
struct Pull {
    inbox: String,
    left: usize,
    late: Instant,
}

impl Reading {
    /// Begins behind what the consumer has sent.
    pub(super) async fn begin(
        link: &Link<'_>,
        info: &Info,
        life: Box<str>,
    ) -> Result<Self, Trouble> {
        let prefix = link.client().new_inbox();
        let inbox = subscribe(link, format!("{prefix}.*")).await?;
        let (stream, consumer) = (&info.stream_name, &info.name);
        let batch_max = usize::try_from(info.config.max_batch).ok().filter(|bound| *bound > 0);
        Ok(Self {
            deliveries: Deliveries::new(info.delivered.consumer_sequence),
            life,
            requests: format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}").into(),
            prefix,
            inbox,
            pull: None,
            pulls: 0,
            batch_max: batch_max.unwrap_or(usize::MAX),
            next_is_large: false,
        })
    }

    // --- What was sent before --------------------------------------------------------------------

    /// Has the server send again what it has sent and is not acknowledged, and waits for all of it.
    ///
    /// The server sends such messages before new ones, so a request for as many as there were has all of them; or it
    /// starves, because somebody has acknowledged some meanwhile.
    pub(super) async fn collect(&mut self, link: &Link<'_>, info: &Info) -> Result<(), Trouble> {
        ask_again(link, info).await?;
        let mut left = info.num_ack_pending;
        while left > 0 {
            let batch = left.min(self.batch_max);
            self.ask(link, Room { entries: batch, bytes: ANY_SIZE }, AGAIN_EXPIRES).await?;
            let mut starves = false;
            while let Some(pull) = &self.pull {
                let late = pull.late;
                let arrived = timeout_at(late, next(&mut self.inbox)).await;
                let arrived = arrived.map_err(|_| link.late())?.ok_or_else(|| link.closed())?;
                starves = arrived.status.is_some();
                self.hear(link, &arrived)?;
            }
            left = if starves { 0 } else { left - batch };
        }
        Ok(())
    }

    /// Goes on with new messages, if nobody else was sent one meanwhile.
    pub(super) fn begin_new(&mut self, link: &Link<'_>, now: &Info) -> Result<(), Trouble> {
        if now.delivered.consumer_sequence != self.deliveries.number() {
            return Err(broken(link, Break::Shared));
        }
        self.deliveries.begin(now.delivered.stream_sequence);
        Ok(())
    }

    // --- New messages ----------------------------------------------------------------------------

    /// Takes messages that have come. If there are none, it waits for so long.
    pub(super) async fn take(
        &mut self,
        link: &Link<'_>,
        (room, wait): (Room, Duration),
        into: &mut Vec<Message>,
    ) -> Result<(), Trouble> {
        if self.pull.as_ref().is_some_and(|pull| Instant::now() >= pull.late) {
            self.pull = None;
        }
        let free = self.deliveries.room(room);
        if self.pull.is_none() && !free.is_none() {
            let bytes = if self.next_is_large { ANY_SIZE } else { free.bytes };
            let entries = if self.next_is_large { 1 } else { free.entries.min(self.batch_max) };
            self.next_is_large = false;
            self.ask(link, Room { entries, bytes }, EXPIRES).await?;
        }
        let may_wait = self.deliveries.is_empty() && !room.is_none();
        let mut until = Instant::now() + if may_wait { wait.max(WAIT_MIN) } else { WAIT_MIN };
        while let Ok(arrived) = timeout_at(until, next(&mut self.inbox)).await {
            self.hear(link, &arrived.ok_or_else(|| link.closed())?)?;
            // Those that came with it are taken, too.
            until = until.min(Instant::now() + WAIT_MIN);
        }
        self.deliveries.take(room, into);
        Ok(())
    }

    /// Sends a request for messages.
    async fn ask(
        &mut self,
        link: &Link<'_>,
        Room { entries, bytes }: Room,
        expires: Duration,
    ) -> Result<(), Trouble> {
        self.pulls += 1;
        let inbox = format!("{}.{}", self.prefix, self.pulls);
        let bound =
            if bytes == ANY_SIZE { String::new() } else { format!(",\"max_bytes\":{bytes}") };
        let text = format!("{{\"batch\":{entries},\"expires\":{}{bound}}}", expires.as_nanos());
        let client = link.client();
        let sent = client.publish_with_reply(self.requests.clone(), inbox.clone(), text.into());
        sent.await.map_err(|_| link.closed())?;
        let late = Instant::now() + expires + link.config.patience();
        self.pull = Some(Pull { inbox, left: entries, late });
        Ok(())
    }

    /// Takes a delivery, or the end of a request.
    fn hear(&mut self, link: &Link<'_>, arrived: &Delivery) -> Result<(), Trouble> {
        if let Some(status) = arrived.status {
            return self.end(link, status, arrived);
        }
        let Some((reply, place)) =
            arrived.reply.as_ref().and_then(|it| Some((it, Place::read(it)?)))
        else {
            return Ok(());
        };
        let message = message(&self.life, place.sequence, arrived);
        let noted = self.deliveries.note(place, reply.clone(), message);
        noted.map_err(|why| broken(link, why))?;
        if let Some(pull) = &mut self.pull {
            pull.left -= 1;
            if pull.left == 0 {
                self.pull = None;
            }
        }
        Ok(())
    }

    /// A request has ended.
    fn end(
        &mut self,
        link: &Link<'_>,
        status: StatusCode,
        arrived: &Delivery,
    ) -> Result<(), Trouble> {
        let is_current = self.pull.as_ref().is_some_and(|pull| *pull.inbox == *arrived.subject);
        let why = arrived.description.as_deref().unwrap_or_default();
        match status {
            StatusCode::IDLE_HEARTBEAT => return Ok(()),
            StatusCode::NOT_FOUND | StatusCode::TIMEOUT => {}
            StatusCode::REQUEST_TERMINATED if why.contains("Message Size Exceeds MaxBytes") => {
                self.next_is_large |= is_current && self.deliveries.is_empty();
            }
            StatusCode::REQUEST_TERMINATED if why.contains("Batch Completed") => {}
            _ if !is_current => return Ok(()),
            status => {
                let text = format!(
                    "{} ends a request for messages: {} {}",
                    link.server,
                    status.as_u16(),
                    quoted(why)
                );
                return Err(Trouble::new(TroubleKind::NoLeader, text));
            }
        }
        if is_current {
            self.pull = None;
        }
        Ok(())
    }
}

/// Says for all messages that may be sent and not acknowledged that they are wanted again. The server sends them in the
/// order of these words, and ignores those for messages that are acknowledged.
async fn ask_again(link: &Link<'_>, info: &Info) -> Result<(), Trouble> {
    let (stream, consumer) = (&info.stream_name, &info.name);
    let number = info.delivered.consumer_sequence;
    let (first, last) = (info.ack_floor.stream_sequence + 1, info.delivered.stream_sequence);
    for sequence in first..=last {
        let subject = format!("$JS.ACK.{stream}.{consumer}.1.{sequence}.{number}.0.0");
        if sequence == last || (sequence - first) % AGAIN_AT_ONCE == AGAIN_AT_ONCE - 1 {
            confirm(link, subject.into(), "-NAK").await?;
            continue;
        }
        let sent = link.client().publish(subject, Bytes::from_static(b"-NAK")).await;
        sent.map_err(|_| link.closed())?;
    }
    Ok(())
}

/// Says something of a delivery, and waits until the server has noted it.
pub(super) async fn confirm(
    link: &Link<'_>,
    subject: Subject,
    word: &'static str,
) -> Result<(), Trouble> {
    let request = Request::new().payload(word.into()).timeout(Some(link.config.patience()));
    let noted = link.client().send_request(subject, request).await;
    noted.map(drop).map_err(|error| trouble::of_request(&error, link.server, link.config))
}

pub(super) async fn subscribe(link: &Link<'_>, subject: String) -> Result<Subscriber, Trouble> {
    link.client().subscribe(subject).await.map_err(|_| link.closed())
}

/// The next message of a subscription; `None` when it is over.
pub(super) async fn next(subscriber: &mut Subscriber) -> Option<Delivery> {
    poll_fn(|context| Pin::new(&mut *subscriber).poll_next(context)).await
}

/// The trouble of a session that has to begin anew.
fn broken(link: &Link<'_>, why: Break) -> Trouble {
    let what = match why {
        Break::Shared => "another client takes messages of the consumer, too",
        Break::Unknown => {
            "a message comes again: the session begins anew with what is not acknowledged"
        }
    };
    Trouble::new(TroubleKind::NoLeader, format!("{}: {what}", link.server))
}
