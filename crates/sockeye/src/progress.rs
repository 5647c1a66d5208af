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
        let mut next = INTERVAL;
        loop {
            std::thread::park_timeout(next.saturating_sub(start.elapsed()));
            let Stage { reading, all, is_over } = *self.stage();
            if is_over {
                return;
            }
            if start.elapsed() < next {
                continue;
            }
            next += INTERVAL;
            let Some(reading) = reading else { continue };
            let (done, seconds) = (self.done.load(Ordering::Relaxed), start.elapsed().as_secs());
            match all {
                0 => log::info!(seconds; "starting: reading {reading}"),
                _ => log::info!(seconds, done, all; "starting: reading {reading}"),
            }
        }
    }
}
