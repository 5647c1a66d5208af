//! Runs `sockeye bench idle`.

use sockeye_frame::{Opcode, Rsv};
use sockeye_terminal::{Failure, plain::plain};

use super::{mask_key, meter, play, prepare};
use crate::args::IdleOptions;
use crate::idle::{Idle, Plan};
use crate::load::Lines;
use crate::opening::{Deflate, Opener, Purpose};
use crate::payload::{Content, Payloads, VARIANTS, frame};
use crate::report::{Report, Value};
use crate::target::{Scheme, Target};

/// Runs the load, prints the report, and returns the number of faults.
pub(super) fn run(options: &IdleOptions) -> Result<u64, Failure> {
    let common = &options.common;
    let connections = common.lines()?;
    let target = Target::parse(&options.url, &[Scheme::WebSocket, Scheme::Http], common.to())?;
    let is_socket = target.scheme == Scheme::WebSocket;
    if !is_socket && (options.ping.is_some() || options.touch.is_some() || options.send.is_some()) {
        return Err(Failure("an event stream can be sent nothing".into()));
    }
    prepare(common.connections.get(), connections, options.touch.unwrap_or(0))?;
    let key = mask_key()?;
    let subprotocol = options.subprotocol.clone();
    let deflate = if options.deflate { Deflate::Offered } else { Deflate::Off };
    let socket = Purpose::WebSocket { subprotocol, deflate };
    let purpose = if is_socket { socket } else { Purpose::Events };
    // Random bytes do not shrink.
    let content = if options.deflate { Content::Text } else { Content::Binary };
    let bytes_max = super::ENVELOPE_BYTES.max(2 * options.touch.unwrap_or(0));
    let headers = common.headers.clone();
    let mut opener = Opener { target, purpose, headers, bytes_max, key, streams: None };
    opener.streams = common.shared(&opener)?;
    let text = |text: &String| frame(Opcode::Text, Rsv::NONE, text.as_bytes(), key);
    let plan = Plan {
        connections,
        hold_ns: common.duration.0,
        patience_ns: common.patience.0,
        ping_ns: options.ping.map(|ping| ping.0),
        first: options.send.as_ref().map(text),
        touch: options.touch.map(|bytes| Payloads::framed(content, bytes, VARIANTS, key)),
        key,
    };
    let mut idle = Idle::new(plan, meter(common)?);
    let lines = play(common, vec![opener], &[(0, 1)], &mut idle)?;
    report_idle(options, &idle, lines).print(common.json)
}

fn report_idle(options: &IdleOptions, idle: &Idle, lines: Lines) -> Report {
    let (others, opened) = (idle.others() as u64, lines.opened());
    let title = format!(
        "{} idle {}{} to {}, held for {}",
        opened,
        options.common.noun(),
        lines.version(),
        plain(&options.url),
        Value::Nanos(idle.holding.nanos).human(),
    );
    let shared = lines.shared();
    let mut report = Report::new("idle", title, lines.faults);
    report.figure(options.common.noun(), "connections", Value::of(opened));
    let rate = idle.opening.rate(others);
    report.figure("opened per second", "open_rate", Value::PerSecond(rate));
    let grown =
        idle.rss_after.zip(idle.rss_before).map(|(after, before)| after.saturating_sub(before));
    if let Some(grown) = grown {
        let each = grown.checked_div(others).unwrap_or(0);
        report.figure("memory of each", "server_rss_bytes_per_connection", Value::Bytes(each));
        report.detail("server_rss_bytes_before", Value::Bytes(idle.rss_before.unwrap_or(0)));
        report.detail("server_rss_bytes_after", Value::Bytes(idle.rss_after.unwrap_or(0)));
    }
    report.figure("messages", "messages", Value::Count(idle.messages));
    if let Some(usage) = idle.opening.server {
        let each = usage.cpu_ns.checked_div(others).unwrap_or(0);
        report.note(format!(
            "opening     {} of the server's processor time for each",
            Value::Nanos(each).human()
        ));
        report.detail("server_cpu_ns_per_opening", Value::Nanos(each));
    }
    report.latency("pong", "pong", &idle.pongs);
    report.detail("streams", Value::of(shared));
    report.detail("duration_ns", Value::Nanos(idle.holding.nanos));
    report.usage(&idle.meter, &idle.holding, opened as u64, "connection");
    report
}
