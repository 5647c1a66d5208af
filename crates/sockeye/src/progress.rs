//! Tells an operator how far a long start is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// The time between two lines.
const INTERVAL: Duration = Duration::from_secs(1);

/// Logs each second what a start is doing, until it is dropped.
pub(crate) struct Progress {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    stage: Mutex<Stage>,
    /// What was done of the stage.
    done: AtomicU64,
}

/// A part of a start.
#[derive(Clone, Copy, Default)]
struct Stage {
    /// `None` before the first.
    reading: Option<&'static str>,
    /// Zero if nobody knows.
    all: u64,
    is_over: bool,
}

impl Progress {
    /// A start that begins now. Without a thread for it the lines are missing, and nothing else.
    pub(crate) fn start() -> Self {
        let state = Arc::new(State::default());
        let theirs = Arc::clone(&state);
        let thread = Builder::new().name("progress".into()).spawn(move || theirs.tell());
        Self { state, thread: thread.ok() }
    }

    /// Begins a stage of so many steps; zero if nobody knows.
    pub(crate) fn begin(&self, reading: &'static str, all: u64) {
        self.state.done.store(0, Ordering::Relaxed);
        *self.state.stage() = Stage { reading: Some(reading), all, is_over: false };
    }

    /// Counts a step.
    pub(crate) fn step(&self) {
        self.state.done.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.state.stage().is_over = true;
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It only logs.
            let _ = thread.join();
        }
    }
}

impl State {
    fn stage(&self) -> std::sync::MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        let start = Instant::now();
        let mut pace = Pace { next: INTERVAL };
        loop {
            std::thread::park_timeout(pace.wait(start.elapsed()));
            let stage = *self.stage();
            if stage.is_over {
                return;
            }
            let elapsed = start.elapsed();
            let Some(reading) = pace.line(stage, elapsed) else { continue };
            let (done, seconds) = (self.done.load(Ordering::Relaxed), elapsed.as_secs());
            match stage.all {
                0 => log::info!(seconds; "starting: reading {reading}"),
                all => log::info!(seconds, done, all; "starting: reading {reading}"),
            }
        }
    }
}

/// When lines are due.
struct Pace {
    next: Duration,
}

impl Pace {
    /// How long nothing is due, this long after the start.
    fn wait(&self, elapsed: Duration) -> Duration {
        self.next.saturating_sub(elapsed)
    }

    /// What the line says that is due now, if one is. A stage without a name has none.
    fn line(&mut self, stage: Stage, elapsed: Duration) -> Option<&'static str> {
        if elapsed < self.next {
            return None;
        }
        self.next += INTERVAL;
        stage.reading
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_due_each_second_and_the_thread_sleeps_in_between() {
        let mut pace = Pace { next: INTERVAL };
        let stage = Stage { reading: Some("keys"), ..Stage::default() };
        let at = |ms| Duration::from_millis(ms);
        for (ms, stage, line, wait_ms) in [
            (0, stage, None, 1_000),
            // A thread may be woken early.
            (999, stage, None, 1),
            // Before the first stage.
            (1_001, Stage::default(), None, 999),
            (2_000, stage, Some("keys"), 1_000),
            (2_500, stage, None, 500),
        ] {
            assert_eq!(pace.line(stage, at(ms)), line, "at {ms}");
            assert_eq!(pace.wait(at(ms)), at(wait_ms), "at {ms}");
        }
    }
}
