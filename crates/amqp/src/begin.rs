//! The beginning of a log: the stream, the exchange that leads into it, and the first entry.

use std::hash::{BuildHasher as _, RandomState};

use sockeye_backbone::Trouble;

use crate::link::Link;
use crate::look::{self, Found};
use crate::method::Request;
use crate::settings;
use crate::shared::Life;

/// Creates the stream if there is none, and binds it to a routing key that no other life of the log has. The life that
/// the first entry is for; `None` if there is an entry.
///
/// RabbitMQ cannot append on the condition that there is nothing. Of nodes that begin a log at once, more than one may
/// append a first entry, and readers pass over all but the first.
pub(crate) async fn begin(link: &mut Link<'_>) -> Result<Option<Life>, Trouble> {
    let stream = &*link.place.config.stream;
    if look::find(link).await?.is_none() {
        let arguments = &settings::of_new(link.place.config);
        ask(link, Request::ExchangeDeclare { exchange: stream }).await?;
        ask(link, Request::QueueDeclare { queue: stream, arguments }).await?;
    } else {
        settings::check(link).await?;
        match look::first(link).await? {
            Found::Log(_) => return Ok(None),
            Found::Silence | Found::Nothing => {}
        }
        ask(link, Request::ExchangeDeclare { exchange: stream }).await?;
    }
    let word = format!("{:016x}", RandomState::new().hash_one(0));
    let bind = Request::QueueBind { queue: stream, exchange: stream, routing_key: &word };
    ask(link, bind).await?;
    Ok(Some(Life(word.into())))
}

/// Sends a request on a channel of its own.
async fn ask(link: &mut Link<'_>, request: Request<'_>) -> Result<(), Trouble> {
    let place = link.place;
    match link.ask_stream(&[request], place.config.patience()).await? {
        Ok((channel, _)) => link.close_channel(channel).await,
        Err(closed) => Err(place.of_closed(&closed)),
    }
}
