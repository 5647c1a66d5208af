//! Runs `sockeye bench echo`.

use sockeye_terminal::{Failure, plain::plain};

use super::{mask_key, meter, play, prepare};
use crate::args::EchoOptions;
use crate::echo::{Echo, Limit, Plan};
use crate::load::Lines;
use crate::opening::{Deflate, Opener, Purpose};
use crate::payload::Payloads;
use crate::report::{Report, Value};
use crate::target::{Scheme, Target};

/// Runs the load, prints the report, and returns the number of faults.
pub(super) fn run(options: &EchoOptions) -> Result<u64, Failure> {
    let common = &options.common;
    let lines = common.lines()?;
    let target = Target::parse(&options.url, &[Scheme::WebSocket, Scheme::Tcp], common.to())?;
    prepare(common.connections.get(), lines, options.bytes.saturating_mul(options.pipeline))?;
    let key = mask_key()?;
    let (purpose, payloads) = match target.scheme {
        Scheme::Tcp if options.bytes == 0 => {
            return Err(Failure("without a protocol a message needs a byte".into()));
        }
        Scheme::Tcp => {
            (Purpose::Bare(options.bytes), Payloads::unframed(options.bytes, options.variants))
        }
        Scheme::WebSocket | Scheme::Http => {
            let deflate = if options.deflate { Deflate::Offered } else { Deflate::Off };
            let subprotocol = options.subprotocol.clone();
            let purpose = Purpose::WebSocket { subprotocol, deflate };
            (purpose, Payloads::framed(options.content, options.bytes, options.variants, key))
        }
    };
    // Compression may make a message a little longer.
    let bytes_max = options.bytes + options.bytes / 64 + 64;
    let headers = common.headers.clone();
    let mut opener = Opener { target, purpose, headers, bytes_max, key, streams: None };
    opener.streams = common.shared(&opener)?;
    let plan = Plan {
        pipeline: options.pipeline,
        rate: options.rate,
        warm_up_ns: common.warm_up.0,
        limit: options.messages.map_or(Limit::Nanos(common.duration.0), Limit::Messages),
        patience_ns: common.patience.0,
        key,
    };
    let mut echo = Echo::new(plan, payloads, lines, meter(common)?);
    let lines = play(common, vec![opener], &[(0, lines)], &mut echo)?;
    report_echo(options, &echo, lines)?.print(common.json)
}

fn report_echo(options: &EchoOptions, echo: &Echo, lines: Lines) -> Result<Report, Failure> {
    let (span, count) = (&echo.span, echo.measured);
    let title = format!(
        "echo of {} bytes to {}: {} {}{}, {} on their way on each, {}",
        options.bytes,
        plain(&options.url),
        lines.opened(),
        options.common.noun(),
        lines.version(),
        options.pipeline,
        Value::Nanos(span.nanos).human(),
    );
    let shared = lines.shared();
    let mut report = Report::new("echo", title, lines.faults);
    report.figure("messages", "messages", Value::Count(count));
    report.figure("per second", "rate", Value::PerSecond(span.rate(count)));
    let bytes = count.saturating_mul(options.bytes as u64);
    let bytes = Value::BytesPerSecond(span.rate(bytes));
    report.figure("each way", "bytes_per_second", bytes);
    report.figure("lost", "lost", Value::Count(echo.lost));
    report.latency("echo", "latency", &echo.latencies);
    for (key, value) in [
        ("connections", Value::of(options.common.connections.get())),
        ("streams", Value::of(shared)),
        ("bytes", Value::of(options.bytes)),
        ("wire_bytes", Value::of(echo.wire_bytes())),
        ("variants", Value::of(options.variants)),
        ("pipeline", Value::of(options.pipeline)),
        ("duration_ns", Value::Nanos(span.nanos)),
        ("sent", Value::Count(echo.sent)),
        ("received", Value::Count(echo.received)),
        ("overdue", Value::Count(echo.overdue)),
    ] {
        report.detail(key, value);
    }
    if echo.sent != echo.received + echo.lost {
        return Err(Failure("the generator has miscounted: please report this".into()));
    }
    if echo.overdue > 0 {
        let overdue = Value::Count(echo.overdue).human();
        report.note(format!("overdue     {overdue} messages found no room before the end"));
    }
    report.usage(&echo.meter, span, count, "message");
    Ok(report)
}
