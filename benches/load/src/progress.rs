//! How far it is, on one line of standard error.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

pub(crate) struct Progress {
    begun: Instant,
    /// Seconds that everything was thought to take, and that is done of it.
    planned: f64,
    done: f64,
    is_terminal: bool,
    shown: Option<Instant>,
}

impl Progress {
    pub(crate) fn new(planned: f64) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self { begun: Instant::now(), planned, done: 0.0, is_terminal, shown: None }
    }

    /// Something begins.
    pub(crate) fn show(&mut self, what: &str) {
        let left = left(self.planned, self.done, self.begun.elapsed());
        let share = 100.0 * self.done / self.planned.max(1e-9);
        let line = format!("{share:3.0} %, {} left: {what}", human(left));
        let mut out = std::io::stderr();
        // Who does not look misses nothing.
        if self.is_terminal {
            let _ = write!(out, "\r\x1b[K{line}");
            let _ = out.flush();
        } else if self.shown.is_none_or(|shown| shown.elapsed() > Duration::from_secs(30)) {
            self.shown = Some(Instant::now());
            let _ = writeln!(out, "{line}");
        }
    }

    /// What was thought to take so many seconds has ended.
    pub(crate) const fn advance(&mut self, planned: f64) {
        self.done += planned;
    }

    pub(crate) fn finish(&self) {
        if self.is_terminal {
            eprint!("\r\x1b[K");
        }
    }
}

/// The time that is left: by the plan at first, and by what was seen of it as soon as much was.
fn left(planned: f64, done: f64, elapsed: Duration) -> Duration {
    const TRUSTED: f64 = 20.0;
    let pace = (elapsed.as_secs_f64() + TRUSTED) / (done + TRUSTED);
    Duration::try_from_secs_f64(((planned - done) * pace).max(0.0)).unwrap_or_default()
}

fn human(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 90 { format!("{seconds} s") } else { format!("{} min", (seconds + 30) / 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_the_pace() {
        assert_eq!(left(100.0, 0.0, Duration::ZERO).as_secs(), 100);
        assert_eq!(left(1000.0, 480.0, Duration::from_secs(980)).as_secs(), 1040);
        assert_eq!(left(10.0, 12.0, Duration::from_secs(1)), Duration::ZERO);
        assert_eq!(human(Duration::from_secs(89)), "89 s");
        assert_eq!(human(Duration::from_secs(100)), "2 min");
    }
}
