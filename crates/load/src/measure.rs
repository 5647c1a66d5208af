//! Measures the processor time and memory that the server and this program use between two moments.

use super::process::{Process, Usage};

/// Looks at the clock and at processes when a measurement begins and when it ends.
pub(super) struct Meter {
    server: Option<Process>,
    begun: Option<Look>,
}

#[derive(Clone, Copy)]
struct Look {
    at: u64,
    own: Usage,
    server: Option<Usage>,
}

/// The time between two looks, and what was used in it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub(super) nanos: u64,
    pub(super) own: Usage,
    pub(super) server: Option<Usage>,
}

impl Span {
    pub(super) fn seconds(&self) -> f64 {
        self.nanos as f64 / 1e9
    }

    /// The rate per second of `count` things.
    pub(super) fn rate(&self, count: u64) -> f64 {
        if self.nanos == 0 { 0.0 } else { count as f64 / self.seconds() }
    }

    /// The part of the time that `nanos` are.
    pub(super) fn share(&self, nanos: u64) -> f64 {
        if self.nanos == 0 { 0.0 } else { nanos as f64 / self.nanos as f64 }
    }
}

impl Meter {
    pub(super) const fn new(server: Option<Process>) -> Self {
        Self { server, begun: None }
    }

    pub(super) const fn server(&self) -> Option<Process> {
        self.server
    }

    /// Memory of the server just now.
    pub(super) fn server_rss(&self) -> Option<u64> {
        self.look(0).server.map(|usage| usage.rss_bytes)
    }

    pub(super) fn begin(&mut self, now: u64) {
        self.begun = Some(self.look(now));
    }

    /// What was used since the beginning.
    pub(super) fn end(&self, now: u64) -> Span {
        let end = self.look(now);
        let begun = self.begun.unwrap_or(end);
        let server = end.server.zip(begun.server).map(|(end, begun)| end.since(&begun));
        Span { nanos: now.saturating_sub(begun.at), own: end.own.since(&begun.own), server }
    }

    fn look(&self, at: u64) -> Look {
        // The connections notice when the server has ended.
        let server = self.server.and_then(|process| process.usage().ok());
        Look { at, own: Process::own().usage().unwrap_or_default(), server }
    }
}
