//! What is counted, for Prometheus.

use sockeye_server::{Context, Header, Reply, Status};

use crate::Service;

const TEXT: Header =
    Header::from_static("Content-Type", "text/plain; version=0.0.4; charset=utf-8");

impl Service {
    /// `GET /metrics`.
    pub(crate) fn metrics(&self, context: &Context<'_>) -> Reply {
        let (hub, server) = (self.hub.stats(), context.stats());
        let mut out = String::new();
        let gauges = [
            ("streams", self.sessions.len() as u64, "Streams and polls that are subscribed."),
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
        Reply::new(Status::OK, TEXT, out.into_bytes())
    }
}
