//! The cases of this suite, and their tables.

use std::borrow::Cow;

pub(crate) use sockeye_cases::{Level, Miss, Outcome, Pace, failed, skipped};

use crate::peer::Peer;
use crate::target::Target;

/// A case of this suite.
pub(crate) type Case = sockeye_cases::Case<Target>;

/// A case on an open WebSocket.
pub(crate) fn opened(
    id: impl Into<Cow<'static, str>>,
    section: &'static str,
    title: impl Into<Cow<'static, str>>,
    check: impl Fn(&mut Peer) -> Outcome + Send + Sync + 'static,
) -> Case {
    Case::new(id, section, title, move |target| check(&mut Peer::open(target)?))
}

/// Bytes on an open WebSocket that bring a Close with one of these codes, and nothing before it.
pub(crate) fn closing(
    id: impl Into<Cow<'static, str>>,
    section: &'static str,
    title: impl Into<Cow<'static, str>>,
    codes: &'static [u16],
    bytes: impl Fn() -> Vec<u8> + Send + Sync + 'static,
) -> Case {
    opened(id, section, title, move |peer| {
        peer.send(&bytes());
        peer.expect_close(codes)
    })
}

/// A case in a table.
pub(crate) struct Row {
    id: &'static str,
    section: &'static str,
    title: &'static str,
    level: Level,
    pace: Pace,
    check: Check,
}

/// The check of a [`Row`].
#[derive(Clone, Copy)]
enum Check {
    Free(fn(&Target) -> Outcome),
    Open(fn(&mut Peer) -> Outcome),
    Close(&'static [u16], fn() -> Vec<u8>),
}

/// [`Case::new`] in a table.
pub(crate) const fn case(
    id: &'static str,
    section: &'static str,
    title: &'static str,
    check: fn(&Target) -> Outcome,
) -> Row {
    row(id, section, title, Check::Free(check))
}

/// [`opened`] in a table.
pub(crate) const fn on_open(
    id: &'static str,
    section: &'static str,
    title: &'static str,
    check: fn(&mut Peer) -> Outcome,
) -> Row {
    row(id, section, title, Check::Open(check))
}

/// [`closing`] in a table.
pub(crate) const fn closes(
    id: &'static str,
    section: &'static str,
    title: &'static str,
    codes: &'static [u16],
    bytes: fn() -> Vec<u8>,
) -> Row {
    row(id, section, title, Check::Close(codes, bytes))
}

const fn row(id: &'static str, section: &'static str, title: &'static str, check: Check) -> Row {
    Row { id, section, title, level: Level::Must, pace: Pace::Shared, check }
}

impl Row {
    /// [`Case::policy`] in a table.
    pub(crate) const fn policy(mut self, reason: &'static str) -> Self {
        self.level = Level::Policy(reason);
        self
    }

    /// [`Case::paced`] in a table.
    pub(crate) const fn paced(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }
}

/// Turns a table into cases.
pub(crate) fn table(rows: &'static [Row]) -> impl Iterator<Item = Case> {
    rows.iter().map(|&Row { id, section, title, level, pace, check }| {
        let case = match check {
            Check::Free(check) => Case::new(id, section, title, check),
            Check::Open(check) => opened(id, section, title, check),
            Check::Close(codes, bytes) => closing(id, section, title, codes, bytes),
        };
        case.at(level).paced(pace)
    })
}
