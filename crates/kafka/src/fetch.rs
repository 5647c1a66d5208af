//! One request for entries, and its answer.

use bytes::Bytes;
use kafka_protocol::error::{ParseResponseErrorCode as _, ResponseError};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{FetchRequest, TopicName};
use sockeye_backbone::Trouble;

use crate::link::Link;
use crate::range::Range;
use crate::topic::Life;
use crate::versions::FETCH_BY_ID;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetch {
    /// The offset of the first entry.
    pub(crate) from: i64,
    /// How long the server waits for entries, in milliseconds.
    pub(crate) wait_ms: i32,
    /// The bytes of an answer. The first batch may be larger.
    pub(crate) bytes_max: i32,
}

/// What the server says.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) error: Option<ResponseError>,
    pub(crate) range: Range,
    pub(crate) records: Bytes,
}

impl Fetch {
    /// Sends the request. It names the topic by its identifier, if the server knows such requests.
    pub(crate) async fn send(
        self,
        link: &mut Link<'_>,
        name: &TopicName,
        life: Life,
    ) -> Result<(), Trouble> {
        let version_max = if life.0.is_nil() { FETCH_BY_ID - 1 } else { i16::MAX };
        let version = link.version::<FetchRequest>(version_max).ok_or_else(|| link.lacks())?;
        let topic = if version < FETCH_BY_ID {
            FetchTopic::default().with_topic(name.clone())
        } else {
            FetchTopic::default().with_topic_id(life.0)
        };
        let partition = FetchPartition::default()
            .with_fetch_offset(self.from)
            .with_partition_max_bytes(self.bytes_max);
        let request = FetchRequest::default()
            .with_max_wait_ms(self.wait_ms)
            .with_min_bytes(1)
            .with_max_bytes(self.bytes_max)
            .with_topics(vec![topic.with_partitions(vec![partition])]);
        link.send_version(&request, version).await
    }
}

impl Fetched {
    /// Waits for the answer. It may be dropped, and asked for again. `None` if it says nothing: Tansu 0.6 answers so where
    /// the time is over before it has looked.
    pub(crate) async fn receive(link: &mut Link<'_>) -> Result<Option<Self>, Trouble> {
        let answer = link.receive::<FetchRequest>().await?;
        if let Some(code) = answer.error_code.err() {
            return Err(link.place.of_code(code));
        }
        let partition = answer.responses.first().and_then(|topic| topic.partitions.first());
        Ok(partition.map(|partition| Self {
            error: partition.error_code.err(),
            range: Range { start: partition.log_start_offset, high: partition.high_watermark },
            records: partition.records.clone().unwrap_or_default(),
        }))
    }
}
