//! Restores a hub from its log, before the server runs.

use sockeye_hub::{Flow, Hub, Misuse, Publication, Run, Seq};

use super::log::Record;

/// Begins in the middle of a log: the messages up to `floor` have been dropped.
///
/// # Errors
/// If something has been restored or published already.
pub(crate) fn floor<M>(hub: &mut Hub<M>, floor: Seq) -> Result<(), Misuse> {
    if floor == Seq::ZERO { Ok(()) } else { hub.lose(floor) }
}

/// Restores the table of runs.
pub(crate) fn runs<M>(hub: &mut Hub<M>, runs: &[Run]) {
    for run in runs {
        hub.add_run(*run);
    }
}

/// Restores a message with this body. Positions between two records are void.
///
/// # Errors
/// If its position is not above that of the last record.
pub(crate) fn message<M>(
    hub: &mut Hub<M>,
    record: &Record<'_>,
    body: M,
    now_ms: u64,
) -> Result<(), Misuse> {
    head(hub, record.position.seq.previous())?;
    let publication = Publication {
        kind: record.kind,
        key: record.key,
        ..Publication::new(record.channel, body, record.payload.cost())
    };
    hub.apply(record.position.seq, publication, now_ms, |_, _| Flow::Full).map(|_| ())
}

/// Moves the head to `head`. Positions up to it that had no record are void.
///
/// # Errors
/// Never, before the server runs: a lower `head` changes nothing.
pub(crate) fn head<M>(hub: &mut Hub<M>, head: Seq) -> Result<(), Misuse> {
    if head > hub.position().seq { hub.void(head) } else { Ok(()) }
}
