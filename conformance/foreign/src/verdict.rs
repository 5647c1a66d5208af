//! Checks, and their count.

use core::fmt::Debug;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use crate::children::Outcome;

/// Far above what any scenario takes.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Default)]
pub(crate) struct Verdict {
    passed: u32,
    failed: u32,
}

impl Verdict {
    /// Runs a scenario on a thread of its own, since what hangs has failed.
    pub(crate) fn check(&mut self, name: &str, act: impl FnOnce() -> Outcome + Send + 'static) {
        let (sender, receiver) = mpsc::sync_channel(1);
        // Nobody may wait any more.
        std::thread::spawn(move || sender.send(act()).ok());
        let outcome = match receiver.recv_timeout(PATIENCE) {
            Ok(outcome) => outcome,
            Err(mpsc::RecvTimeoutError::Timeout) => Err("it hangs".into()),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err("it panics".into()),
        };
        self.note(name, outcome);
    }

    pub(crate) fn note(&mut self, name: &str, outcome: Outcome) {
        match outcome {
            Ok(()) => {
                self.passed += 1;
                println!("ok   {name}");
            }
            Err(error) => {
                self.failed += 1;
                println!("FAIL {name}: {error}");
            }
        }
    }

    /// The closing line, and the status.
    pub(crate) fn say(&self) -> ExitCode {
        println!("foreign: {} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 && self.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Two things are the same; long ones are told by their beginning.
pub(crate) fn same<T: PartialEq<U> + Debug, U: Debug>(
    what: &str,
    found: &T,
    wanted: &U,
) -> Outcome {
    if found == wanted {
        return Ok(());
    }
    Err(format!("{what} is {}, not {}", short(found), short(wanted)).into())
}

pub(crate) fn holds(what: &str, condition: bool) -> Outcome {
    if condition { Ok(()) } else { Err(what.into()) }
}

fn short(value: &impl Debug) -> String {
    format!("{value:?}").chars().take(200).collect()
}
