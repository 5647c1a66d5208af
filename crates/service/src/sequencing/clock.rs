//! The clock of a log: the log time of its messages, and the dates that they show.
//!
//! Three clocks never mix.
//!
//! | clock | goes | decides |
//! |---|---|---|
//! | loop time | evenly, from any start of the process | timers, rate limits, presence |
//! | the calendar | as the system sets it, in both directions | credentials, dates |
//! | log time | with loop time while a process has the log; otherwise it stands still | history, keys, `ttl_ms` |

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};

use sockeye_server::Time;

/// How far the calendar may be from its expected date, in milliseconds. Farther, it has jumped.
const STEP_MS: u64 = 2_000;

/// How long a jump or a log from the future is reported, in milliseconds. After that the calendar
/// is taken to be right.
const REPORTED_MS: u64 = 3_600_000;

/// How often the clock checks whether a reported trouble is over, in milliseconds.
const CHECK_MS: u64 = 1_000;

/// A moment of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogTime {
    /// Log time, in milliseconds. Only differences mean anything: it is no date.
    pub ms: u64,
    /// The date of messages that are admitted now, in milliseconds since 1970: the calendar's, but
    /// for steps of less than two seconds.
    pub date_ms: u64,
    /// When this process took the log over.
    begun: Begun,
}

/// The moment at which a process took a log over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Begun {
    at: Time,
    log_ms: u64,
    date_ms: u64,
}

impl LogTime {
    /// What the payload of a message that is admitted now has to say of its date: `None` if the
    /// date is the same number as log time.
    pub(crate) fn date(&self) -> Option<u64> {
        Some(self.date_ms).filter(|date_ms| *date_ms != self.ms)
    }

    /// The age of a message, for its `ttl_ms`. `date_ms` is what its payload says.
    ///
    /// [service:ttl-outage] The age of a message of an earlier process includes the time in which
    /// no process had the log, as far as the calendar tells it. History and keys are kept at least
    /// as long as promised, but a message must not come late.
    pub(crate) fn age_ms(&self, admitted_ms: u64, date_ms: Option<u64>) -> u64 {
        let age_ms = self.ms.saturating_sub(admitted_ms);
        if admitted_ms > self.begun.log_ms {
            return age_ms;
        }
        let away_ms = self.begun.date_ms.saturating_sub(date_ms.unwrap_or(admitted_ms));
        age_ms.max(away_ms.saturating_add(self.ms.saturating_sub(self.begun.log_ms)))
    }
}

/// A disagreement between the clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockTrouble {
    /// The calendar was set while the process ran.
    CalendarJumped,
    /// The newest message of the log has a date that the calendar has not reached.
    LogAhead,
}

impl ClockTrouble {
    /// The reason in `/readyz`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CalendarJumped => "calendar_jumped",
            Self::LogAhead => "log_ahead",
        }
    }
}

/// Tells an operator of a disagreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockNotice {
    /// What it is.
    pub trouble: ClockTrouble,
    /// The date that was expected, or that of the newest message: milliseconds since 1970.
    pub expected_ms: u64,
    /// The calendar's date, in milliseconds since 1970.
    pub calendar_ms: u64,
}

/// The figures of a [`LogClock`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockState {
    /// The disagreement that lasts; it is reported for an hour at most.
    pub trouble: Option<ClockTrouble>,
    /// How far the calendar is from the expected date while it lasts, in milliseconds.
    pub off_ms: u64,
    /// Jumps of the calendar.
    pub jumps: u64,
}

/// The clock of a log, shared by all loops that use the log.
///
/// [service:log-time] Log time begins where the log ends, or at the calendar's date if the log is
/// empty, and goes on with the loops' time. The calendar never moves it: a calendar that jumps
/// expires nothing early or late. [service:message-date] Messages show the calendar's date,
/// which follows each jump.
#[derive(Debug, Default)]
pub struct LogClock {
    begun: OnceLock<Begun>,
    /// The date less log time, before `ahead_ms`.
    lead_ms: AtomicI64,
    /// How far other machines of the log are ahead of this one.
    ahead_ms: AtomicU64,
    /// When a trouble has to be checked again, in milliseconds of the loops' time.
    check_at: AtomicU64,
    has_notice: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The greatest log time of a restored log, and the date then.
    restored: Option<(u64, u64)>,
    trouble: Option<Trouble>,
    off_ms: u64,
    jumps: u64,
    /// The loop time of the last jump. An earlier reading of another loop knows nothing of it.
    jumped_at: Option<Time>,
    notice: Option<ClockNotice>,
}

#[derive(Clone, Copy, Debug)]
struct Trouble {
    kind: ClockTrouble,
    /// The right date at the loop time `at`, or that of the newest message.
    right_ms: u64,
    at: Time,
    /// The loop time of the last jump.
    since: Time,
}

impl LogClock {
    /// The clock of an empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on from this log time; zero is that of an empty log. `date_ms` is the date of the message
    /// then, or zero. Call it before the first [`look`](Self::look); the greatest log time counts.
    pub fn restore(&self, log_ms: u64, date_ms: u64) {
        if log_ms == 0 {
            return;
        }
        let mut state = self.lock();
        let before = state.restored.filter(|(before_ms, _)| *before_ms > log_ms);
        state.restored = Some(before.unwrap_or((log_ms, date_ms)));
    }

    /// The log's time at the loops' time `now`, at which the calendar said `calendar_ms`, in
    /// milliseconds since 1970.
    pub fn look(&self, now: Time, calendar_ms: u64) -> LogTime {
        let begun = *self.begun.get_or_init(|| self.begin(now, calendar_ms));
        let ms = begun.log_ms.saturating_add(now.since(begun.at));
        let date_ms = || ms.saturating_add_signed(self.lead_ms.load(Ordering::Relaxed));
        let has_jumped = date_ms().abs_diff(calendar_ms) > STEP_MS;
        if has_jumped || now.as_millis() >= self.check_at.load(Ordering::Relaxed) {
            self.look_closer(now, calendar_ms, ms);
        }
        let ahead_ms = self.ahead_ms.load(Ordering::Relaxed);
        LogTime { ms: ms.saturating_add(ahead_ms), date_ms: date_ms(), begun }
    }

    /// Log time is at least `log_ms` where it was `now_ms` by [`look`](Self::look): another machine that shares the log
    /// is ahead. Dates stay those of the calendar. One thread calls it.
    pub fn catch_up(&self, now_ms: u64, log_ms: u64) {
        let ahead_ms = log_ms.saturating_sub(now_ms);
        if ahead_ms > 0 {
            self.ahead_ms.fetch_add(ahead_ms, Ordering::Relaxed);
        }
    }

    /// The figures, as of the last look.
    pub fn state(&self) -> ClockState {
        let state = self.lock();
        let trouble = state.trouble.map(|trouble| trouble.kind);
        ClockState { trouble, off_ms: state.off_ms, jumps: state.jumps }
    }

    /// The newest notice, once.
    pub fn take_notice(&self) -> Option<ClockNotice> {
        if !self.has_notice.load(Ordering::Relaxed) {
            return None;
        }
        self.has_notice.store(false, Ordering::Relaxed);
        self.lock().notice.take()
    }

    fn begin(&self, now: Time, calendar_ms: u64) -> Begun {
        let mut state = self.lock();
        let (log_ms, newest_ms) = state.restored.unwrap_or((calendar_ms, 0));
        let ahead_ms = newest_ms.saturating_sub(calendar_ms);
        // A small step back since the log's last message does not show.
        let date_ms = if ahead_ms > STEP_MS { calendar_ms } else { calendar_ms.max(newest_ms) };
        if ahead_ms > STEP_MS {
            let kind = ClockTrouble::LogAhead;
            state.trouble = Some(Trouble { kind, right_ms: newest_ms, at: now, since: now });
            self.tell(&mut state, kind, newest_ms, calendar_ms);
        }
        self.lead_ms.store(lead(date_ms, log_ms), Ordering::Relaxed);
        self.check(&mut state, now, calendar_ms);
        Begun { at: now, log_ms, date_ms }
    }

    /// Follows the calendar if it has jumped, and notes whether a trouble is over.
    #[cold]
    fn look_closer(&self, now: Time, calendar_ms: u64, ms: u64) {
        let mut state = self.lock();
        let expected_ms = ms.saturating_add_signed(self.lead_ms.load(Ordering::Relaxed));
        let is_newer = state.jumped_at.is_none_or(|jumped_at| jumped_at < now);
        if is_newer && expected_ms.abs_diff(calendar_ms) > STEP_MS {
            self.lead_ms.store(lead(calendar_ms, ms), Ordering::Relaxed);
            state.jumped_at = Some(now);
            state.jumps += 1;
            let kind = ClockTrouble::CalendarJumped;
            let new = Trouble { kind, right_ms: expected_ms, at: now, since: now };
            state.trouble.get_or_insert(new).since = now;
            self.tell(&mut state, kind, expected_ms, calendar_ms);
        }
        self.check(&mut state, now, calendar_ms);
    }

    fn check(&self, state: &mut State, now: Time, calendar_ms: u64) {
        let lasting = state.trouble.filter(|it| it.lasts(now, calendar_ms));
        state.trouble = lasting;
        state.off_ms = lasting.map_or(0, |it| it.off_ms(now, calendar_ms));
        let check_at = lasting.map_or(u64::MAX, |_| now.as_millis().saturating_add(CHECK_MS));
        self.check_at.store(check_at, Ordering::Relaxed);
    }

    fn tell(&self, state: &mut State, trouble: ClockTrouble, expected_ms: u64, calendar_ms: u64) {
        state.notice = Some(ClockNotice { trouble, expected_ms, calendar_ms });
        self.has_notice.store(true, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }
}

impl Trouble {
    /// How far the calendar is off.
    fn off_ms(&self, now: Time, calendar_ms: u64) -> u64 {
        match self.kind {
            ClockTrouble::CalendarJumped => {
                self.right_ms.saturating_add(now.since(self.at)).abs_diff(calendar_ms)
            }
            ClockTrouble::LogAhead => self.right_ms.saturating_sub(calendar_ms),
        }
    }

    fn lasts(&self, now: Time, calendar_ms: u64) -> bool {
        self.off_ms(now, calendar_ms) > STEP_MS && now.since(self.since) < REPORTED_MS
    }
}

/// The date less log time.
fn lead(date_ms: u64, log_ms: u64) -> i64 {
    let lead_ms = i128::from(date_ms) - i128::from(log_ms);
    i64::try_from(lead_ms).unwrap_or(if lead_ms < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests;
