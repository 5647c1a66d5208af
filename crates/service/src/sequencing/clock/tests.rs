use super::*;

const START_MS: u64 = 1_790_000_000_000;
const YEARS_MS: u64 = 10 * 365 * 86_400_000;

/// A clock between a loop and a calendar that a test moves.
struct World {
    clock: LogClock,
    now: Time,
    calendar_ms: u64,
}

impl World {
    fn new(clock: LogClock) -> Self {
        Self { clock, now: Time::from_millis(7), calendar_ms: START_MS }
    }

    fn wait(&mut self, ms: u64) -> LogTime {
        self.now = self.now + ms;
        self.calendar_ms += ms;
        self.look()
    }

    fn set(&mut self, calendar_ms: u64) -> LogTime {
        self.calendar_ms = calendar_ms;
        self.wait(1)
    }

    fn look(&self) -> LogTime {
        self.clock.look(self.now, self.calendar_ms)
    }

    fn trouble(&self) -> Option<ClockTrouble> {
        self.clock.state().trouble
    }
}

/// [service:log-time] [service:message-date]
#[test]
fn log_time_is_loop_time_and_dates_are_the_calendars() {
    let mut world = World::new(LogClock::new());
    let first = world.look();
    assert_eq!((first.ms, first.date_ms, first.date()), (START_MS, START_MS, None));
    assert_eq!(world.wait(1_500).ms, START_MS + 1_500);
    let mut elapsed = 1_500;
    for wrong_ms in [START_MS + YEARS_MS, START_MS - YEARS_MS, 5, START_MS + 3_000, START_MS] {
        let set = world.set(wrong_ms);
        elapsed += 1;
        assert_eq!((set.ms, set.date_ms), (START_MS + elapsed, wrong_ms + 1));
        assert_eq!(set.date(), Some(wrong_ms + 1));
        let later = world.wait(10_000);
        elapsed += 10_000;
        assert_eq!((later.ms, later.date_ms), (START_MS + elapsed, wrong_ms + 10_001));
    }
    assert_eq!(world.clock.state().jumps, 5);
}

/// [service:message-date] A date does not go back for a correction of a second.
#[test]
fn small_steps_do_not_show() {
    let mut world = World::new(LogClock::new());
    world.look();
    for by in [-900, 1_900, -1_000_i64, -1_500, 1_000] {
        world.calendar_ms = world.calendar_ms.saturating_add_signed(by);
        let before = world.look();
        let after = world.wait(10);
        assert_eq!(after.date_ms, before.date_ms + 10, "{by}");
        assert_eq!(after.date(), None, "{by}");
    }
    assert_eq!((world.clock.state(), world.clock.take_notice()), (ClockState::default(), None));
}

/// [service:log-time]
#[test]
fn a_log_goes_on_where_it_ends() {
    for (newest_ms, is_ahead) in [
        (START_MS - 86_400_000, false),
        (START_MS - 1, false),
        (START_MS + 2_000, false),
        (START_MS + 2_001, true),
        (START_MS + YEARS_MS, true),
    ] {
        let clock = LogClock::new();
        // In any order, with a log time that is far from its date, and with older messages of any date.
        for log_ms in [4_000, 5_000, 3_000] {
            let wrong_ms = (5_000 - log_ms) * YEARS_MS;
            clock.restore(log_ms, newest_ms + wrong_ms);
        }
        let mut world = World::new(clock);
        let first = world.look();
        let date_ms = if is_ahead { START_MS } else { START_MS.max(newest_ms) };
        assert_eq!((first.ms, first.date_ms), (5_000, date_ms), "{newest_ms}");
        assert_eq!(world.trouble().is_some(), is_ahead, "{newest_ms}");
        assert_eq!(world.wait(60_000).ms, 65_000);
    }
}

/// [service:clock-trouble]
#[test]
fn a_jump_is_told_until_it_is_undone_or_an_hour_old() {
    let mut world = World::new(LogClock::new());
    world.look();
    world.set(START_MS + YEARS_MS);
    let jumped = Some(ClockTrouble::CalendarJumped);
    let notice = ClockNotice {
        trouble: ClockTrouble::CalendarJumped,
        expected_ms: START_MS + 1,
        calendar_ms: START_MS + YEARS_MS + 1,
    };
    assert_eq!(world.clock.take_notice(), Some(notice));
    assert_eq!(world.clock.take_notice(), None, "once");
    world.wait(600_000);
    assert_eq!(world.trouble(), jumped);
    assert_eq!(world.clock.state().off_ms, YEARS_MS);
    // Undone: another jump, and no trouble any more.
    let undone = world.set(START_MS + 600_001);
    assert_eq!(undone.date_ms, undone.ms);
    let expected = ClockState { trouble: None, off_ms: 0, jumps: 2 };
    assert_eq!(world.clock.state(), expected);
    assert!(world.clock.take_notice().is_some());
    // For good: it is right after an hour.
    world.set(START_MS);
    for _ in 0..59 {
        world.wait(60_000);
        assert_eq!(world.trouble(), jumped);
    }
    world.wait(60_000);
    assert_eq!(world.clock.state(), ClockState { trouble: None, off_ms: 0, jumps: 3 });
}

/// [service:clock-trouble]
#[test]
fn a_log_from_the_future_is_told_until_the_calendar_has_reached_it() {
    for ahead_ms in [30_000, YEARS_MS] {
        let clock = LogClock::new();
        clock.restore(START_MS + ahead_ms, START_MS + ahead_ms);
        let mut world = World::new(clock);
        world.look();
        let told = world.clock.take_notice().expect("a notice");
        assert_eq!((told.trouble, told.calendar_ms), (ClockTrouble::LogAhead, START_MS));
        assert_eq!(told.expected_ms, START_MS + ahead_ms);
        world.wait(20_000);
        assert_eq!(world.trouble(), Some(ClockTrouble::LogAhead));
        world.wait(8_000);
        assert_eq!(world.trouble().is_some(), ahead_ms > 30_000);
        // An operator sets the calendar right.
        world.set(START_MS + ahead_ms);
        let jumps = u64::from(ahead_ms > 30_000);
        assert_eq!(world.clock.state(), ClockState { trouble: None, off_ms: 0, jumps });
    }
}

/// Another loop has read both clocks before the jump, and looks after it.
#[test]
fn an_older_reading_is_no_jump_back() {
    let mut world = World::new(LogClock::new());
    let before = (world.now, world.calendar_ms);
    world.look();
    let jumped = world.set(START_MS + YEARS_MS);
    let older = world.clock.look(before.0, before.1);
    assert_eq!(world.clock.state().jumps, 1);
    assert_eq!(older.ms, START_MS);
    assert_eq!(world.look().date_ms, jumped.date_ms);
}

/// [service:ttl-outage]
#[test]
fn an_outage_counts_for_what_must_not_come_late() {
    let clock = LogClock::new();
    // The last message came ten seconds before the last sign of life, and an hour before now.
    let (sent_ms, alive_ms) = (START_MS - 3_600_000, START_MS - 3_590_000);
    clock.restore(alive_ms, sent_ms);
    let mut world = World::new(clock);
    let now = world.look();
    assert_eq!(now.ms.saturating_sub(sent_ms), 10_000, "for history and keys");
    assert_eq!(now.age_ms(sent_ms, None), 3_600_000);
    let dated = sent_ms + 5;
    assert_eq!(now.age_ms(sent_ms, Some(dated)), 3_599_995);
    let later = world.wait(1_000);
    assert_eq!(later.age_ms(sent_ms, None), 3_601_000);
    // A message of this process, whatever the calendar does.
    let (admitted_ms, date) = (later.ms, later.date());
    let wrong = world.set(START_MS + YEARS_MS);
    assert_eq!(wrong.age_ms(admitted_ms, date), 1);
    assert_eq!(wrong.age_ms(sent_ms, None), 3_601_001);
    // A calendar that is behind makes nothing younger than log time says.
    let behind = LogClock::new();
    behind.restore(alive_ms, sent_ms);
    let now = behind.look(Time::from_millis(0), 5);
    assert_eq!(now.age_ms(sent_ms, None), 10_000);
}

#[test]
fn numbers_that_no_clock_shows_do_no_harm() {
    for (log_ms, date_ms, calendar_ms) in
        [(u64::MAX, u64::MAX, 0), (0, 0, u64::MAX), (u64::MAX, 0, u64::MAX), (0, u64::MAX, 0)]
    {
        let clock = LogClock::new();
        clock.restore(log_ms, date_ms);
        for ms in [0, 1, u64::MAX] {
            let time = clock.look(Time::from_millis(ms), calendar_ms);
            time.age_ms(0, Some(u64::MAX));
            time.age_ms(u64::MAX, None);
        }
    }
}
