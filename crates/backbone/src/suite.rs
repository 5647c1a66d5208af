//! The suite that every engine has to pass.
//!
//! A driver's test makes a [`Rig`] for its engine and calls [`run`], or each of [`CHECKS`] by itself.
//! Each check panics if it fails, and names what was expected. [`queues::run`] checks a driver without a server.

mod checks;
pub mod example;
pub mod queues;
mod user;

pub use self::checks::CHECKS;
use crate::engine::Engine;

/// One log of an engine, and what a test can do to it.
pub trait Rig {
    /// Connects another engine to the log. The log does not exist before the first `begin_log`.
    fn open(&mut self) -> Box<dyn Engine>;

    /// Lets some time pass, at most some milliseconds. It is called while a check waits.
    fn pass(&mut self);

    /// How often [`pass`](Self::pass) is called before a check gives up: some seconds in all.
    fn patience(&self) -> u32;

    /// Whether an append is in the log, and its readers are woken, when the call returns. Then
    /// [`pass`](Self::pass) is not called where it might wake them itself.
    fn is_immediate(&self) -> bool {
        false
    }

    /// Erases the log behind the back of all engines. False if the rig cannot.
    fn erase(&mut self) -> bool;

    /// Cuts all connections of all engines once; they can connect again at once. False if the rig cannot.
    fn cut(&mut self) -> bool;
}

/// A check of an engine.
#[derive(Clone, Copy)]
pub struct Check {
    /// What it checks.
    pub name: &'static str,
    /// Runs it on a log that does not exist yet.
    pub run: fn(&mut dyn Rig),
}

impl core::fmt::Debug for Check {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name)
    }
}

/// Runs all checks, each on a rig of its own.
///
/// # Panics
/// If a check fails.
pub fn run(mut rig: impl FnMut(&str) -> Box<dyn Rig>) {
    for check in CHECKS {
        (check.run)(&mut *rig(check.name));
    }
}
