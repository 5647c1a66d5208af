//! The brokers, and the partitions of the topic.

use core::time::Duration;

use kafka_protocol::error::ParseResponseErrorCode as _;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{MetadataRequest, TopicName};
use kafka_protocol::protocol::{Request, StrBytes};
use sockeye_backbone::driver::Server;
use sockeye_backbone::{Trouble, TroubleKind};
use tokio::time::timeout;

use crate::config::KafkaConfig;
use crate::link::{Link, Wire};
use crate::trouble::{Place, is_missing};

/// A broker, and a connection to it, if there is one.
pub(super) struct Broker {
    id: i32,
    pub(super) server: Server,
    wire: Option<Wire>,
}

impl Broker {
    pub(super) const fn new(id: i32, server: Server) -> Self {
        Self { id, server, wire: None }
    }

    /// Ends the connection.
    pub(super) fn hang_up(&mut self) {
        self.wire = None;
    }

    /// Runs a step on the connection, which is opened if there is none. After a trouble there is none.
    pub(super) async fn run<T>(
        &mut self,
        config: &KafkaConfig,
        step: impl AsyncFnOnce(&mut Link<'_>) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let place = Place { server: &self.server, config };
        let mut link = match self.wire.take() {
            Some(wire) => Link::of(place, wire),
            None => Link::open(place).await?,
        };
        let done = step(&mut link).await?;
        self.wire = Some(link.into_wire());
        Ok(done)
    }

    /// Sends a request, and waits for its answer for so long besides the patience.
    pub(super) async fn ask<R: Request>(
        &mut self,
        config: &KafkaConfig,
        request: &R,
        wait: Duration,
    ) -> Result<R::Response, Trouble> {
        self.run(config, async |link| {
            let version = link.version::<R>(i16::MAX).ok_or_else(|| link.lacks())?;
            link.send_version(request, version).await?;
            let answer = timeout(config.patience() + wait, link.receive::<R>()).await;
            answer.map_err(|_| link.place.late())?
        })
        .await
    }

    pub(super) const fn place<'p>(&'p self, config: &'p KafkaConfig) -> Place<'p> {
        Place { server: &self.server, config }
    }
}

/// The topic as a broker describes it.
pub(super) struct Layout {
    pub(super) brokers: Vec<Broker>,
    /// What tells the topic from one that had its name before.
    pub(super) life: uuid::Uuid,
    /// The partitions, and where their leaders are among the brokers.
    pub(super) partitions: Vec<(i32, usize)>,
}

impl Layout {
    /// Asks a broker.
    pub(super) async fn ask(mut asked: Broker, config: &KafkaConfig) -> Result<Self, Trouble> {
        let name = TopicName(StrBytes::from_string(config.topic().into()));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![MetadataRequestTopic::default().with_name(Some(name))]))
            .with_allow_auto_topic_creation(false);
        let answer = asked.ask(config, &request, Duration::ZERO).await?;
        let server = asked.server.clone();
        let place = Place { server: &server, config };
        let topic = answer.topics.first().ok_or_else(|| place.strange("no topic is told of"))?;
        match topic.error_code.err() {
            Some(code) if is_missing(code) => {
                let what =
                    format!("has no topic {:?}: create it, or name another one", config.topic());
                return Err(place.trouble(TroubleKind::Settings, &what));
            }
            Some(code) => return Err(place.of_code(code)),
            None => {}
        }
        if topic.topic_id.is_nil() {
            let what = "tells no identifiers of topics: Kafka 2.8 or newer is needed";
            return Err(place.trouble(TroubleKind::Version, what));
        }
        let mut brokers = Vec::new();
        for broker in &answer.brokers {
            let port = u16::try_from(broker.port).map_err(|_| place.strange("a port is none"))?;
            let server = Server { host: broker.host.as_str().into(), port };
            brokers.push(Broker::new(broker.node_id.0, server));
        }
        // A broker that is alone is reached where it was asked, also if it tells another address.
        if let [only] = &mut *brokers {
            asked.id = only.id;
            *only = asked;
        }
        let mut partitions = Vec::new();
        for partition in &topic.partitions {
            let leader = brokers.iter().position(|it| it.id == partition.leader_id.0);
            let leader = leader.ok_or_else(|| {
                let what =
                    format!("has a partition {} without a leader", partition.partition_index);
                place.trouble(TroubleKind::NoLeader, &what)
            })?;
            partitions.push((partition.partition_index, leader));
        }
        partitions.sort_unstable();
        Ok(Self { brokers, life: topic.topic_id, partitions })
    }

    /// The broker with this number, at this address if it is a new one.
    pub(super) fn broker(&mut self, id: i32, server: Server) -> usize {
        if let Some(at) = self.brokers.iter().position(|it| it.id == id) {
            return at;
        }
        self.brokers.push(Broker::new(id, server));
        self.brokers.len() - 1
    }
}
