//! No descriptors are left.

use std::net::Ipv4Addr;
use std::path::Path;

use super::{Ask, EVENTS, HEALTH, PATIENCE_MS, Stage};
use crate::Failure;
use crate::checks::Checks;
use crate::probe::{Ended, Manner, Probe};
use crate::world::Client;

/// CPU time that a server may use in a second in which nobody more can be let in, in milliseconds. One
/// that asks again and again uses all of it.
const REST_CPU_MS_MAX: u64 = 200;

/// How long accepting rests where it cannot go on, in milliseconds, unless somebody goes.
const REST_MS: u64 = 100;

pub(super) fn run(program: &Path, checks: &mut Checks) -> Result<(), Failure> {
    // Few enough that the bound on connections leaves room, and so few that the log's files need it.
    for (descriptors, streams, newcomers) in [(256, 60, 400), (48, 8, 100)] {
        exhaust(program, descriptors, streams, newcomers, checks)?;
    }
    Ok(())
}

fn is_answered(probe: &Probe) -> bool {
    !probe.statuses.is_empty()
}

fn exhaust(
    program: &Path,
    descriptors: u32,
    streams: usize,
    newcomers: usize,
    checks: &mut Checks,
) -> Result<(), Failure> {
    println!(
        "        a server with {descriptors} descriptors, {streams} streams, {newcomers} newcomers"
    );
    let mut stage = Stage::new(program, "", Some(descriptors), streams)?;
    let (since, begun_us) = (stage.published(), stage.world.ground.now_us());
    let here = |_| Ipv4Addr::new(127, 0, 47, 1);
    let asks = stage.storm(Ask::Bytes(HEALTH), Manner::Stay, newcomers / 2, here)?;
    let sources = stage.storm(Ask::Events(EVENTS), Manner::Stay, newcomers / 2, here)?;
    stage.world.run_for(1_000)?;
    let all = asks.start..sources.end;
    let answered = stage.count(&all, is_answered);
    let cpu_us = stage.server.cpu_us()?;
    stage.world.run_for(1_000)?;
    let cpu_ms = (stage.server.cpu_us()? - cpu_us) / 1000;
    checks.that(
        answered < newcomers && stage.count(&all, is_answered) == answered,
        format_args!("no descriptors: {answered} of {newcomers} were let in, and nobody more"),
    );
    checks.that(
        cpu_ms <= REST_CPU_MS_MAX,
        format_args!(
            "no descriptors: {cpu_ms} ms of CPU time in a second, at most {REST_CPU_MS_MAX}"
        ),
    );
    stage.went_on(since, "no descriptors", checks)?;

    // One goes when it has its answer, and makes room for the next.
    stage.world.run(PATIENCE_MS, |world| {
        for id in all.clone() {
            if matches!(&world.clients[id], Client::Probe(probe) if is_answered(probe)) {
                world.stop_probe(id);
            }
        }
        world.probes().all(|probe| is_answered(probe) || probe.ended != Ended::Not)
    })?;
    let good = stage.count(&all, |probe| probe.statuses.keys().eq([&200]));
    checks.same("descriptors again: answered 200 in the end", good, newcomers);
    // Everybody who goes may wake it once, and time does.
    let rests = stage.server.metric("sockeye_accept_pauses_total")?;
    let passed_ms = (stage.world.ground.now_us() - begun_us) / 1000;
    let most = passed_ms / REST_MS + newcomers as u64 + 10;
    checks.that(
        rests > 0 && rests <= most,
        format_args!("accepting rested {rests} times in {passed_ms} ms, at most {most}"),
    );
    let bad = stage.count(&sources, |probe| probe.statuses.keys().any(|&status| status != 200));
    checks.same("descriptors again: event streams with another status", bad, 0);
    stage.end(checks)
}
