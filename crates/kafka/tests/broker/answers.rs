//! What a stand-in answers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, BrokerId, CreateTopicsRequest,
    CreateTopicsResponse, DeleteRecordsRequest, DeleteRecordsResponse, DescribeConfigsRequest,
    DescribeConfigsResponse, FetchRequest, FetchResponse, FindCoordinatorRequest, HeartbeatRequest,
    JoinGroupRequest, LeaveGroupRequest, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest,
    MetadataResponse, OffsetCommitRequest, OffsetFetchRequest, ProduceRequest, ProduceResponse,
    SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
    SyncGroupRequest,
};
use kafka_protocol::protocol::{Decodable, Request as _, StrBytes};
use uuid::Uuid;

use super::{Brokers, Log, State, write};

/// The requests that they know, and the newest version of each.
const KNOWN: [(i16, i16); 17] = [
    (ProduceRequest::KEY, 13),
    (FetchRequest::KEY, 17),
    (ListOffsetsRequest::KEY, 9),
    (MetadataRequest::KEY, 12),
    (CreateTopicsRequest::KEY, 7),
    (DeleteRecordsRequest::KEY, 2),
    (DescribeConfigsRequest::KEY, 4),
    (ApiVersionsRequest::KEY, 4),
    (SaslHandshakeRequest::KEY, 1),
    (SaslAuthenticateRequest::KEY, 2),
    (FindCoordinatorRequest::KEY, 3),
    (JoinGroupRequest::KEY, 5),
    (SyncGroupRequest::KEY, 3),
    (HeartbeatRequest::KEY, 3),
    (LeaveGroupRequest::KEY, 2),
    (OffsetCommitRequest::KEY, 7),
    (OffsetFetchRequest::KEY, 7),
];

/// Codes of errors.
pub(crate) const OUT_OF_RANGE: i16 = 1;
pub(crate) const UNKNOWN_TOPIC: i16 = 3;
pub(crate) const NOT_LEADER: i16 = 6;
const NOT_CONTROLLER: i16 = 41;
const ALREADY_EXISTS: i16 = 36;
const UNKNOWN_ID: i16 = 100;
const NOT_LOGGED_IN: i16 = 58;

pub(super) type Header<'h> = &'h mut dyn FnMut(i16) -> BytesMut;

/// The version of a request's header; `None` if the request is not known.
pub(super) fn header_version(key: i16, version: i16) -> Option<i16> {
    let known = KNOWN.iter().any(|(it, max)| *it == key && version <= *max);
    known.then(|| ApiKey::try_from(key).expect("a key").request_header_version(version))
}

pub(super) fn read<R: Decodable>(mut request: Bytes, version: i16) -> R {
    R::decode(&mut request, version).expect("a request")
}

pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.into())
}

impl Brokers {
    pub(super) fn answer_to(
        &self,
        broker: i32,
        (key, version): (i16, i16),
        request: Bytes,
        header: Header<'_>,
    ) -> Option<BytesMut> {
        let state = self.lock();
        let error = state.errors.get(&key).copied();
        Some(match key {
            ProduceRequest::KEY => {
                drop(state);
                write(&self.produce(broker, &read(request, version), error), version, header)
            }
            FetchRequest::KEY => {
                drop(state);
                write(&self.fetch(broker, &read(request, version), error), version, header)
            }
            ListOffsetsRequest::KEY => write(&state.list(&read(request, version)), version, header),
            MetadataRequest::KEY => write(&state.describe(error), version, header),
            CreateTopicsRequest::KEY => {
                drop(state);
                write(&self.create(broker, &read(request, version)), version, header)
            }
            // As Tansu does.
            DeleteRecordsRequest::KEY if error == Some(-1) => return None,
            DeleteRecordsRequest::KEY => {
                drop(state);
                write(&self.delete(&read(request, version), error), version, header)
            }
            DescribeConfigsRequest::KEY => write(&state.settings(error), version, header),
            ApiVersionsRequest::KEY => write(&state.versions(), version, header),
            SaslHandshakeRequest::KEY => {
                let answer = SaslHandshakeResponse::default().with_mechanisms(vec![text("PLAIN")]);
                let asked: SaslHandshakeRequest = read(request, version);
                let error = if &*asked.mechanism == "PLAIN" { 0 } else { 33 };
                write(&answer.with_error_code(error), version, header)
            }
            SaslAuthenticateRequest::KEY => {
                write(&state.log_in(&read(request, version)), version, header)
            }
            _ => {
                drop(state);
                return self.answer_member((key, version), request, error, header);
            }
        })
    }

    fn produce(&self, broker: i32, asked: &ProduceRequest, error: Option<i16>) -> ProduceResponse {
        let topic = &asked.topic_data[0];
        assert_eq!(asked.acks, -1, "all replicas confirm");
        let mut code = 0;
        let mut base = -1;
        self.change(|state| match state.led(broker, topic.topic_id, 0) {
            Err(error) => code = error,
            Ok(_) if error.is_some() => code = error.unwrap_or_default(),
            Ok(log) => {
                let records = topic.partition_data[0].records.as_ref().expect("a batch");
                base = log.append(records);
                if core::mem::take(&mut state.recreates) {
                    state.set_topic(1, BTreeMap::new());
                }
            }
        });
        let partition =
            PartitionProduceResponse::default().with_error_code(code).with_base_offset(base);
        let topic = TopicProduceResponse::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_partition_responses(vec![partition]);
        ProduceResponse::default().with_responses(vec![topic])
    }

    fn fetch(&self, broker: i32, asked: &FetchRequest, error: Option<i16>) -> FetchResponse {
        let topic = &asked.topics[0];
        let until = Instant::now()
            + Duration::from_millis(u64::try_from(asked.max_wait_ms).expect("no negative wait"));
        let mut state = self.lock();
        let mut data = loop {
            let one = |it: &FetchPartition| state.fetch(broker, topic.topic_id, it, error);
            let data: Vec<PartitionData> = topic.partitions.iter().map(one).collect();
            let is_empty = |it: &PartitionData| {
                it.error_code == 0 && it.records.as_ref().is_none_or(Bytes::is_empty)
            };
            let wait = until.saturating_duration_since(Instant::now());
            if wait.is_zero() || !data.iter().all(is_empty) {
                break data;
            }
            state = self.wait(state, wait);
        };
        if core::mem::take(&mut state.deletes) {
            let log = state.topic.as_mut().expect("it was read");
            log.end += 1;
            log.start = log.end;
            let gone = |index| {
                PartitionData::default().with_partition_index(index).with_error_code(OUT_OF_RANGE)
            };
            data.extend(data.iter().map(|it| it.partition_index).map(gone).collect::<Vec<_>>());
        }
        let topic = FetchableTopicResponse::default()
            .with_topic(topic.topic.clone())
            .with_topic_id(topic.topic_id)
            .with_partitions(data);
        FetchResponse::default().with_responses(vec![topic])
    }

    fn create(&self, broker: i32, asked: &CreateTopicsRequest) -> CreateTopicsResponse {
        let topic = &asked.topics[0];
        let setting =
            |it: &kafka_protocol::messages::create_topics_request::CreatableTopicConfig| {
                (it.name.to_string(), it.value.as_ref().expect("a value").to_string())
            };
        let settings: BTreeMap<_, _> = topic.configs.iter().map(setting).collect();
        let mut code = 0;
        self.change(|state| {
            if broker != state.controller {
                code = NOT_CONTROLLER;
            } else if state.topic.is_some() {
                code = ALREADY_EXISTS;
            } else {
                state.set_topic(topic.num_partitions, settings);
                let copies = usize::try_from(topic.replication_factor).unwrap_or(1);
                state.topic.as_mut().expect("it was created").copies = copies;
            }
        });
        let result =
            CreatableTopicResult::default().with_name(topic.name.clone()).with_error_code(code);
        CreateTopicsResponse::default().with_topics(vec![result])
    }

    fn delete(&self, asked: &DeleteRecordsRequest, error: Option<i16>) -> DeleteRecordsResponse {
        let before = asked.topics[0].partitions[0].offset;
        let mut code = error.unwrap_or_default();
        self.change(|state| match &mut state.topic {
            _ if code != 0 => {}
            None => code = UNKNOWN_TOPIC,
            Some(log) if before > log.high() => code = OUT_OF_RANGE,
            Some(log) => log.start = log.start.max(before),
        });
        let partition = DeleteRecordsPartitionResult::default().with_error_code(code);
        let topic = DeleteRecordsTopicResult::default()
            .with_name(asked.topics[0].name.clone())
            .with_partitions(vec![partition]);
        DeleteRecordsResponse::default().with_topics(vec![topic])
    }
}

impl State {
    /// Another topic takes the place of the one that is there.
    pub(crate) fn set_topic(&mut self, partitions: i32, settings: BTreeMap<String, String>) {
        self.created += 1;
        self.topic = Some(Log::new(self.created, partitions, settings));
    }

    /// The topic, if this broker leads the partition and the topic is the one that is meant. Requests that name it have no
    /// identifier.
    fn led(&mut self, broker: i32, id: Uuid, index: i32) -> Result<&mut Log, i16> {
        let leader = self.leader_of(index);
        match &mut self.topic {
            None => Err(if id.is_nil() { UNKNOWN_TOPIC } else { UNKNOWN_ID }),
            Some(log) if !id.is_nil() && log.id != id => Err(UNKNOWN_ID),
            Some(_) if leader != broker => Err(NOT_LEADER),
            Some(log) => Ok(log),
        }
    }

    fn leader_of(&self, index: i32) -> i32 {
        let at = usize::try_from(index).expect("no negative index");
        self.leaders.get(at).copied().unwrap_or(self.leader)
    }

    fn fetch(
        &mut self,
        broker: i32,
        id: Uuid,
        asked: &FetchPartition,
        error: Option<i16>,
    ) -> PartitionData {
        let data = match self.led(broker, id, asked.partition) {
            Err(code) => PartitionData::default().with_error_code(code),
            Ok(_) if error.is_some() => {
                PartitionData::default().with_error_code(error.unwrap_or_default())
            }
            Ok(log) => log.fetch(asked.fetch_offset, asked.partition_max_bytes),
        };
        data.with_partition_index(asked.partition)
    }

    fn describe(&self, error: Option<i16>) -> MetadataResponse {
        let broker = |(id, port): (i32, &u16)| {
            MetadataResponseBroker::default()
                .with_node_id(BrokerId(id))
                .with_host(text("127.0.0.1"))
                .with_port(i32::from(*port))
        };
        let topic = MetadataResponseTopic::default();
        let topic = match &self.topic {
            None => topic.with_error_code(UNKNOWN_TOPIC),
            Some(log) => {
                let partition = |index| {
                    MetadataResponsePartition::default()
                        .with_partition_index(index)
                        .with_leader_id(BrokerId(self.leader_of(index)))
                        .with_replica_nodes(vec![BrokerId(self.leader_of(index)); log.copies])
                };
                let has_ids = self.versions.get(&MetadataRequest::KEY).is_none_or(|max| *max >= 10);
                topic
                    .with_topic_id(if has_ids { log.id } else { Uuid::nil() })
                    .with_error_code(error.unwrap_or_default())
                    .with_partitions((0..log.partitions).map(partition).collect())
            }
        };
        let name = kafka_protocol::messages::TopicName(text("log"));
        MetadataResponse::default()
            .with_brokers((1..).zip(&self.ports).map(broker).collect())
            .with_controller_id(BrokerId(self.controller))
            .with_topics(vec![topic.with_name(Some(name))])
    }

    fn settings(&self, error: Option<i16>) -> DescribeConfigsResponse {
        let told = |(name, value): (&String, &String)| {
            DescribeConfigsResourceResult::default()
                .with_name(text(name))
                .with_value(Some(text(value)))
        };
        let configs = self.topic.iter().flat_map(|log| log.settings.iter().map(told)).collect();
        let code = error.unwrap_or_else(|| if self.topic.is_some() { 0 } else { UNKNOWN_TOPIC });
        let result = DescribeConfigsResult::default().with_error_code(code).with_configs(configs);
        DescribeConfigsResponse::default().with_results(vec![result])
    }

    fn list(&self, asked: &ListOffsetsRequest) -> ListOffsetsResponse {
        let partition = ListOffsetsPartitionResponse::default();
        let partition = match &self.topic {
            None => partition.with_error_code(UNKNOWN_TOPIC),
            Some(log) => match asked.topics[0].partitions[0].timestamp {
                -2 => partition.with_offset(log.start),
                _ => partition.with_offset(log.high()),
            },
        };
        let topic = ListOffsetsTopicResponse::default()
            .with_name(asked.topics[0].name.clone())
            .with_partitions(vec![partition]);
        ListOffsetsResponse::default().with_topics(vec![topic])
    }

    fn versions(&self) -> ApiVersionsResponse {
        let api = |(key, max): &(i16, i16)| {
            let max = self.versions.get(key).copied().unwrap_or(*max);
            let api = ApiVersion::default().with_api_key(*key).with_max_version(max);
            (max >= 0).then_some(api)
        };
        ApiVersionsResponse::default().with_api_keys(KNOWN.iter().filter_map(api).collect())
    }

    fn log_in(&self, asked: &SaslAuthenticateRequest) -> SaslAuthenticateResponse {
        let wanted = self.login.as_ref().map(|(user, password)| format!("\0{user}\0{password}"));
        let is_known = wanted.is_some_and(|wanted| *asked.auth_bytes == *wanted.as_bytes());
        let code = if is_known { 0 } else { NOT_LOGGED_IN };
        SaslAuthenticateResponse::default().with_error_code(code)
    }
}

impl Log {
    fn fetch(&self, from: i64, bytes_max: i32) -> PartitionData {
        let data = PartitionData::default()
            .with_high_watermark(self.high())
            .with_log_start_offset(self.start);
        if !(self.start..=self.end).contains(&from) {
            return PartitionData::default()
                .with_high_watermark(-1)
                .with_log_start_offset(-1)
                .with_error_code(OUT_OF_RANGE);
        }
        data.with_records(Some(self.read(from, usize::try_from(bytes_max).expect("bytes"))))
    }
}
