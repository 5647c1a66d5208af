//! The beginning of a log: the stream and its first entry, which one of many nodes creates.

use core::time::Duration;
use std::sync::Arc;

use async_nats::Subject;
use async_nats::jetstream::context::{
    CreateStreamError, CreateStreamErrorKind, PublishError, PublishErrorKind,
};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::publish::PublishAck;
use bytes::Bytes;
use sockeye_backbone::{Trouble, TroubleKind};
use tokio::time::{Instant, sleep};

use crate::link::Link;
use crate::stream::{self, Description};
use crate::trouble;

/// The pause before a stream that takes no entries yet is offered the first one again.
const PAUSE: Duration = Duration::from_millis(20);

/// What became of the first entry.
pub(crate) enum Begun {
    /// The server has answered.
    Answered(Result<PublishAck, PublishError>),
    /// The log has entries already.
    Already,
}

/// Creates the stream if there is none, and publishes its first entry unless it has one.
pub(crate) async fn begin(link: &Link<'_>, entry: &Arc<[u8]>) -> Result<Begun, Trouble> {
    let stream = find_or_create(link).await?;
    if stream.ends.last.is_some() {
        return Ok(Begun::Already);
    }
    let subject = Subject::from(&*stream.subject);
    let late = Instant::now() + link.config.patience();
    loop {
        let message = PublishMessage::build().payload(Bytes::from_owner(Arc::clone(entry)));
        let message = message.expected_last_sequence(stream.newest);
        let answer = match link.context.send_publish(subject.clone(), message).await {
            Ok(answer) => answer.await,
            Err(error) => Err(error),
        };
        match answer.as_ref().map_err(PublishError::kind) {
            // Another node was first.
            Err(PublishErrorKind::WrongLastSequence) => return Ok(Begun::Already),
            // A stream that another node is creating is there before it takes messages.
            Err(PublishErrorKind::StreamNotFound) if Instant::now() < late => sleep(PAUSE).await,
            Ok(_) | Err(_) => return Ok(Begun::Answered(answer)),
        }
    }
}

/// The stream, which is created if there is none.
async fn find_or_create(link: &Link<'_>) -> Result<Description, Trouble> {
    if let Some((_, stream)) = link.describe().await? {
        return Ok(stream);
    }
    let created = link.context.create_stream(stream::config(link.config)).await;
    // Of nodes that create it at the same time, all but one get an error. The stream is there then, maybe with other
    // settings.
    match (link.describe().await?, created) {
        (Some((_, stream)), _) => Ok(stream),
        (None, Err(error)) => Err(of_creation(&error, link)),
        (None, Ok(_)) => {
            let text = format!("{} has a stream without a leader", link.server);
            Err(Trouble::new(TroubleKind::NoLeader, text))
        }
    }
}

fn of_creation(error: &CreateStreamError, link: &Link<'_>) -> Trouble {
    match error.kind() {
        CreateStreamErrorKind::JetStream(error) => {
            trouble::of_jetstream(&error, link.server, link.config)
        }
        _ => trouble::of_request(error, link.server, link.config),
    }
}
