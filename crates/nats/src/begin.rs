//! The beginning of a log: the stream and its first entry, which one of many nodes creates.

use core::hash::BuildHasher as _;
use core::time::Duration;
use std::hash::RandomState;
use std::sync::Arc;

use async_nats::Subject;
use async_nats::jetstream::context::{
    CreateStreamError, CreateStreamErrorKind, PublishError, PublishErrorKind,
};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::stream::Stream;
use bytes::Bytes;
use sockeye_backbone::driver::Server;
use sockeye_backbone::{Trouble, TroubleKind};
use tokio::time::{Instant, sleep};

use crate::config::NatsConfig;
use crate::link::Link;
use crate::stream::{self, Description};
use crate::trouble;

/// The pause before a stream that takes no entries yet is offered the first one again.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a node waits at the most before it creates the stream.
const WAIT_MAX_MS: u64 = 128;

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
///
/// Of two nodes that create it in the same millisecond, nats-server 2.9 may have the stream of one in memory and that of the other in
/// its file: after its restart the log is another one, and all clients have a gap. So each node waits for another time before.
async fn find_or_create(link: &Link<'_>) -> Result<Description, Trouble> {
    let wait_ms = RandomState::new().hash_one(0) % WAIT_MAX_MS;
    for wait_ms in [0, wait_ms] {
        sleep(Duration::from_millis(wait_ms)).await;
        if let Some((_, stream)) = link.describe().await?.filter(is_whole) {
            return Ok(stream);
        }
    }
    let created = link.context.create_stream(stream::config(link.config)).await;
    // Of nodes that create it at the same time, all but one get an error. The stream is there then, maybe with other
    // settings.
    let late = Instant::now() + link.config.patience();
    loop {
        match (link.describe().await?, created.as_ref()) {
            (Some(found), _) if is_whole(&found) => return Ok(found.1),
            // Another node is creating it.
            (Some(_), _) if Instant::now() < late => sleep(PAUSE).await,
            (None, Err(error)) => return Err(of_creation(error, link)),
            (Some(_), _) => return Err(still_creating(link.server, link.config)),
            (None, Ok(_)) => return Err(not_told(link.server, link.config)),
        }
    }
}

fn is_whole((_, stream): &(Stream, Description)) -> bool {
    stream.ends.identity != 0
}

/// The trouble of a stream that another node creates, and that is not there after the patience.
fn still_creating(server: &Server, config: &NatsConfig) -> Trouble {
    let (stream, seconds) = (&config.stream, config.patience().as_secs_f64());
    let text = format!("{server} has been creating the stream {stream:?} for {seconds} s");
    Trouble::new(TroubleKind::Unreachable, text)
}

/// The trouble of a stream that was just created.
fn not_told(server: &Server, config: &NatsConfig) -> Trouble {
    let text = format!("{server} does not know the stream {:?} that it has created", config.stream);
    Trouble::new(TroubleKind::NoLeader, text)
}

fn of_creation(error: &CreateStreamError, link: &Link<'_>) -> Trouble {
    match error.kind() {
        CreateStreamErrorKind::JetStream(error) => {
            trouble::of_jetstream(&error, link.server, link.config)
        }
        _ => trouble::of_request(error, link.server, link.config),
    }
}
