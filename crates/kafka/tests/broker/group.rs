//! The consumer group of a stand-in, which has one member.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId, FindCoordinatorRequest, FindCoordinatorResponse, HeartbeatRequest, HeartbeatResponse,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
    SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::Request as _;

use super::answers::{Header, read, text};
use super::{Brokers, write};

const MEMBER_ID_REQUIRED: i16 = 79;

/// The name of the member.
const NAME: &str = "m-1";

/// How long a member that joins sleeps between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// What a test tells the group, and what it sees of it.
#[derive(Default)]
pub(crate) struct Group {
    /// A member that joins waits, as it does for others.
    pub(crate) is_waiting: bool,
    /// How many times the member has joined, or begun to.
    pub(crate) joins: usize,
    /// Who has left.
    pub(crate) left: Vec<String>,
}

impl Brokers {
    /// The answer to a request of a member; `None` closes the connection.
    pub(super) fn answer_member(
        &self,
        (key, version): (i16, i16),
        request: Bytes,
        error: Option<i16>,
        header: Header<'_>,
    ) -> Option<BytesMut> {
        let code = error.unwrap_or_default();
        Some(match key {
            FindCoordinatorRequest::KEY => {
                let answer = FindCoordinatorResponse::default()
                    .with_node_id(BrokerId(1))
                    .with_host(text("127.0.0.1"))
                    .with_port(i32::from(self.ports[0]));
                write(&answer, version, header)
            }
            JoinGroupRequest::KEY => write(&self.join(&read(request, version)), version, header),
            SyncGroupRequest::KEY => write(&SyncGroupResponse::default(), version, header),
            HeartbeatRequest::KEY => {
                write(&HeartbeatResponse::default().with_error_code(code), version, header)
            }
            LeaveGroupRequest::KEY => {
                let asked: LeaveGroupRequest = read(request, version);
                self.change(|state| state.group.left.push(asked.member_id.to_string()));
                write(&LeaveGroupResponse::default(), version, header)
            }
            OffsetFetchRequest::KEY => write(&fetch(&read(request, version)), version, header),
            OffsetCommitRequest::KEY => {
                write(&commit(&read(request, version), code), version, header)
            }
            _ => return None,
        })
    }

    fn join(&self, asked: &JoinGroupRequest) -> JoinGroupResponse {
        let answer = JoinGroupResponse::default().with_member_id(text(NAME));
        if asked.member_id.is_empty() {
            return answer.with_error_code(MEMBER_ID_REQUIRED);
        }
        self.change(|state| state.group.joins += 1);
        let mut state = self.lock();
        while state.group.is_waiting {
            state = self.wait(state, LOOK);
        }
        let member = JoinGroupResponseMember::default().with_member_id(text(NAME));
        answer.with_generation_id(1).with_leader(text(NAME)).with_members(vec![member])
    }
}

/// Nothing is committed.
fn fetch(asked: &OffsetFetchRequest) -> OffsetFetchResponse {
    let topic = &asked.topics.as_ref().expect("a topic")[0];
    let partition = |index: &i32| {
        OffsetFetchResponsePartition::default()
            .with_partition_index(*index)
            .with_committed_offset(-1)
    };
    let topic = OffsetFetchResponseTopic::default()
        .with_name(topic.name.clone())
        .with_partitions(topic.partition_indexes.iter().map(partition).collect());
    OffsetFetchResponse::default().with_topics(vec![topic])
}

fn commit(asked: &OffsetCommitRequest, code: i16) -> OffsetCommitResponse {
    let topic = &asked.topics[0];
    let partition =
        OffsetCommitResponsePartition::default().with_partition_index(0).with_error_code(code);
    let topic = OffsetCommitResponseTopic::default()
        .with_name(topic.name.clone())
        .with_partitions(vec![partition]);
    OffsetCommitResponse::default().with_topics(vec![topic])
}
