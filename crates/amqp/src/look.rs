//! The log, as far as its stream tells.
//!
//! No request tells the ends of a stream. They are those of the first and of the last messages that it sends.

use core::time::Duration;

use core::pin::Pin;

use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Consumer};
use sockeye_backbone::{LogEnds, Trouble};
use tokio::time::{Instant, timeout_at};

use crate::link::Link;
use crate::next::next;
use crate::shared::{Life, position};
use crate::table;
use crate::trouble::Closed;

/// How long the first message may take. A stream sends it at once, except in the seconds after its server has started.
const FIRST_WITHIN: Duration = Duration::from_millis(500);

/// How soon messages follow that are sent together.
const NEXT_WITHIN: Duration = Duration::from_millis(50);

/// The messages that are sent: of the first chunk and of the last one. A server before 3.12 sends whole chunks.
const FIRST_MESSAGES: u16 = 16;
const LAST_MESSAGES: u16 = 10_000;

/// The log, if its stream has entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// `None` if none of the first entries was appended by a node.
    pub(crate) life: Option<Life>,
    /// The offset of the first entry.
    pub(crate) first: u64,
}

impl Look {
    /// The ends, if the offset behind the last entry is known.
    pub(crate) fn ends(&self, high: u64) -> LogEnds {
        LogEnds {
            identity: self.life.as_ref().map_or(1, Life::identity),
            first: Some(position(self.first)),
            last: Some(position(high.saturating_sub(1).max(self.first))),
        }
    }
}

/// The state of the log at a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There is no queue of this name.
    Nothing,
    /// The stream has sent nothing: it has no entries, or its server has just started.
    Silence,
    Log(Look),
}

/// Whether the queue is there, and how many messages it has: RabbitMQ 3.10 counts them every five seconds.
pub(crate) async fn find(link: &Link<'_>) -> Result<Option<u32>, Trouble> {
    let (place, queue) = (link.place, &*link.place.config.stream);
    let ask = async |channel: &Channel| {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.into(), options, FieldTable::default()).await
    };
    match link.ask(place.config.patience(), ask).await? {
        Ok((channel, found)) => {
            link.close_channel(&channel).await?;
            Ok(Some(found.message_count()))
        }
        Err(closed) if closed.is_missing() => Ok(None),
        Err(closed) => Err(place.of_closed(&closed)),
    }
}

/// Looks at the first entry.
pub(crate) async fn first(link: &Link<'_>) -> Result<Found, Trouble> {
    let mut look: Option<Look> = None;
    let stream = &*link.place.config.stream;
    let found = peek(link, "first", FIRST_MESSAGES, |offset, exchange, routing_key| {
        let look = look.get_or_insert(Look { life: None, first: offset });
        if look.life.is_none() && exchange == stream {
            look.life = Some(Life(routing_key.into()));
        }
        look.life.is_none()
    });
    let is_there = found.await?;
    Ok(match (is_there, look) {
        (false, _) => Found::Nothing,
        (true, None) => Found::Silence,
        (true, Some(look)) => Found::Log(look),
    })
}

/// The offset behind the last entry, or behind an entry that was the last one a moment ago; zero if the stream is silent.
pub(crate) async fn high(link: &Link<'_>) -> Result<u64, Trouble> {
    let mut high = 0;
    let found = peek(link, "last", LAST_MESSAGES, |offset, _, _| {
        high = high.max(offset.saturating_add(1));
        true
    });
    found.await.map(|_| high)
}

/// Takes the messages that a stream sends at once, from one of its ends on, as long as `take` asks for more. False if
/// there is no such queue.
async fn peek(
    link: &Link<'_>,
    from: &str,
    prefetch: u16,
    mut take: impl FnMut(u64, &str, &str) -> bool,
) -> Result<bool, Trouble> {
    let place = link.place;
    let from = AMQPValue::LongString(from.into());
    let (channel, mut consumer) = match consume(link, from, prefetch, FIRST_WITHIN).await? {
        Ok(consumed) => consumed,
        Err(closed) if closed.is_missing() => return Ok(false),
        Err(closed) if closed.is_starting() => return Ok(true),
        Err(closed) => return Err(place.of_closed(&closed)),
    };
    let mut late = Instant::now() + FIRST_WITHIN;
    for _ in 0..prefetch {
        // The stream may be deleted meanwhile.
        let Ok(Some(delivery)) = timeout_at(late, next(Pin::new(&mut consumer))).await else {
            break;
        };
        let delivery = match delivery {
            Ok(delivery) => delivery,
            Err(error) => return Err(place.of_error(&error)),
        };
        let offset = offset(&delivery).ok_or_else(|| place.strange())?;
        if !take(offset, delivery.exchange.as_str(), delivery.routing_key.as_str()) {
            break;
        }
        late = Instant::now() + NEXT_WITHIN;
    }
    link.close_channel(&channel).await?;
    Ok(true)
}

/// The place of a message in its stream.
pub(crate) fn offset(delivery: &Delivery) -> Option<u64> {
    let headers = delivery.properties.headers().as_ref()?;
    u64::try_from(table::number(headers, "x-stream-offset")?).ok()
}

/// Begins to consume on a new channel, with a bound of messages that are not acknowledged.
pub(crate) async fn consume(
    link: &Link<'_>,
    from: AMQPValue,
    prefetch: u16,
    within: Duration,
) -> Result<Result<(Channel, Consumer), Closed>, Trouble> {
    let queue = &*link.place.config.stream;
    let mut arguments = FieldTable::default();
    arguments.insert("x-stream-offset".into(), from);
    let consume = async |channel: &Channel| {
        channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
        let (tag, options) = ("".into(), BasicConsumeOptions::default());
        channel.basic_consume(queue.into(), tag, options, arguments.clone()).await
    };
    link.ask(within, consume).await
}
