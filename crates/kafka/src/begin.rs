//! The beginning of a log: the topic and its first entry, which one of many nodes creates.

use core::time::Duration;

use kafka_protocol::error::{ParseResponseErrorCode as _, ResponseError};
use kafka_protocol::messages::CreateTopicsRequest;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use sockeye_backbone::{Trouble, TroubleKind};
use tokio::time::{Instant, sleep};

use crate::link::Link;
use crate::look::{self, Look};
use crate::settings;
use crate::shared::Shared;
use crate::topic::{Cluster, Life};
use crate::trouble::Place;

/// The pause before a topic is looked for again that is being created.
const PAUSE: Duration = Duration::from_millis(20);

/// Creates the topic if there is none, and looks whether it has entries. The topic that the first entry is for; `None`
/// if there is an entry.
///
/// Kafka cannot append on the condition that there is nothing. Of nodes that begin a log at once, more than one may append
/// a first entry, and readers pass over all but the first.
pub(crate) async fn begin(link: &mut Link<'_>, shared: &Shared) -> Result<Option<Life>, Trouble> {
    let late = Instant::now() + link.place.config.patience();
    let mut was_created = false;
    loop {
        match look::look(link, shared, |_| 0).await {
            Ok(Some(Look { range, topic, .. })) => {
                return Ok((range.start >= range.high).then_some(topic.life));
            }
            Ok(None) if !was_created => {
                create(link, shared).await?;
                was_created = true;
            }
            // Brokers hear of a topic one after the other, and it has a leader some time later.
            Ok(None) if Instant::now() < late => sleep(PAUSE).await,
            Err(trouble)
                if was_created
                    && trouble.kind == TroubleKind::NoLeader
                    && Instant::now() < late =>
            {
                sleep(PAUSE).await;
            }
            Ok(None) => return Err(link.place.of_code(ResponseError::LeaderNotAvailable)),
            Err(trouble) => return Err(trouble),
        }
    }
}

/// Creates the topic, by the broker that may.
async fn create(link: &mut Link<'_>, shared: &Shared) -> Result<(), Trouble> {
    let place = link.place;
    let Some(ResponseError::NotController) = ask(link, shared).await? else { return Ok(()) };
    let cluster = Cluster::describe(link).await?;
    let controller = cluster.address(cluster.controller, place.server);
    let server = controller.ok_or_else(|| place.of_code(ResponseError::NotController))?;
    let mut other = Link::open(Place { server, config: place.config }).await?;
    match ask(&mut other, shared).await? {
        Some(code) => Err(other.place.of_code(code)),
        None => Ok(()),
    }
}

/// Asks one broker to create the topic. That it is there already is fine.
async fn ask(link: &mut Link<'_>, shared: &Shared) -> Result<Option<ResponseError>, Trouble> {
    let config = link.place.config;
    let copies = match config.replicas {
        // The broker's default.
        0 => -1,
        count => i16::try_from(count).unwrap_or(i16::MAX),
    };
    let topic = CreatableTopic::default()
        .with_name(shared.topic_name())
        .with_num_partitions(1)
        .with_replication_factor(copies)
        .with_configs(settings::of_new(config));
    let patience_ms = i32::try_from(config.limits.patience_ms).unwrap_or(i32::MAX);
    let request =
        CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(patience_ms);
    let answer = link.ask(&request).await?;
    let result = answer.topics.first();
    let result = result.ok_or_else(|| link.place.strange("no topic is told of"))?;
    match result.error_code.err() {
        None | Some(ResponseError::TopicAlreadyExists) => Ok(None),
        Some(ResponseError::NotController) => Ok(Some(ResponseError::NotController)),
        Some(code) => Err(link.place.of_code(code)),
    }
}
