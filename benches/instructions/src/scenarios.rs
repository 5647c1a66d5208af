//! The scenarios: fixed work on fixed input, warmed up before.

mod deflate;
mod frames;
mod handshake;
mod http2;
mod hub;
mod server;
mod sse;
mod text;
mod websocket;
mod world;

/// Some work.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    /// Its name in the table.
    pub(crate) name: &'static str,
    /// The number of units by which its instructions are divided.
    pub(crate) unit: &'static str,
    /// Does it, and says how many units were done while it was counted.
    pub(crate) run: fn() -> u64,
}

/// Shorthand for the table below.
const fn scenario(name: &'static str, unit: &'static str, run: fn() -> u64) -> Scenario {
    Scenario { name, unit, run }
}

/// All scenarios; README.md describes them.
pub(crate) const SCENARIOS: [Scenario; 40] = [
    scenario("decode-16", "frame", || frames::decode(16, usize::MAX)),
    scenario("decode-125", "frame", || frames::decode(125, usize::MAX)),
    scenario("decode-1k-cut", "frame", || frames::decode(1024, 1448)),
    scenario("decode-64k", "frame", || frames::decode(64 << 10, usize::MAX)),
    scenario("decode-64k-cut", "frame", || frames::decode(64 << 10, 16 << 10)),
    scenario("utf8-ascii-1k", "text", || text::check(text::ascii)),
    scenario("utf8-mixed-1k", "text", || text::check(text::mixed)),
    scenario("utf8-mixed-1k-cut", "text", text::arrive),
    scenario("websocket-echo-16", "message", || websocket::echo_binary(16)),
    scenario("websocket-echo-1k", "message", || websocket::echo_binary(1024)),
    scenario("websocket-echo-text-16k", "message", || websocket::echo_text(16 << 10)),
    scenario("deflate-echo-1k-window-12", "message", || deflate::echo(12)),
    scenario("deflate-echo-1k-window-15", "message", || deflate::echo(15)),
    scenario("deflate-shared-1k", "message", deflate::shared),
    scenario("sse-parse-token", "event", || sse::parse(sse::token, usize::MAX)),
    scenario("sse-parse-token-cut", "event", || sse::parse(sse::token, 1448)),
    scenario("sse-parse-4k", "event", || sse::parse(sse::document, usize::MAX)),
    scenario("sse-parse-8-lines", "event", || sse::parse(sse::lines, usize::MAX)),
    scenario("sse-encode-1k", "event", sse::encode),
    scenario("handshake-small", "handshake", || handshake::complete(handshake::small)),
    scenario("handshake-browser", "handshake", || handshake::complete(handshake::browser)),
    scenario("accept-and-close", "connection", server::accept_and_close),
    scenario("echo-16-depth-1", "message", || server::echo(16, 1)),
    scenario("echo-16-depth-32", "message", || server::echo(16, 32)),
    scenario("echo-1k-depth-1", "message", || server::echo(1024, 1)),
    scenario("echo-64k-depth-1", "message", || server::echo(64 << 10, 1)),
    scenario("idle-minute", "connection", server::idle_minute),
    scenario("fanout-websocket-1", "delivery", || hub::fanout(hub::WEBSOCKET, 1)),
    scenario("fanout-websocket-10", "delivery", || hub::fanout(hub::WEBSOCKET, 10)),
    scenario("fanout-sse-1", "delivery", || hub::fanout(hub::EVENTS, 1)),
    scenario("fanout-sse-10", "delivery", || hub::fanout(hub::EVENTS, 10)),
    scenario("http2-request", "request", http2::request),
    scenario("http2-echo-16", "message", || http2::echo(16)),
    scenario("http2-fanout-sse-1", "delivery", || http2::fanout_events(1)),
    scenario("http2-fanout-sse-10", "delivery", || http2::fanout_events(10)),
    scenario("http2-fanout-websocket-1", "delivery", || http2::fanout_websockets(1)),
    scenario("http2-fanout-websocket-10", "delivery", || http2::fanout_websockets(10)),
    scenario("http2-publish", "publication", http2::publish),
    scenario("publish-http", "publication", hub::publish_http),
    scenario("publish-websocket", "publication", hub::publish_websocket),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// What a scenario promises it checks itself; all of them are run once, uncounted.
    #[test]
    fn every_scenario_does_some_work() {
        for Scenario { name, run, .. } in SCENARIOS {
            assert!(run() > 0, "{name}");
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = SCENARIOS.iter().map(|it| it.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SCENARIOS.len());
    }
}
