//! Trimming: the entries before a position are purged.

use core::convert::Infallible;

use async_nats::jetstream::stream::PurgeErrorKind;
use sockeye_backbone::driver::Trim;
use sockeye_backbone::{LogEnds, Trouble};

use crate::link::{Link, is_missing};
use crate::shared::Shared;
use crate::trouble;

/// Trims until the session is over.
pub(crate) async fn run(shared: &Shared, link: &Link<'_>) -> Result<Infallible, Trouble> {
    loop {
        if let Some(trim) = shared.tasks.queues.take_trim() {
            // If this fails, the trim is forgotten. The owner asks again, for more, when it has more to drop.
            purge(link, trim).await?;
        }
        shared.tasks.has_trim.notified().await;
    }
}

/// Drops the entries before a sequence.
async fn purge(link: &Link<'_>, trim: Trim) -> Result<(), Trouble> {
    // Without a stream there is nothing to trim. The reader tells the owner.
    let Some((stream, description)) = link.describe().await? else { return Ok(()) };
    if !drops_some_and_keeps_others(trim, description.ends) {
        return Ok(());
    }
    let (server, config) = (link.server, link.config);
    let Err(error) = stream.purge().sequence(trim.before.number).await else { return Ok(()) };
    match error.kind() {
        PurgeErrorKind::JetStream(error) if is_missing(&error) => Ok(()),
        PurgeErrorKind::JetStream(error) => Err(trouble::of_jetstream(&error, server, config)),
        PurgeErrorKind::Request | PurgeErrorKind::TimedOut => {
            Err(trouble::of_request(&error, server, config))
        }
    }
}

/// Whether a purge may be asked for. nats-server before 2.12.10 and 2.14.2 purges *everything* if it is asked for the
/// messages before sequence 1 (nats-server#8241), and every version does if the sequence is behind the end, as that of
/// a former life of the log may be.
fn drops_some_and_keeps_others(trim: Trim, ends: LogEnds) -> bool {
    let (Some(first), Some(last)) = (ends.first, ends.last) else { return false };
    let keeps_others = (first.number.saturating_add(1)..=last.number).contains(&trim.before.number);
    [0, ends.identity].contains(&trim.identity) && keeps_others
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::position;

    #[test]
    fn a_purge_that_could_empty_the_stream_is_never_asked_for() {
        let ends = LogEnds { identity: 7, first: Some(position(1)), last: Some(position(9)) };
        let asks = |before, ends| {
            drops_some_and_keeps_others(Trim { identity: 7, before: position(before) }, ends)
        };
        let asked: Vec<u64> = (0..12).filter(|before| asks(*before, ends)).collect();
        assert_eq!(asked, [2, 3, 4, 5, 6, 7, 8, 9]);
        let trimmed = LogEnds { first: Some(position(5)), ..ends };
        let asked: Vec<u64> = (0..12).filter(|before| asks(*before, trimmed)).collect();
        assert_eq!(asked, [6, 7, 8, 9], "what is gone is not asked for again");
        assert!(!asks(5, LogEnds { identity: 8, ..ends }), "it is another log");
        let newest = LogEnds { first: Some(position(u64::MAX)), ..ends };
        assert!(!asks(5, newest), "a server may send any number");
        let own = Trim { identity: 0, before: position(5) };
        assert!(drops_some_and_keeps_others(own, ends), "it began while the owner was there");
        assert!(!asks(5, LogEnds { identity: 7, first: None, last: None }), "it is empty");
    }
}
