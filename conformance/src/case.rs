//! A case: an id, the clause that it tests, how binding that clause is, and a check.

use std::borrow::Cow;

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
    pub(crate) fn new(
        id: impl Into<Cow<'static, str>>,
        section: &'static str,
        title: impl Into<Cow<'static, str>>,
        level: Level,
        check: impl Fn(&Target) -> Outcome + Send + Sync + 'static,
    ) -> Self {
        Self {
            id: id.into(),
            section,
            title: title.into(),
            level,
            pace: Pace::Shared,
            check: Box::new(check),
        }
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

/// One line of a table of checks that take nothing but the target.
pub(crate) type Row = (&'static str, &'static str, &'static str, Level, fn(&Target) -> Outcome);

/// Turns a table into cases.
pub(crate) fn table(rows: &'static [Row]) -> impl Iterator<Item = Case> {
    rows.iter()
        .map(|&(id, section, title, level, check)| Case::new(id, section, title, level, check))
}

/// The outcome of a check that saw something else.
pub(crate) fn failed<T>(expected: impl Into<String>, seen: impl Into<String>) -> Result<T, Miss> {
    Err(Miss::Failed { expected: expected.into(), seen: seen.into() })
}

/// The outcome of a check that does not apply to this server.
pub(crate) fn skipped<T>(why: impl Into<String>) -> Result<T, Miss> {
    Err(Miss::Skipped(why.into()))
}
