//! What is counted, for Prometheus.

use sockeye_server::{Context, Header, Reply, Status};

use crate::Service;
use crate::session::Form;

const TEXT: Header =
    Header::from_static("Content-Type", "text/plain; version=0.0.4; charset=utf-8");

impl Service {
    /// `GET /metrics`.
    pub(crate) fn metrics(&self, context: &Context<'_>) -> Reply {
        let (hub, server) = (self.hub.stats(), context.stats());
        let mut out = String::new();
        let gauges = [
            ("subscriptions", hub.subscriptions as u64, "Subscriptions of all streams."),
            ("channels", hub.channels as u64, "Channels with a record."),
            ("history_messages", hub.history_messages, "Messages in history."),
            ("history_bytes", hub.history_bytes, "Bytes in history."),
        ];
        let counters = [
            ("connections_accepted_total", server.accepted, "Connections accepted."),
            ("connections_closed_total", server.closed, "Connections closed."),
            ("published_total", hub.committed, "Messages that came into the log."),
            ("duplicates_total", hub.duplicates, "Publications that repeated a key."),
            ("refused_total", hub.refused, "Publications that were refused."),
            ("delivered_total", hub.delivered, "Messages that live streams took."),
            ("replayed_total", hub.replayed, "Messages fetched from history."),
            ("requests_total", server.requests, "Requests that arrived whole."),
            ("lagged_total", hub.lagged, "Times a live stream had no room and fell behind."),
            ("recovered_total", hub.recovered, "Times a stream caught up without a gap."),
            ("bytes_received_total", server.bytes_received, "Bytes read from sockets."),
            ("bytes_sent_total", server.bytes_sent, "Bytes written to sockets."),
        ];
        for (kind, rows) in [("gauge", &gauges[..]), ("counter", &counters[..])] {
            for (name, value, help) in rows {
                out.push_str(&format!(
                    "# HELP sockeye_{name} {help}\n# TYPE sockeye_{name} {kind}\n\
                     sockeye_{name} {value}\n"
                ));
            }
        }
        self.labelled(&mut out);
        Reply::new(Status::OK, TEXT, out.into_bytes())
    }

    /// What is counted by a label.
    fn labelled(&self, out: &mut String) {
        let hub = self.hub.stats();
        let mut streams = [("websocket", 0_u64), ("sse", 0), ("poll", 0)];
        for session in self.sessions.iter() {
            let at = match session.form {
                Form::Commands | Form::Greeting | Form::Bare => 0,
                Form::Events(_) => 1,
                Form::Poll => 2,
            };
            streams[at].1 += 1;
        }
        let gaps = [
            ("epoch", hub.gaps_epoch),
            ("ahead", hub.gaps_ahead),
            ("trimmed", hub.gaps_trimmed),
            ("limit", hub.gaps_limit),
            ("unreadable", hub.gaps_unreadable),
        ];
        let streams_help = "Streams and waiting polls that are subscribed.";
        for (name, kind, label, help, rows) in [
            ("streams", "gauge", "transport", streams_help, &streams[..]),
            ("gaps_total", "counter", "reason", "Gaps declared.", &gaps[..]),
        ] {
            out.push_str(&format!("# HELP sockeye_{name} {help}\n# TYPE sockeye_{name} {kind}\n"));
            for (value, count) in rows {
                out.push_str(&format!("sockeye_{name}{{{label}=\"{value}\"}} {count}\n"));
            }
        }
    }
}
