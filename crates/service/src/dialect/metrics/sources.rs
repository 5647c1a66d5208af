//! The figures of sources.

use crate::dialect::exposition::{Kind, Page};
use crate::inlet::{SourceFigures, SourceStanding};

/// Writes the figures of sources. [service:source-figures] A source's name is part of the configuration, and needs no escaping.
pub(super) fn write(sources: &[SourceFigures], page: &mut Page) {
    if sources.is_empty() {
        return;
    }
    let rows = |value: fn(&SourceFigures) -> u64| {
        let row = move |it: &SourceFigures| (format!("source=\"{}\"", it.name), value(it));
        sources.iter().map(row)
    };
    let help = "Whether the bus of a source can be used.";
    page.labelled(Kind::Gauge, "source_up", help, rows(|it| it.is_up().into()));
    let help = "Whether this process takes the source's messages; 0 also while another one does.";
    let is_active = |it: &SourceFigures| u64::from(it.standing == SourceStanding::Active);
    page.labelled(Kind::Gauge, "source_active", help, rows(is_active));
    let help = "Whether the source waits at a message that cannot be published.";
    let is_stopped = |it: &SourceFigures| u64::from(it.standing == SourceStanding::Stopped);
    page.labelled(Kind::Gauge, "source_stopped", help, rows(is_stopped));
    let help = "Messages of a source that came into the log.";
    page.labelled(Kind::Counter, "source_published_total", help, rows(|it| it.published));
    let help = "Messages of a source that were there already, by their keys.";
    page.labelled(Kind::Counter, "source_repeats_total", help, rows(|it| it.repeats));
    let help = "Times a message of a source could not be published, and never can be as it is.";
    page.labelled(Kind::Counter, "source_refused_total", help, rows(|it| it.refused));
    let help = "Times a message of a source was refused for now, and offered again.";
    page.labelled(Kind::Counter, "source_retries_total", help, rows(|it| it.retries));
    let help = "Messages of a source that were taken and are not acknowledged yet.";
    page.labelled(Kind::Gauge, "source_in_flight", help, rows(|it| it.in_flight));
    let help = "Messages that the bus holds for a source, as far as it was counted, seconds ago.";
    page.labelled(Kind::Gauge, "source_pending", help, rows(|it| it.pending));
}
