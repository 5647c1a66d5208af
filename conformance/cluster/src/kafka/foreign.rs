//! A foreign client: requests on a plain socket, one at a time.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, GroupId, MetadataRequest, OffsetFetchRequest,
    RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{
    Decodable as _, Encodable as _, HeaderVersion as _, Request, StrBytes,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The error code of a topic that is not there.
const UNKNOWN_TOPIC: i16 = 3;

/// A connection without login and TLS.
pub(crate) struct Foreign(TcpStream);

impl Foreign {
    /// Connects to an address; `None` if nobody is there.
    pub(crate) fn connect(address: &str) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        Some(Self(stream))
    }

    /// The answer to a request; `None` if the server closes the connection.
    pub(crate) fn ask<R: Request>(&mut self, request: &R, version: i16) -> Option<R::Response> {
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(7)
            .with_client_id(Some(StrBytes::from_static_str("stranger")));
        let mut frame = BytesMut::zeroed(4);
        header.encode(&mut frame, R::header_version(version)).expect("a header");
        request.encode(&mut frame, version).expect("a request");
        let length = u32::try_from(frame.len() - 4).expect("a short request");
        frame[..4].copy_from_slice(&length.to_be_bytes());
        self.0.write_all(&frame).ok()?;
        let mut length = [0; 4];
        self.0.read_exact(&mut length).ok()?;
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut answer).ok()?;
        let mut answer = Bytes::from(answer);
        let header = ResponseHeader::decode(&mut answer, R::Response::header_version(version));
        assert_eq!(header.expect("a header").correlation_id, 7);
        Some(R::Response::decode(&mut answer, version).expect("an answer"))
    }

    /// Creates a topic with these settings: `NAME=VALUE`. The error code.
    pub(crate) fn create(&mut self, topic: &str, partitions: i32, settings: &[&str]) -> i16 {
        let setting = |text: &&str| {
            let (name, value) = text.split_once('=').expect("a setting");
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string(name.into()))
                .with_value(Some(StrBytes::from_string(value.into())))
        };
        let topic = CreatableTopic::default()
            .with_name(name(topic))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(settings.iter().map(setting).collect());
        let request =
            CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(5_000);
        self.ask(&request, 5).expect("an answer").topics[0].error_code
    }

    /// The offsets that a group has committed for partitions; negative where there is none.
    pub(crate) fn committed(&mut self, group: &str, topic: &str, partitions: i32) -> Vec<i64> {
        let topic = OffsetFetchRequestTopic::default()
            .with_name(name(topic))
            .with_partition_indexes((0..partitions).collect());
        let request = OffsetFetchRequest::default()
            .with_group_id(GroupId(StrBytes::from_string(group.into())))
            .with_topics(Some(vec![topic]));
        let answer = self.ask(&request, 5).expect("an answer");
        answer.topics[0].partitions.iter().map(|it| it.committed_offset).collect()
    }

    /// Deletes a topic; false if there was none.
    pub(crate) fn delete(&mut self, topic: &str) -> bool {
        let topic = DeleteTopicState::default().with_name(Some(name(topic)));
        let request =
            DeleteTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(5_000);
        let code = self.ask(&request, 6).expect("an answer").responses[0].error_code;
        assert!([0, UNKNOWN_TOPIC].contains(&code), "error {code}");
        code == 0
    }

    /// Whether there is a topic.
    pub(crate) fn has(&mut self, topic: &str) -> bool {
        let topic = MetadataRequestTopic::default().with_name(Some(name(topic)));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![topic]))
            .with_allow_auto_topic_creation(false);
        let answer = self.ask(&request, 9).expect("an answer");
        answer.topics[0].error_code != UNKNOWN_TOPIC
    }
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.into()))
}
