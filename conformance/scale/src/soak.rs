//! The run `soak`: the attacks of `turns`, and crowds that come and go, all at once and for a long time.

mod crowds;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::canary::{Canary, LATER_US_MAX, Song};
use crate::checks::Checks;
use crate::road::Carrier;
use crate::turns::histogram::{TurnWatch, Turns};
use crate::turns::stage::{CANARY_KEY, Stage};
use crate::turns::{Attacks, attacks, judge_turns};
use crate::{Endurance, Failure};

/// A long poll is asked once for each message. With one each 12 ms it would ask for more than its part, which is
/// a 250th of a loop that has no rest.
const SONG: Song = Song { idle_ms: 10_000, interval_ms: 40 };

/// Pings, in bytes a microsecond: others of this thread are to have their turns.
const PING_RATE: u128 = 300;

/// By how much memory may exceed its peak in the first minute, per cent.
const GROWTH_PERCENT_MAX: u64 = 5;

/// One minute of the attack.
struct Minute {
    peak_kib: u64,
    turns: Turns,
    took: Duration,
}

pub(crate) fn run(
    program: &Path,
    endurance: Endurance,
    checks: &mut Checks,
) -> Result<(), Failure> {
    let minutes = endurance.minutes.max(1);
    println!("soak: all attacks at once, for {minutes} min");
    let mut stage = Stage::new(program, !endurance.memory, Carrier::Http1)?;
    let (mut fillers, mut crowds) = (attacks::all(PING_RATE), crowds::all());
    fillers.iter_mut().try_for_each(|attack| attack.prepare(&mut stage))?;
    stage.world.run_for(2_000)?;
    let canary = Canary::start(stage.road(1)?, stage.server.pid(), CANARY_KEY, SONG)?;
    canary.next_phase();
    // Crowds come with the attack, so that the canary has its idle time.
    crowds.iter_mut().try_for_each(|attack| attack.prepare(&mut stage))?;
    let all = fillers.iter_mut().chain(&mut crowds);
    let mut attacks = Attacks::new(all.map(|attack| &mut **attack as _));
    let mut account = Vec::new();
    for number in 1..=minutes {
        let minute = minute(&mut stage, &mut attacks)?;
        canary.next_phase();
        println!(
            "        minute {number}: at most {} MiB; {}",
            minute.peak_kib / 1024,
            minute.turns
        );
        account.push(minute);
    }
    attacks.judge(&stage, |attack| attack.least_in_company(minutes * 60), checks)?;
    let report = canary.end()?;
    report.judge("soak", LATER_US_MAX, checks);
    judge(&account, checks);
    checks.that(stage.server.stop()? == Some(0), "soak: the server ends by itself");
    Ok(())
}

fn minute(stage: &mut Stage, attacks: &mut Attacks<'_>) -> Result<Minute, Failure> {
    let (watch, begun) = (TurnWatch::start(&stage.server)?, Instant::now());
    let peak_kib = attacks.go_on(stage, Duration::from_secs(60))?;
    Ok(Minute { peak_kib, turns: watch.turns(&stage.server)?, took: begun.elapsed() })
}

/// Checks the turns of each minute, and that memory stays as it was after the first one.
fn judge(account: &[Minute], checks: &mut Checks) {
    for (number, minute) in (1..).zip(account) {
        judge_turns(&format!("minute {number}"), &minute.turns, minute.took, checks);
    }
    let Some((first, rest)) = account.split_first() else { return };
    let peak_kib = rest.iter().map(|minute| minute.peak_kib).max().unwrap_or(0);
    let most_kib = first.peak_kib + first.peak_kib * GROWTH_PERCENT_MAX / 100;
    checks.that(
        peak_kib <= most_kib,
        format_args!(
            "soak: at most {} MiB of memory after the first minute, which had {} MiB",
            peak_kib / 1024,
            first.peak_kib / 1024
        ),
    );
}
