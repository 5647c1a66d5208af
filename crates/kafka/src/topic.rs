//! The cluster and the topic, as the servers describe them.

use kafka_protocol::error::{ParseResponseErrorCode as _, ResponseError};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use sockeye_backbone::driver::Server;
use sockeye_backbone::{Trouble, TroubleKind};
use uuid::Uuid;

use crate::link::Link;
use crate::trouble::{Place, is_missing};

/// A topic between its creation and its deletion: its identifier. Servers before Kafka 2.8 have none, and give zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life(pub(crate) Uuid);

/// The one partition of the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) life: Life,
    /// The broker that takes appends.
    pub(crate) leader: i32,
    pub(crate) copies: usize,
}

/// What a server knows.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    id: Box<str>,
    brokers: Vec<(i32, Server)>,
    /// The broker that creates topics.
    pub(crate) controller: i32,
    /// `None` if there is no such topic.
    pub(crate) topic: Option<Topic>,
}

impl Cluster {
    /// Asks a server, and waits for the answer within the patience.
    pub(crate) async fn describe(link: &mut Link<'_>) -> Result<Self, Trouble> {
        let answer = link.ask(&request(link.place)).await?;
        Self::new(&answer, link.place)
    }

    /// Asks a server behind other requests.
    pub(crate) async fn send(link: &mut Link<'_>) -> Result<(), Trouble> {
        let version = link.version::<MetadataRequest>(i16::MAX).ok_or_else(|| link.lacks())?;
        link.send_version(&request(link.place), version).await
    }

    /// Waits for the answer, if it is that to the oldest request.
    pub(crate) async fn receive(link: &mut Link<'_>) -> Result<Self, Trouble> {
        let answer = link.receive::<MetadataRequest>().await?;
        Self::new(&answer, link.place)
    }

    fn new(answer: &MetadataResponse, place: Place<'_>) -> Result<Self, Trouble> {
        let mut brokers = Vec::new();
        for broker in &answer.brokers {
            let port = u16::try_from(broker.port).map_err(|_| place.strange("a port is none"))?;
            brokers.push((broker.node_id.0, Server { host: broker.host.as_str().into(), port }));
        }
        let topic = answer.topics.first().map(|topic| describe(topic, place)).transpose()?;
        Ok(Self {
            id: answer.cluster_id.as_deref().unwrap_or_default().into(),
            brokers,
            controller: answer.controller_id.0,
            topic: topic.flatten(),
        })
    }

    /// The address of a broker. A broker that is alone is reached where it was asked, also if it tells another address.
    pub(crate) fn address<'a>(&'a self, broker: i32, asked: &'a Server) -> Option<&'a Server> {
        if let [(only, _)] = &*self.brokers {
            return (*only == broker).then_some(asked);
        }
        self.brokers.iter().find(|(id, _)| *id == broker).map(|(_, server)| server)
    }

    /// A number that another cluster or another topic does not have; zero if the server tells no identifier.
    pub(crate) fn identity(&self) -> u64 {
        let Some(topic) = self.topic.filter(|topic| !topic.life.0.is_nil()) else { return 0 };
        let text = format!("{} {}", self.id, topic.life.0.as_u128());
        // FNV-1a.
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        text.bytes().fold(0xcbf2_9ce4_8422_2325, mix).max(1)
    }
}

fn request(place: Place<'_>) -> MetadataRequest {
    let name = TopicName(StrBytes::from_string(place.config.topic().into()));
    MetadataRequest::default()
        .with_topics(Some(vec![MetadataRequestTopic::default().with_name(Some(name))]))
        .with_allow_auto_topic_creation(false)
}

fn describe(topic: &MetadataResponseTopic, place: Place<'_>) -> Result<Option<Topic>, Trouble> {
    let name = place.config.topic();
    match topic.error_code.err() {
        Some(code) if is_missing(code) => return Ok(None),
        Some(ResponseError::InvalidTopicException) => {
            let what = format!("takes no topic {name:?}: name another one");
            return Err(place.trouble(TroubleKind::Settings, &what));
        }
        Some(code) => return Err(place.of_code(code)),
        None => {}
    }
    let [partition] = &*topic.partitions else {
        let (count, kind) = (topic.partitions.len(), TroubleKind::Settings);
        let what = format!(
            "has a topic {name:?} of {count} partitions, and a log has one: name another topic, or delete it"
        );
        return Err(place.trouble(kind, &what));
    };
    led(topic, partition, place).map(Some)
}

fn led(
    topic: &MetadataResponseTopic,
    partition: &MetadataResponsePartition,
    place: Place<'_>,
) -> Result<Topic, Trouble> {
    // Others than the leader's may be told by brokers that are there.
    if partition.leader_id.0 < 0 {
        return Err(place.of_code(ResponseError::LeaderNotAvailable));
    }
    Ok(Topic {
        life: Life(topic.topic_id),
        leader: partition.leader_id.0,
        copies: partition.replica_nodes.len(),
    })
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::BrokerId;
    use kafka_protocol::messages::metadata_response::MetadataResponseBroker;

    use super::*;
    use crate::config::KafkaConfig;

    fn answer(brokers: &[i32], id: u128, leaders: &[i32]) -> MetadataResponse {
        let partition =
            |leader: &i32| MetadataResponsePartition::default().with_leader_id(BrokerId(*leader));
        let topic = MetadataResponseTopic::default()
            .with_topic_id(Uuid::from_u128(id))
            .with_partitions(leaders.iter().map(partition).collect());
        let broker = |id: &i32| {
            MetadataResponseBroker::default()
                .with_node_id(BrokerId(*id))
                .with_host(StrBytes::from_string(format!("b{id}")))
                .with_port(9092)
        };
        MetadataResponse::default()
            .with_cluster_id(Some(StrBytes::from_static_str("c")))
            .with_brokers(brokers.iter().map(broker).collect())
            .with_topics(vec![topic])
    }

    fn read(answer: &MetadataResponse) -> Result<Cluster, Trouble> {
        let config = KafkaConfig::from_url("kafka://h/log").expect("a URL");
        Cluster::new(answer, Place { server: &config.servers[0], config: &config })
    }

    #[test]
    fn a_log_has_one_partition() {
        let one = read(&answer(&[1], 7, &[1])).expect("one partition");
        assert_eq!(one.topic.map(|topic| topic.leader), Some(1));
        for leaders in [&[1, 1][..], &[]] {
            let trouble = read(&answer(&[1], 7, leaders)).expect_err("not one");
            assert_eq!(trouble.kind, TroubleKind::Settings);
            assert!(trouble.text.contains("\"log\"") && trouble.text.contains("name another"));
        }
        let trouble = read(&answer(&[1], 7, &[-1])).expect_err("it has no leader");
        assert_eq!(trouble.kind, TroubleKind::NoLeader);
    }

    #[test]
    fn a_topic_that_is_not_there_is_no_trouble() {
        let mut missing = answer(&[1], 0, &[]);
        missing.topics[0].error_code = ResponseError::UnknownTopicOrPartition.code();
        let cluster = read(&missing).expect("it may come");
        assert_eq!((cluster.topic, cluster.identity()), (None, 0));
        missing.topics[0].error_code = ResponseError::TopicAuthorizationFailed.code();
        assert_eq!(read(&missing).expect_err("no right").kind, TroubleKind::Login);
    }

    #[test]
    fn a_name_that_is_refused_is_shown_with_one_escape() {
        let mut refused = answer(&[1], 0, &[]);
        refused.topics[0].error_code = ResponseError::InvalidTopicException.code();
        let mut config = KafkaConfig::from_url("kafka://h").expect("a URL");
        config.topic = "a\\b\"c".into();
        let place = Place { server: &config.servers[0], config: &config };
        let trouble = Cluster::new(&refused, place).expect_err("it is refused");
        assert!(trouble.text.contains(r#" "a\\b\"c":"#), "{trouble}");
    }

    #[test]
    fn the_identity_is_that_of_the_topic_in_its_cluster() {
        let identity = |answer: &MetadataResponse| read(answer).expect("a cluster").identity();
        let one = answer(&[1], 7, &[1]);
        let other_cluster = one.clone().with_cluster_id(Some(StrBytes::from_static_str("d")));
        assert_eq!(identity(&one), identity(&answer(&[1, 2], 7, &[2])), "another leader");
        assert_ne!(identity(&one), identity(&answer(&[1], 8, &[1])), "another topic");
        assert_ne!(identity(&one), identity(&other_cluster));
        assert_eq!(identity(&answer(&[1], 0, &[1])), 0, "an old server has no identifiers");
    }

    #[test]
    fn a_broker_that_is_alone_is_reached_where_it_was_asked() {
        let asked = Server { host: "h".into(), port: 1 };
        let alone = read(&answer(&[3], 7, &[3])).expect("a cluster");
        assert_eq!(alone.address(3, &asked), Some(&asked));
        assert_eq!(alone.address(4, &asked), None);
        let two = read(&answer(&[3, 4], 7, &[4])).expect("a cluster");
        assert_eq!(two.address(4, &asked).map(|it| &*it.host), Some("b4"));
        assert_eq!(two.address(5, &asked), None);
    }
}
