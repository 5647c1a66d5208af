//! A case: an id, the clause that it tests, how binding that clause is, and a check.

use core::fmt::Display;
use std::borrow::Cow;

/// One entry of a suite against targets of type `T`.
pub struct Case<T> {
    /// `group/name`, stable over releases.
    pub id: Cow<'static, str>,
    /// The clause that the case rests on.
    pub section: &'static str,
    /// One line for people.
    pub title: Cow<'static, str>,
    /// How binding it is.
    pub level: Level,
    /// When it may run.
    pub pace: Pace,
    /// The bytes that it sends, for people; empty if they are many.
    pub sends: String,
    check: Box<dyn Fn(&T) -> Seen + Send + Sync>,
}

/// How binding a case is.
#[derive(Clone, Copy)]
pub enum Level {
    /// The cited text says MUST, or a clear SHOULD.
    Must,
    /// The text leaves room; we ask for more, and say why.
    Policy(&'static str),
}

/// When a case may run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Together with others.
    Shared,
    /// On its own, because it loads the server.
    Alone,
    /// Only when slow cases were asked for: it waits for a server's timer.
    Slow,
}

/// The result of a check: `Ok` is a pass.
pub type Outcome = Result<(), Miss>;

/// The result of a check whose text allows several answers: a pass says which was seen. An empty one says
/// nothing.
pub type Seen = Result<String, Miss>;

/// Why a check did not pass.
#[derive(Debug, Clone)]
pub enum Miss {
    /// The server did something else.
    Failed {
        /// The answer that the text asks for.
        expected: String,
        /// The bytes on the wire instead.
        seen: String,
    },
    /// The server does not offer what the case is about.
    Skipped(String),
}

impl<T> Case<T> {
    /// A case of the level [`Level::Must`] that opens its connections itself.
    pub fn new(
        id: impl Into<Cow<'static, str>>,
        section: &'static str,
        title: impl Into<Cow<'static, str>>,
        check: impl Fn(&T) -> Outcome + Send + Sync + 'static,
    ) -> Self {
        Self::seeing(id, section, title, move |target| check(target).map(|()| String::new()))
    }

    /// A case of the level [`Level::Must`] that says which answer was seen.
    pub fn seeing(
        id: impl Into<Cow<'static, str>>,
        section: &'static str,
        title: impl Into<Cow<'static, str>>,
        check: impl Fn(&T) -> Seen + Send + Sync + 'static,
    ) -> Self {
        Self {
            id: id.into(),
            section,
            title: title.into(),
            level: Level::Must,
            pace: Pace::Shared,
            sends: String::new(),
            check: Box::new(check),
        }
    }

    /// Makes the case our choice, and says why we choose so.
    #[must_use]
    pub fn policy(self, reason: &'static str) -> Self {
        self.at(Level::Policy(reason))
    }

    /// Says what the case sends.
    #[must_use]
    pub fn sends(mut self, bytes: String) -> Self {
        self.sends = bytes;
        self
    }

    /// Gives the case another level.
    #[must_use]
    pub fn at(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Says when the case may run.
    #[must_use]
    pub fn paced(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// Runs the check.
    ///
    /// # Errors
    /// Why it did not pass.
    pub fn run(&self, target: &T) -> Seen {
        (self.check)(target)
    }

    /// The part of the id before the slash.
    #[must_use]
    pub fn group(&self) -> &str {
        self.id.split_once('/').map_or(&*self.id, |(group, _)| group)
    }
}

impl Level {
    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Policy(_) => "policy",
        }
    }

    /// Why we ask for more than the text does.
    #[must_use]
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Must => None,
            Self::Policy(reason) => Some(reason),
        }
    }
}

/// The outcome of a check that saw something else.
///
/// # Errors
/// Always.
pub fn failed<T>(expected: impl Display, seen: impl Display) -> Result<T, Miss> {
    Err(Miss::Failed { expected: expected.to_string(), seen: seen.to_string() })
}

/// The outcome of a check that does not apply to this server.
///
/// # Errors
/// Always.
pub fn skipped<T>(why: impl Into<String>) -> Result<T, Miss> {
    Err(Miss::Skipped(why.into()))
}
