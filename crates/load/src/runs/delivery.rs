//! Runs `sockeye bench fanout` and `sockeye bench sse`.

use sockeye_frame::{Opcode, Rsv};
use sockeye_terminal::{Failure, OrFail, plain::plain};

use super::{ENVELOPE_BYTES, mask_key, meter, play, prepare};
use crate::args::{CommonOptions, FanoutOptions, PublishingOptions, SseOptions};
use crate::channels::{By, Channels};
use crate::delivery::{Delivery, Plan};
use crate::load::Lines;
use crate::opening::{Deflate, Opener, Purpose};
use crate::payload::frame;
use crate::publisher::{PLACE, Publisher, Route};
use crate::report::{Report, Value};
use crate::stamp::Stamps;
use crate::target::{Scheme, Target};

/// Publications in flight, at the most, when there is a rate.
const FLIGHT_WITH_RATE: usize = 65_536;
/// The hint for a hub whose subscribers receive nothing.
const NO_HUB: &str = "; --broadcast is for servers that are no hub";
/// The WebSocket subprotocol of the hub.
const SUBPROTOCOL: &str = "sockeye.v1.json";

/// Runs the load on WebSockets, prints the report, and returns the number of faults.
pub(super) fn fanout(options: &FanoutOptions) -> Result<u64, Failure> {
    let common = &options.common;
    let schemes = [Scheme::WebSocket, Scheme::Tcp];
    let mut target = Target::parse(&options.url, &schemes, common.to())?;
    let is_bare_tcp = target.scheme == Scheme::Tcp;
    if is_bare_tcp && !options.broadcast {
        return Err(Failure("without a protocol there are no channels: add --broadcast".into()));
    }
    let is_hub = !options.broadcast && options.publishing.publish.is_none();
    let speaks = !options.broadcast && !options.bare;
    let subscribers = common.lines()?;
    let by = if options.pattern { By::Pattern } else { By::Name };
    let channels = Channels::new(options.channels, subscribers, by).map_err(Failure)?;
    let knows_channels = speaks && is_hub;
    if !(channels.is_one() || knows_channels) {
        return Err(Failure("many channels are for those who speak the hub's protocol".into()));
    }
    let name = channels.name(&options.channel, 0);
    let publisher = match &options.publishing.publish {
        Some(url) => Target::parse(url, &[Scheme::WebSocket, Scheme::Http], common.to())?,
        None => target.clone(),
    };
    if options.bare {
        let sign = if target.path.contains('?') { '&' } else { '?' };
        target.path.push_str(&format!("{sign}channel={}", options.channel));
    }
    let (route, purpose) = route(publisher.scheme, is_hub, options.publishing.bytes);
    let body = match route {
        Route::Hub => {
            format!(r#"{{"type":"publish","channel":{},"data":"{PLACE}"}}"#, json(&name)?)
        }
        Route::Broadcast | Route::Bare | Route::Post => options.publishing.body.clone(),
    };
    let subprotocol = speaks.then(|| SUBPROTOCOL.to_owned());
    let deflate = if options.deflate { Deflate::Offered } else { Deflate::Off };
    let listen = match is_bare_tcp {
        true => Purpose::Bare(options.publishing.bytes),
        false => Purpose::WebSocket { subprotocol, deflate },
    };
    let asked = if channels.is_one() { 1 } else { subscribers };
    let ask = |subscriber| {
        let names = channels.names(&options.channel, subscriber);
        let names = names.iter().map(|name| json(name));
        let names: Result<Vec<String>, Failure> = names.collect();
        Ok(format!(r#"{{"type":"subscribe","channels":[{}]}}"#, names?.join(",")))
    };
    let asks: Result<Vec<String>, Failure> = (0..asked).map(ask).collect();
    let kind = Kind {
        name: "fanout",
        listen: (target, listen),
        publish: Some((publisher, purpose, route, body)),
        subscribe: if speaks { asks? } else { Vec::new() },
        channels,
        channel: name,
    };
    deliver(&options.url, common, &options.publishing, kind)
}

fn json(text: &str) -> Result<String, Failure> {
    serde_json::to_string(text).or_fail(|| "the channel".into())
}

/// Returns the route of publications to a server of this scheme, and the purpose of their connection.
fn route(scheme: Scheme, is_hub: bool, bytes: usize) -> (Route, Purpose) {
    let socket = |subprotocol| Purpose::WebSocket { subprotocol, deflate: Deflate::Off };
    match scheme {
        Scheme::Http => (Route::Post, Purpose::Requests),
        Scheme::WebSocket if is_hub => (Route::Hub, socket(Some(SUBPROTOCOL.to_owned()))),
        Scheme::WebSocket => (Route::Broadcast, socket(None)),
        Scheme::Tcp => (Route::Bare, Purpose::Bare(bytes)),
    }
}

/// Runs the load on event streams, prints the report, and returns the number of faults.
pub(super) fn sse(options: &SseOptions) -> Result<u64, Failure> {
    let common = &options.common;
    let target = Target::parse(&options.url, &[Scheme::Http], common.to())?;
    let publish = match &options.publishing.publish {
        None => None,
        Some(url) => {
            let to = Target::parse(url, &[Scheme::Http], common.to())?;
            Some((to, Purpose::Requests, Route::Post, options.publishing.body.clone()))
        }
    };
    let listen = (target, Purpose::Events);
    let channels = Channels::new(1, common.lines()?, By::Name).map_err(Failure)?;
    let (subscribe, channel) = (Vec::new(), String::new());
    let kind = Kind { name: "sse", listen, publish, subscribe, channels, channel };
    deliver(&options.url, common, &options.publishing, kind)
}

/// The differences between the two loads of this file.
struct Kind {
    name: &'static str,
    listen: (Target, Purpose),
    /// The target, purpose and route of publications, and the template of one.
    publish: Option<(Target, Purpose, Route, String)>,
    /// The first messages of the subscribers: one for each, or one for all.
    subscribe: Vec<String>,
    channels: Channels,
    /// The first channel.
    channel: String,
}

fn deliver(
    url: &str,
    common: &CommonOptions,
    options: &PublishingOptions,
    kind: Kind,
) -> Result<u64, Failure> {
    let subscribers = common.lines()?;
    prepare(common.connections.get() + 1, subscribers + 1, options.bytes)?;
    let key = mask_key()?;
    let bytes_max = options.bytes + ENVELOPE_BYTES;
    let opener = |(target, purpose)| {
        let headers = common.headers.clone();
        let mut opener = Opener { target, purpose, headers, bytes_max, key, streams: None };
        opener.streams = common.shared(&opener)?;
        Ok(opener)
    };
    let stamps = Stamps::new(run_number()?, options.bytes);
    let mut openers = vec![opener(kind.listen)?];
    let mut wanted = vec![(0, subscribers)];
    let mut publisher = None;
    if let Some((target, purpose, route, body)) = kind.publish {
        // The publisher has a socket of its own: the lines before it fill their connections.
        let opener = opener((target, purpose))?;
        let content_type = &options.content_type;
        let one = Publisher::new(route, subscribers, &body, content_type, &stamps, &opener)?;
        let is_one = kind.channels.is_one();
        publisher = Some(if is_one { one } else { one.with_channels(&kind.channel) });
        openers.push(opener);
        wanted.push((1, 1));
    }
    let default = if options.rate.is_some() { FLIGHT_WITH_RATE } else { 1 };
    let is_hub = !kind.subscribe.is_empty();
    let text = |text: &String| frame(Opcode::Text, Rsv::NONE, text.as_bytes(), key);
    let plan = Plan {
        subscribers,
        channels: kind.channels,
        subscribe: kind.subscribe.iter().map(text).collect(),
        rate: options.rate,
        in_flight: options.in_flight.unwrap_or(default),
        warm_up_ns: common.warm_up.0,
        duration_ns: common.duration.0,
        patience_ns: common.patience.0,
    };
    let mut delivery = Delivery::new(plan, stamps, publisher, meter(common)?);
    let lines = play(common, openers, &wanted, &mut delivery).map_err(|Failure(why)| {
        let hint = if is_hub && why.contains("subprotocol") { NO_HUB } else { "" };
        Failure(format!("{why}{hint}"))
    })?;
    let mut report = report_delivery(kind.name, url, (common, options), &delivery, lines);
    if is_hub && delivery.deliveries == 0 {
        report.note(format!("deliveries  there were none{NO_HUB}"));
    }
    report.print(common.json)
}

fn report_delivery(
    name: &'static str,
    url: &str,
    (common, options): (&CommonOptions, &PublishingOptions),
    delivery: &Delivery,
    lines: Lines,
) -> Report {
    let (span, count) = (&delivery.span, delivery.deliveries);
    let title = format!(
        "{name} of {} bytes at {}: {} subscribers{}, {}",
        options.bytes,
        plain(url),
        delivery.subscribers(),
        lines.version(),
        Value::Nanos(span.nanos).human(),
    );
    let shared = lines.shared();
    let mut report = Report::new(name, title, lines.faults);
    let published = delivery.published;
    report.figure("published", "published", Value::Count(published));
    report.figure("per second", "publish_rate", Value::PerSecond(span.rate(published)));
    report.figure("deliveries", "deliveries", Value::Count(count));
    report.figure("per second", "delivery_rate", Value::PerSecond(span.rate(count)));
    let bytes = Value::BytesPerSecond(span.rate(delivery.bytes));
    report.figure("bytes", "bytes_per_second", bytes);
    report.figure("lost", "lost", Value::Count(delivery.lost));
    report.latency("delivery", "latency", &delivery.each);
    report.latency("to the last", "last_delivery", &delivery.last);
    report.detail("subscribers", Value::of(delivery.subscribers()));
    report.detail("connections", Value::of(common.connections.get()));
    report.detail("streams", Value::of(shared));
    report.detail("bytes", Value::of(options.bytes));
    report.detail("duration_ns", Value::Nanos(span.nanos));
    report.detail("published_in_all", Value::Count(delivery.publications.count()));
    report.detail("other_messages", Value::Count(delivery.others));
    report.usage(&delivery.meter, span, count, "delivery");
    report
}

/// Tells our publications from those of another generator at the same server.
fn run_number() -> Result<u32, Failure> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).or_fail(|| "the system gives no random numbers".into())?;
    Ok(u32::from_ne_bytes(bytes))
}
