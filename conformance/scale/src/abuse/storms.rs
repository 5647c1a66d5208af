//! Many connections at once: that ask, that are silent, that dawdle, that are reset.

use std::net::Ipv4Addr;
use std::time::Instant;

use super::{Ask, EVENTS, HEALTH, PATIENCE_MS, PER_ADDRESS, Stage};
use crate::checks::Checks;
use crate::probe::{Ended, Manner, Probe};
use crate::{Failure, Size};

pub(super) fn run(stage: &mut Stage, size: Size, checks: &mut Checks) -> Result<(), Failure> {
    ask(stage, size.of(10_000), checks)?;
    streams(stage, size.of(2_000), checks)?;
    silence(stage, size.of(10_000), checks)?;
    dawdle(stage, size.of(2_000), checks)?;
    resets(stage, size.of(5_000), checks)
}

/// Ten addresses, so that none has more than it may.
fn spread(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 44, u8::try_from(number % 10).unwrap_or(0) + 1)
}

fn is_over(probe: &Probe) -> bool {
    probe.ended != Ended::Not
}

/// The server's own account of connections: accepted, and closed again.
fn accounts(stage: &Stage) -> Result<(u64, u64), Failure> {
    let names = ["sockeye_connections_accepted_total", "sockeye_connections_closed_total"];
    let [accepted, closed] = stage.server.metrics(names)?;
    accepted.zip(closed).ok_or_else(|| Failure("/metrics has no counts of connections".into()))
}

/// Waits until the server's account says that as many are open as before.
fn settle(stage: &mut Stage, before: (u64, u64)) -> Result<(u64, u64), Failure> {
    let mut now = accounts(stage)?;
    for _ in 0..200 {
        if now.0 - now.1 <= before.0 - before.1 + 1 {
            break;
        }
        stage.world.run_for(100)?;
        now = accounts(stage)?;
    }
    Ok(now)
}

fn ask(stage: &mut Stage, count: usize, checks: &mut Checks) -> Result<(), Failure> {
    let (before, since) = (accounts(stage)?, stage.published());
    let start = Instant::now();
    let ids = stage.storm(Ask::Bytes(HEALTH), Manner::Stay, count, spread)?;
    let connected = start.elapsed();
    stage.world.run(PATIENCE_MS, |world| {
        world.probes().all(|probe| probe.received > 0 || probe.ended != Ended::Not)
    })?;
    println!(
        "        {count} connections asked for within {} ms, the last answer after {} ms",
        connected.as_millis(),
        start.elapsed().as_millis()
    );
    let answered = stage.count(&ids, |probe| probe.statuses.get(&200) == Some(&1));
    checks.same("a storm: answered, and kept", answered, count);
    let (accepted, _) = accounts(stage)?;
    // Each look at the account is a connection itself.
    checks.same("a storm: on the server's account", accepted - before.0 - 1, count as u64);
    stage.went_on(since, "a storm", checks)?;
    stage.stop_probes(&ids);
    let (accepted, closed) = settle(stage, before)?;
    checks.that(
        accepted - closed <= before.0 - before.1 + 1,
        format_args!("a storm: all are gone again, {} are open", accepted - closed),
    );
    Ok(())
}

/// Whatever happens, an EventSource is not sent away for good.
fn streams(stage: &mut Stage, count: usize, checks: &mut Checks) -> Result<(), Failure> {
    let since = stage.published();
    let ids = stage.storm(Ask::Events(EVENTS), Manner::Stay, count, spread)?;
    let heard = |probe: &Probe| !probe.statuses.is_empty() || is_over(probe);
    stage.world.run(PATIENCE_MS, |world| world.probes().all(heard))?;
    let answered = stage.count(&ids, |probe| probe.statuses.keys().eq([&200]));
    let told = stage.count(&ids, |probe| probe.body.starts_with("$goaway"));
    println!("        {count} event streams at once, {told} of them told to come back later");
    checks.same("event streams at once: answered 200", answered, count);
    stage.went_on(since, "event streams at once", checks)?;
    stage.stop_probes(&ids);
    Ok(())
}

fn silence(stage: &mut Stage, count: usize, checks: &mut Checks) -> Result<(), Failure> {
    let since = stage.published();
    let source = Ipv4Addr::new(127, 0, 45, 1);
    let ids = stage.storm(Ask::Bytes(""), Manner::Stay, count, |_| source)?;
    // Those of before were ended by us.
    stage.world.run(PATIENCE_MS, |world| world.probes().all(is_over))?;
    let late = stage.count(&ids, |probe| probe.statuses.keys().eq([&408]));
    let crowded = stage.count(&ids, |probe| {
        probe.bytes == 0 && matches!(probe.ended, Ended::ByServer | Ended::ByReset)
    });
    checks.same(
        "silence: one address's connections above the bound, closed",
        crowded,
        count.saturating_sub(PER_ADDRESS),
    );
    checks.same("silence: the others, answered 408 at the deadline", late, count.min(PER_ADDRESS));
    stage.went_on(since, "silence", checks)
}

fn dawdle(stage: &mut Stage, count: usize, checks: &mut Checks) -> Result<(), Failure> {
    let since = stage.published();
    let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: {}", "x".repeat(4_000));
    let ids = stage.storm(Ask::Bytes(&head), Manner::Drip(200), count, spread)?;
    stage.world.run(PATIENCE_MS, |world| world.probes().all(is_over))?;
    let late = stage.count(&ids, |probe| probe.statuses.keys().eq([&408]));
    checks.same("heads byte by byte: answered 408 at the deadline", late, count);
    stage.went_on(since, "heads byte by byte", checks)
}

fn resets(stage: &mut Stage, count: usize, checks: &mut Checks) -> Result<(), Failure> {
    let (before, since) = (accounts(stage)?, stage.published());
    let requests = [
        Ask::Events(EVENTS),
        Ask::Bytes("GET /v1/poll?channel=c0&wait=25 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        Ask::Bytes(
            "POST /v1/channels/other HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf",
        ),
        Ask::Bytes("GET /healthz HT"),
    ];
    for (number, request) in requests.iter().enumerate() {
        // Some before they are accepted, some in the middle of an answer.
        let manner = Manner::Reset(number as u64 * 5);
        stage.storm(*request, manner, count / requests.len(), spread)?;
    }
    stage.world.run(PATIENCE_MS, |world| world.probes().all(is_over))?;
    let (accepted, closed) = settle(stage, before)?;
    checks.that(
        accepted - closed <= before.0 - before.1 + 1,
        format_args!("resets: {} were accepted, and all are gone", accepted - before.0),
    );
    stage.went_on(since, "resets", checks)
}
