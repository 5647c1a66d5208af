//! The rows that Sockeye is measured by, each beside its peers and its floor.
//!
//! A [`Group`] is one question, such as "decode a 16-byte frame"; its [`Row`]s are the answers.
//! The criterion benches and the `ratios` program run the same rows.

#![forbid(unsafe_code)]

mod clock;
mod inputs;
mod ratios;
mod replay;
pub mod rows;
pub mod server;

pub use clock::thread_cpu;
pub use inputs::masked_frame;
pub use ratios::measure;

/// Several ways to do the same work on the same input.
pub struct Group {
    /// The work and its size.
    pub name: String,
    /// Bytes of payload in one unit of work, for throughput.
    pub unit_bytes: u64,
    /// Messages or events in one unit of work: times are given for one of them.
    pub unit_parts: u64,
    /// The ways; ours come first.
    pub rows: Vec<Row>,
    /// The target of our row.
    pub targets: Vec<Target>,
}

/// One way to do a group's work.
pub struct Row {
    /// The library that does it; ours begin with `sockeye`.
    pub name: &'static str,
    /// Does that many units of work, and consumes the results.
    pub run: Box<dyn FnMut(u64)>,
}

/// A row's work, from that of one unit.
pub(crate) fn each(mut work: impl FnMut()) -> impl FnMut(u64) {
    move |units| {
        for _ in 0..units {
            work();
        }
    }
}

/// A demand on the speed of one of a group's rows.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The row of which it is asked.
    pub row: &'static str,
    /// The row whose speed is the measure, or the fastest of several.
    pub against: &'static [&'static str],
    /// The smallest factor between the speeds that is good enough.
    pub factor: f64,
}

impl Group {
    /// A group without rows, whose unit of work is one message.
    pub fn new(name: impl Into<String>, unit_bytes: usize) -> Self {
        let (name, unit_bytes) = (name.into(), unit_bytes as u64);
        Self { name, unit_bytes, unit_parts: 1, rows: Vec::new(), targets: Vec::new() }
    }

    /// The same with units of so many messages.
    #[must_use]
    pub fn parts(mut self, unit_parts: usize) -> Self {
        self.unit_parts = unit_parts as u64;
        self
    }

    /// The same with one more row.
    #[must_use]
    pub fn row(mut self, name: &'static str, run: impl FnMut(u64) + 'static) -> Self {
        self.rows.push(Row { name, run: Box::new(run) });
        self
    }

    /// The same with one more target.
    #[must_use]
    pub fn target(
        mut self,
        row: &'static str,
        against: &'static [&'static str],
        factor: f64,
    ) -> Self {
        self.targets.push(Target { row, against, factor });
        self
    }
}
