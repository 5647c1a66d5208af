//! Trimming: the records before an offset are deleted, over a connection of its own.

use core::convert::Infallible;

use kafka_protocol::error::{ParseResponseErrorCode as _, ResponseError};
use kafka_protocol::messages::DeleteRecordsRequest;
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use sockeye_backbone::driver::Trim;
use sockeye_backbone::{LogEnds, Trouble, TroubleKind};

use crate::link::Link;
use crate::look::{self, Look};
use crate::range::offset;
use crate::shared::Shared;
use crate::trouble::{Place, is_missing};

/// Looks whether the server trims, by a trim that deletes nothing. `None` if it closes the connection, as Tansu does.
pub(crate) async fn probe<'c>(
    place: Place<'c>,
    shared: &Shared,
    look: Option<&Look>,
) -> Result<Option<Link<'c>>, Trouble> {
    let mut link = Link::open(place).await?;
    if link.version::<DeleteRecordsRequest>(i16::MAX).is_none() {
        return Ok(None);
    }
    match delete(&mut link, shared, look.map_or(0, |look| look.range.start)).await {
        Ok(()) => Ok(Some(link)),
        Err(trouble) if trouble.kind == TroubleKind::Unreachable => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

/// Trims until the session is over.
pub(crate) async fn run(
    shared: &Shared,
    mut link: Option<Link<'_>>,
) -> Result<Infallible, Trouble> {
    loop {
        if let Some(trim) = shared.tasks.queues.take_trim()
            && let Some(link) = &mut link
        {
            // If this fails, the trim is forgotten. The owner asks again, for more, when it has more to drop.
            trim_before(link, shared, trim).await?;
        }
        shared.tasks.has_trim.notified().await;
    }
}

async fn trim_before(link: &mut Link<'_>, shared: &Shared, trim: Trim) -> Result<(), Trouble> {
    // Without a topic there is nothing to trim. The reader tells the owner.
    let Some(look) = look::look(link, shared, |_| 0).await? else { return Ok(()) };
    if drops_some_and_keeps_others(trim, look.range.ends(look.identity)) {
        delete(link, shared, offset(trim.before)).await?;
    }
    Ok(())
}

/// Whether a trim may be asked for. One behind the end would empty the log: it is meant for a former one.
fn drops_some_and_keeps_others(trim: Trim, ends: LogEnds) -> bool {
    let (Some(first), Some(last)) = (ends.first, ends.last) else { return false };
    [0, ends.identity].contains(&trim.identity) && trim.before > first && trim.before <= last
}

/// Deletes the records before an offset.
async fn delete(link: &mut Link<'_>, shared: &Shared, before: i64) -> Result<(), Trouble> {
    let partition = DeleteRecordsPartition::default().with_offset(before);
    let topic = DeleteRecordsTopic::default()
        .with_name(shared.topic_name())
        .with_partitions(vec![partition]);
    let patience_ms = i32::try_from(link.place.config.limits.patience_ms).unwrap_or(i32::MAX);
    let request =
        DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(patience_ms);
    let answer = link.ask(&request).await?;
    let partition = answer.topics.first().and_then(|topic| topic.partitions.first());
    match partition.and_then(|partition| partition.error_code.err()) {
        // It was trimmed or emptied meanwhile, or is gone.
        None | Some(ResponseError::OffsetOutOfRange) => Ok(()),
        Some(code) if is_missing(code) => Ok(()),
        Some(code) => Err(link.place.of_code(code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::range::position;

    #[test]
    fn a_trim_that_could_empty_the_log_is_never_asked_for() {
        let ends = LogEnds { identity: 7, first: Some(position(4)), last: Some(position(8)) };
        let asks = |identity, number| {
            let before = sockeye_backbone::Position::new(0, number);
            drops_some_and_keeps_others(Trim { identity, before }, ends)
        };
        let asked: Vec<u64> = (0..12).filter(|number| asks(7, *number)).collect();
        assert_eq!(asked, [6, 7, 8, 9], "numbers are one more than offsets");
        assert!(asks(0, 6), "the log began while the owner was there");
        assert!(!asks(8, 6), "it is another log");
        let empty = LogEnds { first: None, last: None, ..ends };
        assert!(!drops_some_and_keeps_others(Trim { identity: 7, before: position(5) }, empty));
    }
}
