//! The consumer group: one of its members, the leader, has all partitions. The coordinator refuses commits of all others.

use core::time::Duration;
use std::time::Instant;

use bytes::{BufMut as _, Bytes, BytesMut};
use kafka_protocol::error::{ParseResponseErrorCode as _, ResponseError};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use sockeye_backbone::driver::Server;
use sockeye_backbone::{Trouble, TroubleKind};

use super::cluster::{Broker, Layout};
use super::url::KafkaSourceConfig;

/// How long a member holds without a word: what Kafka allows at the least, by default.
pub(super) const SESSION: Duration = Duration::from_secs(6);

/// How often a member says that it is there.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// How often joining is tried at once, if the coordinator asks for another try.
const TRIES_MAX: usize = 5;

/// The kind of the group, as tools for operators know it, and the way in which its partitions are assigned, which no other
/// client has.
const KIND: &str = "consumer";
const ASSIGNOR: &str = "sockeye";

/// This process in the group. It outlives connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Member {
    id: StrBytes,
    generation: i32,
}

impl Member {
    /// Whether a coordinator has given it a name.
    pub(super) fn is_known(&self) -> bool {
        !self.id.is_empty()
    }
}

/// The membership of one session.
pub(super) struct Group {
    /// Where the coordinator is among the brokers.
    coordinator: usize,
    /// Whether the partitions are this member's; `None` before it has joined.
    is_owner: Option<bool>,
    beat_at: Instant,
}

/// What the coordinator says to a member.
enum Beat {
    Fine,
    Rejoin,
    Gone,
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.into())
}

impl KafkaSourceConfig {
    fn group_id(&self) -> GroupId {
        GroupId(text(&self.group))
    }

    pub(super) fn topic_name(&self) -> TopicName {
        TopicName(text(self.kafka.topic()))
    }
}

impl Group {
    /// Finds the coordinator.
    pub(super) async fn find(
        layout: &mut Layout,
        config: &KafkaSourceConfig,
    ) -> Result<Self, Trouble> {
        let kafka = &config.kafka;
        let request = FindCoordinatorRequest::default().with_key(text(&config.group));
        let asked = layout.brokers.first_mut();
        let asked =
            asked.ok_or_else(|| Trouble::new(TroubleKind::Protocol, "there is no broker"))?;
        let answer = asked.ask(kafka, &request, Duration::ZERO).await?;
        if let Some(code) = answer.error_code.err() {
            return Err(of_code(asked, config, code));
        }
        let port = u16::try_from(answer.port);
        let port = port.map_err(|_| asked.place(kafka).strange("a port is none"))?;
        let server = Server { host: answer.host.as_str().into(), port };
        let coordinator = match layout.brokers.len() {
            // It is reached where it was asked.
            1 => 0,
            _ => layout.broker(answer.node_id.0, server),
        };
        Ok(Self { coordinator, is_owner: None, beat_at: Instant::now() })
    }

    /// Whether the partitions are this member's, which joins if it has not, or has to again.
    pub(super) async fn is_owner(
        &mut self,
        layout: &mut Layout,
        config: &KafkaSourceConfig,
        member: &mut Member,
    ) -> Result<bool, Trouble> {
        if let Some(is_owner) = self.is_owner {
            match self.ask_beat(layout, config, member).await? {
                Beat::Fine => return Ok(is_owner),
                Beat::Rejoin => {}
                Beat::Gone => member.id = StrBytes::default(),
            }
        }
        self.join(layout, config, member).await
    }

    /// Says that this member, the owner, is there, if it is time to. A trouble if it is the owner no more.
    pub(super) async fn beat(
        &mut self,
        layout: &mut Layout,
        config: &KafkaSourceConfig,
        member: &mut Member,
    ) -> Result<(), Trouble> {
        let since = self.beat_at.elapsed();
        if since < BEAT_EVERY {
            return Ok(());
        }
        let is_owner = match since < SESSION {
            true => match self.ask_beat(layout, config, member).await? {
                Beat::Fine => true,
                Beat::Rejoin => self.join(layout, config, member).await?,
                Beat::Gone => {
                    member.id = StrBytes::default();
                    false
                }
            },
            // Somebody else may have been the owner meanwhile.
            false => false,
        };
        if is_owner {
            return Ok(());
        }
        Err(self.overtaken(layout, config))
    }

    fn overtaken(&self, layout: &Layout, config: &KafkaSourceConfig) -> Trouble {
        let place = layout.brokers[self.coordinator].place(&config.kafka);
        place.trouble(TroubleKind::NoLeader, "lets another process take the messages now")
    }

    async fn ask_beat(
        &mut self,
        layout: &mut Layout,
        config: &KafkaSourceConfig,
        member: &Member,
    ) -> Result<Beat, Trouble> {
        let coordinator = &mut layout.brokers[self.coordinator];
        let request = HeartbeatRequest::default()
            .with_group_id(config.group_id())
            .with_generation_id(member.generation)
            .with_member_id(member.id.clone());
        let begun = Instant::now();
        let answer = coordinator.ask(&config.kafka, &request, Duration::ZERO).await?;
        match answer.error_code.err() {
            None => {
                self.beat_at = begun;
                Ok(Beat::Fine)
            }
            Some(ResponseError::RebalanceInProgress) => Ok(Beat::Rejoin),
            Some(ResponseError::UnknownMemberId | ResponseError::IllegalGeneration) => {
                Ok(Beat::Gone)
            }
            Some(code) => Err(of_code(coordinator, config, code)),
        }
    }

    /// Joins. Whether this member is the leader, which has the partitions.
    async fn join(
        &mut self,
        layout: &mut Layout,
        config: &KafkaSourceConfig,
        member: &mut Member,
    ) -> Result<bool, Trouble> {
        self.is_owner = None;
        let mut tries = 1;
        loop {
            match self.try_to_join(layout, config, member).await? {
                Ok(is_owner) => {
                    (self.is_owner, self.beat_at) = (Some(is_owner), Instant::now());
                    return Ok(is_owner);
                }
                Err(code) if is_final(code) || tries >= TRIES_MAX => {
                    return Err(of_code(&layout.brokers[self.coordinator], config, code));
                }
                Err(ResponseError::UnknownMemberId) => member.id = StrBytes::default(),
                Err(_) => {}
            }
            tries += 1;
        }
    }

    async fn try_to_join(
        &self,
        layout: &mut Layout,
        config: &KafkaSourceConfig,
        member: &mut Member,
    ) -> Result<Result<bool, ResponseError>, Trouble> {
        let partitions: Vec<i32> = layout.partitions.iter().map(|(index, _)| *index).collect();
        let coordinator = &mut layout.brokers[self.coordinator];
        let request = join_request(config, member);
        // The coordinator waits for all members that it knows.
        let joined = coordinator.ask(&config.kafka, &request, 2 * SESSION).await?;
        match joined.error_code.err() {
            Some(code @ ResponseError::MemberIdRequired) => {
                member.id = joined.member_id;
                return Ok(Err(code));
            }
            Some(code) => return Ok(Err(code)),
            None => {}
        }
        (member.id, member.generation) = (joined.member_id.clone(), joined.generation_id);
        let request = sync_request(config, member, &joined, &partitions);
        let synced = coordinator.ask(&config.kafka, &request, SESSION).await?;
        let is_owner = joined.leader == joined.member_id;
        Ok(synced.error_code.err().map_or(Ok(is_owner), Err))
    }

    // --- The place -------------------------------------------------------------------------------

    /// Asks for the commits of the partitions: offsets, which are negative if there is none, and metadata.
    pub(super) async fn committed(
        &self,
        layout: &mut Layout,
        config: &KafkaSourceConfig,
    ) -> Result<Vec<(i32, i64, String)>, Trouble> {
        let indexes = layout.partitions.iter().map(|(index, _)| *index).collect();
        let topic = OffsetFetchRequestTopic::default()
            .with_name(config.topic_name())
            .with_partition_indexes(indexes);
        let request = OffsetFetchRequest::default()
            .with_group_id(config.group_id())
            .with_topics(Some(vec![topic]));
        let coordinator = &mut layout.brokers[self.coordinator];
        let answer = coordinator.ask(&config.kafka, &request, Duration::ZERO).await?;
        let mut commits = Vec::new();
        let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        for partition in partitions {
            let code = answer.error_code.err().or_else(|| partition.error_code.err());
            if let Some(code) = code {
                return Err(of_code(coordinator, config, code));
            }
            let metadata = partition.metadata.as_deref().unwrap_or_default().to_owned();
            commits.push((partition.partition_index, partition.committed_offset, metadata));
        }
        match answer.error_code.err() {
            Some(code) => Err(of_code(coordinator, config, code)),
            None => Ok(commits),
        }
    }

    /// Commits places: offsets and metadata by partition. The coordinator takes them of the owner only.
    pub(super) async fn commit(
        &mut self,
        layout: &mut Layout,
        config: &KafkaSourceConfig,
        member: &mut Member,
        commits: &[(i32, i64, String)],
    ) -> Result<(), Trouble> {
        for is_last in [false, true] {
            let request = commit_request(config, member, commits);
            let coordinator = &mut layout.brokers[self.coordinator];
            let answer = coordinator.ask(&config.kafka, &request, Duration::ZERO).await?;
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            match partitions.filter_map(|it| it.error_code.err()).next() {
                None => return Ok(()),
                Some(ResponseError::RebalanceInProgress) if !is_last => {
                    if !self.join(layout, config, member).await? {
                        return Err(self.overtaken(layout, config));
                    }
                }
                Some(ResponseError::UnknownMemberId | ResponseError::IllegalGeneration) => {
                    self.is_owner = None;
                    return Err(self.overtaken(layout, config));
                }
                Some(code) => return Err(of_code(coordinator, config, code)),
            }
        }
        Ok(())
    }

    /// Leaves, so that another process need not wait.
    pub(super) async fn leave(
        &self,
        layout: &mut Layout,
        config: &KafkaSourceConfig,
        member: &Member,
    ) -> Result<(), Trouble> {
        let request = LeaveGroupRequest::default()
            .with_group_id(config.group_id())
            .with_member_id(member.id.clone());
        let coordinator = &mut layout.brokers[self.coordinator];
        coordinator.ask(&config.kafka, &request, Duration::ZERO).await.map(drop)
    }
}

/// Whether joining again would not help.
const fn is_final(code: ResponseError) -> bool {
    !matches!(
        code,
        ResponseError::MemberIdRequired
            | ResponseError::RebalanceInProgress
            | ResponseError::UnknownMemberId
            | ResponseError::IllegalGeneration
    )
}

fn join_request(config: &KafkaSourceConfig, member: &Member) -> JoinGroupRequest {
    let session_ms = i32::try_from(SESSION.as_millis()).unwrap_or(i32::MAX);
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text(ASSIGNOR))
        .with_metadata(subscription(config.kafka.topic()));
    JoinGroupRequest::default()
        .with_group_id(config.group_id())
        .with_session_timeout_ms(session_ms)
        .with_rebalance_timeout_ms(session_ms)
        .with_member_id(member.id.clone())
        .with_protocol_type(text(KIND))
        .with_protocols(vec![protocol])
}

fn sync_request(
    config: &KafkaSourceConfig,
    member: &Member,
    joined: &JoinGroupResponse,
    partitions: &[i32],
) -> SyncGroupRequest {
    let assigned = |id: &StrBytes| match *id == joined.member_id {
        true => assignment(config.kafka.topic(), partitions),
        false => assignment(config.kafka.topic(), &[]),
    };
    let is_leader = joined.leader == joined.member_id;
    let members = joined.members.iter().filter(|_| is_leader);
    let assignments = members.map(|it| {
        SyncGroupRequestAssignment::default()
            .with_member_id(it.member_id.clone())
            .with_assignment(assigned(&it.member_id))
    });
    SyncGroupRequest::default()
        .with_group_id(config.group_id())
        .with_generation_id(member.generation)
        .with_member_id(member.id.clone())
        .with_assignments(assignments.collect())
}

fn commit_request(
    config: &KafkaSourceConfig,
    member: &Member,
    commits: &[(i32, i64, String)],
) -> OffsetCommitRequest {
    let partition = |(index, offset, metadata): &(i32, i64, String)| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(*index)
            .with_committed_offset(*offset)
            .with_committed_metadata(Some(text(metadata)))
    };
    let topic = OffsetCommitRequestTopic::default()
        .with_name(config.topic_name())
        .with_partitions(commits.iter().map(partition).collect());
    OffsetCommitRequest::default()
        .with_group_id(config.group_id())
        .with_generation_id_or_member_epoch(member.generation)
        .with_member_id(member.id.clone())
        .with_topics(vec![topic])
}

/// What a member wants, in the form of consumers: version, topics, and no data of its own.
fn subscription(topic: &str) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes.put_i32(1);
    put_text(topic, &mut bytes);
    bytes.put_i32(-1);
    bytes.freeze()
}

/// What a member has, in the form of consumers: version, topics with partitions, and no data of its own.
fn assignment(topic: &str, partitions: &[i32]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    if partitions.is_empty() {
        bytes.put_i32(0);
    } else {
        bytes.put_i32(1);
        put_text(topic, &mut bytes);
        bytes.put_i32(i32::try_from(partitions.len()).unwrap_or(i32::MAX));
        partitions.iter().for_each(|index| bytes.put_i32(*index));
    }
    bytes.put_i32(-1);
    bytes.freeze()
}

fn put_text(text: &str, into: &mut BytesMut) {
    into.put_i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
    into.put_slice(text.as_bytes());
}

/// The trouble that an answer of a broker is.
pub(super) fn of_code(
    coordinator: &Broker,
    config: &KafkaSourceConfig,
    code: ResponseError,
) -> Trouble {
    let place = coordinator.place(&config.kafka);
    let group = &config.group;
    let (kind, what) = match code {
        ResponseError::InconsistentGroupProtocol => (
            TroubleKind::Settings,
            format!("has other consumers in the group {group:?}: name another one (?group=NAME)"),
        ),
        ResponseError::InvalidSessionTimeout => (
            TroubleKind::Settings,
            "takes no members whose session is 6 s: lower group.min.session.timeout.ms".to_owned(),
        ),
        ResponseError::TopicAuthorizationFailed => {
            let topic = config.kafka.topic();
            (
                TroubleKind::Login,
                format!(
                    "does not let the user read: allow Read and Describe on the topic {topic:?}"
                ),
            )
        }
        ResponseError::GroupAuthorizationFailed => (
            TroubleKind::Login,
            format!("does not let the user into the group {group:?}: allow Read on it"),
        ),
        ResponseError::NotCoordinator
        | ResponseError::CoordinatorNotAvailable
        | ResponseError::CoordinatorLoadInProgress
        | ResponseError::RebalanceInProgress
        | ResponseError::UnknownMemberId
        | ResponseError::IllegalGeneration
        | ResponseError::MemberIdRequired => {
            (TroubleKind::NoLeader, format!("does not coordinate the group {group:?} now"))
        }
        code => return place.of_code(code),
    };
    place.trouble(kind, &format!("{what} ({code:?})"))
}
