//! The run `turns`: loads that want more of a turn than its budget, each beside a canary.
//!
//! How long a turn takes depends on what else the machine does, so no check compares a time alone: the time for which
//! the loop's thread had to wait for a processor is subtracted.

pub(crate) mod attacks;
mod carried;
pub(crate) mod histogram;
pub(crate) mod stage;

use std::path::Path;
use std::time::{Duration, Instant};

use self::attacks::Attack;
use self::histogram::{TURN_US_MAX, TurnWatch, Turns};
use self::stage::{CANARY_KEY, Stage};
use crate::canary::{Canary, LATER_US_MAX, Song};
use crate::checks::Checks;
use crate::road::Carrier;
use crate::{Failure, Rows};

/// Seconds of each load in `gate`.
const GATE_SECONDS: u64 = 5;

/// The same as [`LATER_US_MAX`] in `gate`, which also has to pass on machines that do other things.
const GATE_LATER_US_MAX: u64 = 200_000;

const SONG: Song = Song { idle_ms: 2_000, interval_ms: 12 };

/// The same as [`GATE_LATER_US_MAX`] with messages on a disk: how long a sync takes is not the server's doing.
const GATE_LATER_ON_DISK_US_MAX: u64 = 1_000_000;

/// Memory that the server may have at any time of an attack, in MiB. Without one it has 13 to 60, by the channels.
const MEMORY_MIB_MAX: u64 = 64;

/// The part of the time in which turns may work above what they may, per cent.
const OVERWORK_PERCENT_MAX: u64 = 2;

/// Plays the loads that the server has to bear.
pub(crate) fn gate(program: &Path, checks: &mut Checks) -> Result<(), Failure> {
    println!("turns: loads that want more than a turn's budget");
    for mut attack in attacks::all(u128::from(u32::MAX)) {
        let bounds = (GATE_SECONDS, GATE_LATER_US_MAX);
        play(program, attack.as_mut(), (Kept::InMemory, Carrier::Http1), bounds, checks)?;
    }
    for mut attack in attacks::of_a_log() {
        let bounds = (GATE_SECONDS, GATE_LATER_ON_DISK_US_MAX);
        play(program, attack.as_mut(), (Kept::OnDisk, Carrier::Http1), bounds, checks)?;
    }
    // Over HTTP/2 requests come behind answers that nobody reads.
    let bounds = (GATE_SECONDS, GATE_LATER_US_MAX);
    play(program, attacks::pages().as_mut(), (Kept::InMemory, Carrier::H2c), bounds, checks)
}

/// Where a server under attack keeps messages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    InMemory,
    OnDisk,
}

impl Kept {
    /// The name of a load beside it.
    fn name(self, attack: &dyn Attack) -> String {
        match self {
            Self::InMemory => attack.name().to_owned(),
            Self::OnDisk => format!("{} on disk", attack.name()),
        }
    }
}

/// Plays all loads, or one.
pub(crate) fn run(program: &Path, rows: &Rows, checks: &mut Checks) -> Result<(), Failure> {
    let Rows { seconds, over, .. } = *rows;
    println!("turns over {over}: loads that want more than a turn's budget, {seconds} s each");
    let mut is_played = false;
    let all = || match over {
        Carrier::Http1 => attacks::all(u128::from(u32::MAX)),
        Carrier::Https | Carrier::H2c | Carrier::H2 => attacks::of_streams(),
    };
    let catching_up = (over == Carrier::Http1).then(attacks::catching_up);
    let in_memory = all().into_iter().map(|attack| (Kept::InMemory, attack));
    let on_disk = all().into_iter().chain(catching_up).map(|attack| (Kept::OnDisk, attack));
    for (kept, mut attack) in in_memory.chain(on_disk) {
        if rows.only.as_ref().is_none_or(|only| *only == kept.name(&*attack)) {
            is_played = true;
            play(program, attack.as_mut(), (kept, over), (seconds, LATER_US_MAX), checks)?;
        }
    }
    if is_played { Ok(()) } else { Err(Failure("no load has the name of --only".into())) }
}

/// Plays one attack on a server of its own, and judges it.
fn play(
    program: &Path,
    attack: &mut dyn Attack,
    (kept, over): (Kept, Carrier),
    (seconds, later_us_max): (u64, u64),
    checks: &mut Checks,
) -> Result<(), Failure> {
    let name = &kept.name(attack);
    let mut stage = Stage::new(program, kept == Kept::OnDisk, over)?;
    attack.prepare(&mut stage)?;
    stage.world.run_for(500)?;
    let idle_kib = stage.server.memory_kib()?;
    let canary = Canary::start(stage.road(1)?, stage.server.pid(), CANARY_KEY, SONG)?;
    let watch = TurnWatch::start(&stage.server)?;
    canary.next_phase();
    let mut attacks = Attacks::new([attack]);
    let begun = Instant::now();
    let peak_kib = attacks.go_on(&mut stage, Duration::from_secs(seconds))?;
    let took = begun.elapsed();
    let turns = watch.turns(&stage.server)?;
    let report = canary.end()?;
    attacks.judge(&stage, |attack| attack.least(seconds), checks)?;
    judge_turns(name, &turns, took, checks);
    println!("        memory {} MiB before, at most {} MiB", idle_kib / 1024, peak_kib / 1024);
    if name == "pages" {
        let what = format_args!("{name}: at most {MEMORY_MIB_MAX} MiB of memory");
        checks.that(peak_kib / 1024 <= MEMORY_MIB_MAX, what);
    }
    report.judge(name, later_us_max, checks);
    checks.that(stage.server.stop()? == Some(0), format_args!("{name}: the server ends by itself"));
    Ok(())
}

/// Checks the turns of a time.
pub(crate) fn judge_turns(name: &str, turns: &Turns, took: Duration, checks: &mut Checks) {
    println!("        {turns}");
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let most_us = took_us / 100 * OVERWORK_PERCENT_MAX;
    checks.that(
        turns.overwork_us() <= most_us,
        format_args!(
            "{name}: {} turns above {} ms, by {} ms at the least; {} ms of work in them is too much, at most {}",
            turns.too_long(),
            TURN_US_MAX / 1000,
            turns.excess_us() / 1000,
            turns.overwork_us() / 1000,
            most_us / 1000
        ),
    );
}

/// Attacks that go on at once.
pub(crate) struct Attacks<'a> {
    /// Each with the time of its next beat.
    attacks: Vec<(&'a mut dyn Attack, Instant)>,
}

impl<'a> Attacks<'a> {
    pub(crate) fn new(attacks: impl IntoIterator<Item = &'a mut dyn Attack>) -> Self {
        let now = Instant::now();
        Self { attacks: attacks.into_iter().map(|attack| (attack, now)).collect() }
    }

    /// Goes on for a time; gives the most memory that the server had, in KiB.
    pub(crate) fn go_on(&mut self, stage: &mut Stage, time: Duration) -> Result<u64, Failure> {
        let end = Instant::now() + time;
        let (mut peak_kib, mut look) = (0, Instant::now());
        loop {
            let now = Instant::now();
            if now >= look {
                peak_kib = peak_kib.max(stage.server.memory_kib()?);
                look = now + Duration::from_millis(50);
            }
            if now >= end {
                return Ok(peak_kib);
            }
            for (attack, due) in &mut self.attacks {
                if now >= *due {
                    attack.beat(stage)?;
                    *due = now + Duration::from_millis(attack.interval_ms());
                }
            }
            stage.world.turn(1)?;
        }
    }

    /// Checks that each has done what it has to do at the least.
    pub(crate) fn judge(
        &self,
        stage: &Stage,
        least: impl Fn(&dyn Attack) -> u64,
        checks: &mut Checks,
    ) -> Result<(), Failure> {
        for (attack, _) in &self.attacks {
            let (done, what) = attack.done(stage)?;
            let (name, least) = (attack.name(), least(&**attack));
            checks.that(done >= least, format_args!("{name}: {done} {what}, at least {least}"));
            attack.judge(stage, checks);
        }
        Ok(())
    }
}
