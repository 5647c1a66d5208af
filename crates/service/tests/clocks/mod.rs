//! A calendar that jumps, and logs from the future, by seed.
//!
//! The oracle counts the time in which a process has the log. Nobody with a good credential is
//! refused, and nobody is let in or kept with one that is over by the calendar. Nothing expires
//! before its age, and nothing is kept for longer.

mod world;

use sockeye_simnet::{Random, each_seed};

use world::World;

/// Seeds in a run that does not say how many.
const SEEDS: u64 = 300;

/// Steps of a seed.
const STEPS: usize = 120;

const YEARS_MS: i64 = 10 * 365 * 86_400_000;

/// What happened in all seeds.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    jumps: u64,
    restarts: u64,
    kept: u64,
    expired: u64,
    repeats: u64,
    anew: u64,
    refused: u64,
    admitted: u64,
    ended: u64,
    open: u64,
}

/// [service:log-time] [service:message-date] [service:expiry] [service:ttl-outage]
#[test]
fn every_seed_keeps_what_it_promised_by_the_right_clock() {
    let mut all = Totals::default();
    let count = each_seed(SEEDS, simulate, |totals| all.add(totals));
    println!("clocks: {count} seeds, {all:?}");
    if count >= 100 {
        let Totals { jumps, restarts, kept, expired, repeats, anew, .. } = all;
        assert!(
            [jumps, restarts, kept, expired, repeats, anew].iter().all(|it| *it > 0),
            "{all:?}"
        );
        let Totals { refused, admitted, ended, open, .. } = all;
        assert!([refused, admitted, ended, open].iter().all(|it| *it > 0), "{all:?}");
    }
}

/// [service:clock-trouble]
#[test]
fn a_jump_is_told_to_probes_until_it_is_undone() {
    let mut world = World::new();
    let told = |world: &mut World, ready: &str, jumps: u64, off_s: u64| {
        assert_eq!(world.page("/readyz"), (200, ready.to_owned()));
        let (_, metrics) = world.page("/metrics");
        for line in [
            format!("\nsockeye_calendar_jumps_total {jumps}\n"),
            format!("\nsockeye_calendar_off_seconds {off_s}\n"),
        ] {
            assert!(metrics.contains(&line), "{line} {metrics}");
        }
    };
    let jumped = r#"{"ready":true,"reason":"calendar_jumped","reasons":["calendar_jumped"]}"#;
    told(&mut world, "ready\n", 0, 0);
    for (by_ms, back_ms) in [(YEARS_MS, -YEARS_MS), (-3_600_000, 3_600_000)] {
        let before = world.totals.jumps;
        world.set_calendar(by_ms);
        told(&mut world, jumped, before + 1, by_ms.unsigned_abs() / 1_000);
        world.advance(60_000);
        told(&mut world, jumped, before + 1, by_ms.unsigned_abs() / 1_000);
        world.set_calendar(back_ms);
        told(&mut world, "ready\n", before + 2, 0);
    }
}

/// [service:clock-trouble]
#[test]
fn a_log_from_the_future_is_told_to_probes_and_serves() {
    let mut random = Random::new(1);
    let mut world = World::new();
    world.set_calendar(YEARS_MS);
    world.publish(&mut random);
    world.restart(-YEARS_MS);
    let ahead = r#"{"ready":true,"reason":"log_ahead","reasons":["log_ahead"]}"#;
    assert_eq!(world.page("/readyz"), (200, ahead.to_owned()));
    world.read();
    world.publish(&mut random);
    world.read();
    world.advance(3_600_000);
    assert_eq!(world.page("/readyz"), (200, "ready\n".to_owned()), "it has been told for an hour");
    world.read();
    assert!(world.totals.kept > 0 && world.totals.expired > 0);
}

/// [service:bound-ends] [service:expiry]
#[test]
fn a_jump_that_ends_every_stream_ends_them_in_several_turns() {
    const STREAMS: usize = 600;
    let mut world = World::new();
    for _ in 0..STREAMS {
        world.open_stream_for(3_600);
    }
    world.jump_and_publish(YEARS_MS);
    let (mut ended, mut turns) = (0, 0);
    while ended < STREAMS {
        let now = world.turn_and_count_ends();
        assert!(now <= 256, "{now} in one turn");
        (ended, turns) = (ended + now, turns + 1);
        assert!(turns < 100, "{ended} have ended");
    }
    assert!(turns > 2, "{turns} turns");
}

fn simulate(seed: u64) -> Totals {
    let mut random = Random::new(seed);
    let mut world = World::new();
    for _ in 0..STEPS {
        let ms = [0, 3, 500, 4_000, 25_000][random.below(5)];
        world.advance(ms);
        world.check_streams();
        match random.below(9) {
            0 => world.set_calendar(far(&mut random)),
            1 if random.one_in(5) => world.restart(far(&mut random)),
            1 | 2 => world.publish(&mut random),
            3 => world.repeat(&mut random),
            4 => world.show_token(&mut random),
            5 => world.open_stream(&mut random),
            6 => world.issue_ticket(),
            7 => world.redeem_tickets(),
            _ => world.read(),
        }
        world.check_streams();
    }
    world.totals
}

/// How far somebody sets the calendar: not at all, by a second, an hour, or years.
fn far(random: &mut Random) -> i64 {
    let far_ms = [0, 900, 2_500, 3_600_000, YEARS_MS][random.below(5)];
    if random.one_in(2) { -far_ms } else { far_ms }
}

impl Totals {
    fn add(&mut self, other: &Self) {
        self.jumps += other.jumps;
        self.restarts += other.restarts;
        self.kept += other.kept;
        self.expired += other.expired;
        self.repeats += other.repeats;
        self.anew += other.anew;
        self.refused += other.refused;
        self.admitted += other.admitted;
        self.ended += other.ended;
        self.open += other.open;
    }
}
