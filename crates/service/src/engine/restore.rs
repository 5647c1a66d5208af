//! Restoring a service from its log.

use std::rc::Rc;

use sockeye_hub::{Entry, Flow, Kind, Misuse, Publication, Seq, SubscriberKey};

use crate::engine::Engine;
use crate::engine::body::Body;
use crate::engine::dialect::Dialect;
use crate::sequencing::Record;

impl<D: Dialect> Engine<D> {
    /// Begins in the middle of a log: the messages up to `floor` have been dropped.
    ///
    /// # Errors
    /// If something has been restored or published already.
    pub(crate) fn restore_floor(&mut self, floor: Seq) -> Result<(), Misuse> {
        if floor == Seq::ZERO { Ok(()) } else { self.hub.lose(floor) }
    }

    /// Restores a message from the log. Call it in the log's order, before the server runs. Positions
    /// between two records are void.
    ///
    /// # Errors
    /// If its position is not above that of the last record.
    pub(crate) fn restore(&mut self, record: &Record<'_>) -> Result<(), Misuse> {
        self.restore_head(Seq(record.position.seq.0.saturating_sub(1)))?;
        let publication = Publication {
            kind: record.kind,
            key: record.key,
            ..Publication::new(
                record.channel,
                Body::new(record.payload.clone()),
                record.payload.cost(),
            )
        };
        self.now_ms = self.now_ms.max(record.time_ms);
        let nobody = |_: SubscriberKey, _: &Rc<Entry<Body<D::Forms>>>| Flow::Full;
        self.hub.apply(record.position.seq, publication, self.now_ms, nobody).map(|_| ())
    }

    /// Moves the head to `head`. Positions up to it that had no record are void.
    ///
    /// # Errors
    /// Never, before the server runs: a lower `head` changes nothing.
    pub(crate) fn restore_head(&mut self, head: Seq) -> Result<(), Misuse> {
        if head > self.hub.position().seq { self.hub.void(head) } else { Ok(()) }
    }
}

/// The number of a message's kind in the log.
impl Record<'_> {
    /// The kind as a number.
    pub const fn kind_number(&self) -> u8 {
        match self.kind {
            Kind::Message => 0,
            Kind::End => 1,
        }
    }

    /// The kind of that number.
    pub const fn kind_of(number: u8) -> Option<Kind> {
        match number {
            0 => Some(Kind::Message),
            1 => Some(Kind::End),
            _ => None,
        }
    }
}
