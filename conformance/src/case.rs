//! A case: an id, the clause that it tests, how binding that clause is, and a check.

use core::fmt::Display;
use std::borrow::Cow;

use crate::peer::Peer;
use crate::target::Target;

/// One entry of the suite.
pub(crate) struct Case {
    /// `group/name`, stable over releases.
    pub(crate) id: Cow<'static, str>,
    /// The clause that the case rests on.
    pub(crate) section: &'static str,
    pub(crate) title: Cow<'static, str>,
    pub(crate) level: Level,
    pub(crate) pace: Pace,
    check: Box<dyn Fn(&Target) -> Outcome + Send + Sync>,
}

/// How binding a case is.
#[derive(Clone, Copy)]
pub(crate) enum Level {
    /// The cited text says MUST, or a clear SHOULD.
    Must,
    /// The text leaves room; we ask for more, and say why.
    Policy(&'static str),
}

/// When a case may run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Together with others.
    Shared,
    /// On its own, because it loads the server.
    Alone,
    /// Only when slow cases were asked for: it waits for a server's timer.
    Slow,
}

/// The result of a check: `Ok` is a pass.
pub(crate) type Outcome = Result<(), Miss>;

/// Why a check did not pass.
#[derive(Debug, Clone)]
pub(crate) enum Miss {
    /// The server did something else.
    Failed {
        expected: String,
        /// The bytes on the wire instead.
        seen: String,
    },
    /// The server does not offer what the case is about.
    Skipped(String),
}

impl Case {
    /// A case of the level [`Level::Must`] that opens its connections itself.
    pub(crate) fn new(
        id: impl Into<Cow<'static, str>>,
        section: &'static str,
        title: impl Into<Cow<'static, str>>,
        check: impl Fn(&Target) -> Outcome + Send + Sync + 'static,
    ) -> Self {
        Self {
            id: id.into(),
            section,
            title: title.into(),
            level: Level::Must,
            pace: Pace::Shared,
            check: Box::new(check),
        }
    }

    /// A case on an open WebSocket.
    pub(crate) fn on_open(
        id: impl Into<Cow<'static, str>>,
        section: &'static str,
        title: impl Into<Cow<'static, str>>,
        check: impl Fn(&mut Peer) -> Outcome + Send + Sync + 'static,
    ) -> Self {
        Self::new(id, section, title, move |target| check(&mut Peer::open(target)?))
    }

    /// Bytes on an open WebSocket that bring a Close with one of these codes, and nothing before it.
    pub(crate) fn closes(
        id: impl Into<Cow<'static, str>>,
        section: &'static str,
        title: impl Into<Cow<'static, str>>,
        codes: &'static [u16],
        bytes: impl Fn() -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self::on_open(id, section, title, move |peer| {
            peer.send(&bytes());
            peer.expect_close(codes)
        })
    }

    /// Makes the case our choice, and says why we choose so.
    pub(crate) fn policy(self, reason: &'static str) -> Self {
        self.at(Level::Policy(reason))
    }

    pub(crate) fn at(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    pub(crate) fn paced(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    pub(crate) fn run(&self, target: &Target) -> Outcome {
        (self.check)(target)
    }

    /// The part of the id before the slash.
    pub(crate) fn group(&self) -> &str {
        self.id.split_once('/').map_or(&*self.id, |(group, _)| group)
    }
}

impl Level {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Policy(_) => "policy",
        }
    }

    /// Why we ask for more than the text does.
    pub(crate) fn reason(self) -> Option<&'static str> {
        match self {
            Self::Must => None,
            Self::Policy(reason) => Some(reason),
        }
    }
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

/// [`Case::on_open`] in a table.
pub(crate) const fn on_open(
    id: &'static str,
    section: &'static str,
    title: &'static str,
    check: fn(&mut Peer) -> Outcome,
) -> Row {
    row(id, section, title, Check::Open(check))
}

/// [`Case::closes`] in a table.
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
            Check::Open(check) => Case::on_open(id, section, title, check),
            Check::Close(codes, bytes) => Case::closes(id, section, title, codes, bytes),
        };
        case.at(level).paced(pace)
    })
}

/// The outcome of a check that saw something else.
pub(crate) fn failed<T>(expected: impl Display, seen: impl Display) -> Result<T, Miss> {
    Err(Miss::Failed { expected: expected.to_string(), seen: seen.to_string() })
}

/// The outcome of a check that does not apply to this server.
pub(crate) fn skipped<T>(why: impl Into<String>) -> Result<T, Miss> {
    Err(Miss::Skipped(why.into()))
}
