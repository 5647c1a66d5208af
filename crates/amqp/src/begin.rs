//! The beginning of a log: the stream, the exchange that leads into it, and the first entry.

use std::hash::{BuildHasher as _, RandomState};

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, ExchangeKind};
use sockeye_backbone::Trouble;

use crate::link::Link;
use crate::look::{self, Found};
use crate::settings;
use crate::shared::Life;

/// Creates the stream if there is none, and binds it to a routing key that no other life of the log has. The life that
/// the first entry is for; `None` if there is an entry.
///
/// RabbitMQ cannot append on the condition that there is nothing. Of nodes that begin a log at once, more than one may
/// append a first entry, and readers pass over all but the first.
pub(crate) async fn begin(link: &Link<'_>) -> Result<Option<Life>, Trouble> {
    let stream = &*link.place.config.stream;
    if look::find(link).await?.is_none() {
        let arguments = settings::of_new(link.place.config);
        ask(link, async |channel| declare_exchange(channel, stream).await).await?;
        let declare = async |channel: &Channel| declare(channel, stream, &arguments).await;
        ask(link, declare).await?;
    } else {
        settings::check(link).await?;
        match look::first(link).await? {
            Found::Log(_) => return Ok(None),
            Found::Silence | Found::Nothing => {}
        }
        ask(link, async |channel| declare_exchange(channel, stream).await).await?;
    }
    let word = format!("{:016x}", RandomState::new().hash_one(0));
    let bind = async |channel: &Channel| {
        let (key, options) = (word.as_str().into(), QueueBindOptions::default());
        channel.queue_bind(stream.into(), stream.into(), key, options, FieldTable::default()).await
    };
    ask(link, bind).await?;
    Ok(Some(Life(word.into())))
}

/// Declares a durable queue.
pub(crate) async fn declare(
    channel: &Channel,
    queue: &str,
    arguments: &FieldTable,
) -> lapin::Result<()> {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), options, arguments.clone()).await.map(drop)
}

/// Declares a durable exchange that compares routing keys.
async fn declare_exchange(channel: &Channel, exchange: &str) -> lapin::Result<()> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let (kind, arguments) = (ExchangeKind::Direct, FieldTable::default());
    channel.exchange_declare(exchange.into(), kind, options, arguments).await
}

/// Sends a request on a channel of its own.
async fn ask(
    link: &Link<'_>,
    request: impl AsyncFn(&Channel) -> lapin::Result<()>,
) -> Result<(), Trouble> {
    let place = link.place;
    match link.ask(place.config.patience(), request).await? {
        Ok((channel, ())) => link.close_channel(&channel).await,
        Err(closed) => Err(place.of_closed(&closed)),
    }
}
