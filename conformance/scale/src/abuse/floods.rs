//! Much on few connections.

use std::net::Ipv4Addr;

use super::{Ask, CHANNELS, HEALTH, PATIENCE_MS, Stage};
use crate::checks::Checks;
use crate::probe::{Ended, Manner};
use crate::{Failure, Size};

/// Memory by which a server may grow for one client that does not read its answers, in KiB: what waits
/// for it, a read, and what the allocator likes to keep.
const PIPELINE_KIB_MAX: u64 = 1_024;

/// Memory for a record of a channel and its one message, in KiB.
const CHANNEL_KIB_MAX: u64 = 4;

/// Memory of each channel that the log on disk remembers, in bytes. It remembers all of them.
const LOGGED_CHANNEL_BYTES_MAX: u64 = 128;

pub(super) fn run(stage: &mut Stage, size: Size, checks: &mut Checks) -> Result<(), Failure> {
    publications(stage, size, checks)?;
    pipeline(stage, size.of(50_000), checks)?;
    batches(stage, checks)?;
    channels(stage, size, checks)
}

fn here(_: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 46, 1)
}

fn post(target: &str, body: &str) -> String {
    let len = body.len();
    format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len}\r\n\r\n{body}")
}

/// Sends the same on some connections, and waits until so many responses came on each.
fn send(
    stage: &mut Stage,
    request: &str,
    connections: usize,
    responses: usize,
) -> Result<core::ops::Range<usize>, Failure> {
    let ids = stage.storm(Ask::Bytes(request), Manner::Until(responses), connections, here)?;
    stage.world.run(PATIENCE_MS, |world| world.probes().all(|probe| probe.ended != Ended::Not))?;
    Ok(ids)
}

fn publications(stage: &mut Stage, size: Size, checks: &mut Checks) -> Result<(), Failure> {
    let (since, connections, each) = (stage.published(), size.of(100), 200);
    let request = post("/v1/channels/flood", "a flood").repeat(each);
    let ids = send(stage, &request, connections, each)?;
    let count = |status: u16| -> usize {
        stage.probes(&ids).filter_map(|probe| probe.statuses.get(&status)).sum()
    };
    let (taken, put_off) = (count(200), count(503) + count(429));
    println!(
        "        {connections} connections with {each} publications each: {taken} taken, {put_off} put off"
    );
    checks.same("a flood: answered 200, 429 or 503", taken + put_off, connections * each);
    stage.went_on(since, "a flood", checks)
}

fn pipeline(stage: &mut Stage, count: usize, checks: &mut Checks) -> Result<(), Failure> {
    let since = stage.published();
    let memory = stage.server.memory_kib()?;
    let requests = HEALTH.repeat(count);
    let ids = stage.storm(Ask::Bytes(&requests), Manner::Until(count), 1, here)?;
    stage.world.lines.pause(ids.start, true);
    stage.world.run_for(2_000)?;
    let grown = stage.server.memory_kib()?.saturating_sub(memory);
    let unsent = stage.world.lines.unsent(ids.start);
    stage.world.lines.pause(ids.start, false);
    println!(
        "        {count} requests on one connection that reads nothing: {unsent} bytes not taken"
    );
    checks.that(
        grown <= PIPELINE_KIB_MAX,
        format_args!("endless pipelining: memory grew by {grown} KiB, at most {PIPELINE_KIB_MAX}"),
    );
    stage.world.run(PATIENCE_MS, |world| world.probes().all(|probe| probe.ended != Ended::Not))?;
    let answered: usize = stage.probes(&ids).filter_map(|probe| probe.statuses.get(&200)).sum();
    checks.same("endless pipelining: answered once it reads", answered, count);
    stage.went_on(since, "endless pipelining", checks)
}

fn batches(stage: &mut Stage, checks: &mut Checks) -> Result<(), Failure> {
    let line = "{\"channel\":\"batch\",\"data\":\"x\"}\n";
    let long =
        "{\"channel\":\"batch\",\"data\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}\n";
    for (what, lines, status) in [
        ("a batch of 1000 lines", line.repeat(1_000), 200),
        ("a batch of 1001 lines", line.repeat(1_001), 413),
        ("a batch of more than 64 KiB", long.repeat(1_000), 413),
    ] {
        let ids = send(stage, &post("/v1/batch", &lines), 1, 1)?;
        let found = stage.probes(&ids).find_map(|probe| probe.statuses.keys().next().copied());
        checks.same(what, found.unwrap_or(0), status);
    }
    Ok(())
}

fn channels(stage: &mut Stage, size: Size, checks: &mut Checks) -> Result<(), Failure> {
    let since = stage.published();
    let (requests, lines) = (size.of(100), 1_000);
    let memory = stage.server.memory_kib()?;
    let mut published = 0;
    for request in 0..requests {
        let line = |line| format!("{{\"channel\":\"d{request}-{line}\",\"data\":\"x\"}}\n");
        let body: String = (0..lines).map(line).collect();
        let ids = send(stage, &post("/v1/batch", &body), 1, 1)?;
        let answer = stage.probes(&ids).next().map_or("", |probe| &probe.body);
        published += answer.matches("\"level\"").count();
    }
    let grown = stage.server.memory_kib()?.saturating_sub(memory);
    checks.same("distinct channels: published", published, requests * lines);
    let kept = stage.server.metric("sockeye_channels")?;
    checks.that(
        kept <= CHANNELS as u64,
        format_args!("distinct channels: {kept} have a record, at most {CHANNELS}"),
    );
    let logged_kib = published as u64 * LOGGED_CHANNEL_BYTES_MAX / 1024;
    let most = CHANNELS as u64 * CHANNEL_KIB_MAX + logged_kib;
    checks.that(
        grown <= most,
        format_args!("distinct channels: memory grew by {grown} KiB, at most {most}"),
    );
    stage.went_on(since, "distinct channels", checks)
}
