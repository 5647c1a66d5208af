//! The ends of the log.

use core::time::Duration;

use kafka_protocol::error::{ParseResponseErrorCode as _, ResponseError};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest, TopicName};
use sockeye_backbone::Trouble;
use tokio::time::{Instant, sleep, timeout};

use crate::fetch::{Fetch, Fetched};
use crate::link::Link;
use crate::range::Range;
use crate::topic::Life;
use crate::trouble::is_missing;

/// The times that stand for the ends.
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

/// How long a server may wait for entries, if it says nothing in a shorter time.
const WAIT_MS_MAX: i32 = 200;

/// The pause before a server is asked again that does not know the end yet.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks for the ends. `known` is a high watermark that was told before, or zero. `None` if there is no such topic now.
///
/// A broker that has just become the leader may have entries, and not know yet that they are confirmed: its high watermark
/// is lower than the former leader's for a moment. So a lower one counts only if the entries before `known` are not there,
/// or if it stays.
pub(crate) async fn ask(
    link: &mut Link<'_>,
    name: &TopicName,
    life: Life,
    known: i64,
) -> Result<Option<Range>, Trouble> {
    let place = link.place;
    let late = Instant::now() + place.config.patience();
    let mut wait_ms = 1;
    loop {
        // Nothing is behind the watermark, so no entries are sent.
        Fetch { from: known, wait_ms, bytes_max: 1 }.send(link, name, life).await?;
        let fetched = timeout(place.config.patience(), Fetched::receive(link)).await;
        let fetched = fetched.map_err(|_| place.late())??;
        let is_late = Instant::now() >= late;
        let Some(fetched) = fetched else {
            wait_ms = (wait_ms * 4).min(WAIT_MS_MAX);
            if is_late {
                return Err(place.strange("no partition is told of"));
            }
            continue;
        };
        match fetched.error {
            None if fetched.range.high >= known || is_late => return Ok(Some(fetched.range)),
            None => {}
            Some(ResponseError::OffsetOutOfRange) => match listed(link, name).await? {
                Ok(range) => return Ok(Some(range)),
                Err(code) if is_missing(code) => return Ok(None),
                Err(ResponseError::OffsetNotAvailable) if !is_late => {}
                Err(code) => return Err(place.of_code(code)),
            },
            Some(code) if is_missing(code) => return Ok(None),
            Some(ResponseError::OffsetNotAvailable) if !is_late => {}
            Some(code) => return Err(place.of_code(code)),
        }
        sleep(PAUSE).await;
    }
}

/// Asks for both ends by their own requests.
async fn listed(
    link: &mut Link<'_>,
    name: &TopicName,
) -> Result<Result<Range, ResponseError>, Trouble> {
    let mut offsets = [0; 2];
    for (offset, time) in offsets.iter_mut().zip([EARLIEST, LATEST]) {
        let partition = ListOffsetsPartition::default().with_timestamp(time);
        let topic =
            ListOffsetsTopic::default().with_name(name.clone()).with_partitions(vec![partition]);
        let request =
            ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
        let answer = link.ask(&request).await?;
        let partition = answer.topics.first().and_then(|topic| topic.partitions.first());
        let partition = partition.ok_or_else(|| link.place.strange("no partition is told of"))?;
        if let Some(code) = partition.error_code.err() {
            return Ok(Err(code));
        }
        *offset = partition.offset;
    }
    let [start, high] = offsets;
    Ok(Ok(Range { start, high }))
}
