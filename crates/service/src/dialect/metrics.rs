//! `GET /metrics`: what is counted, for Prometheus. Every set of labels is closed: nothing that a
//! client chooses (a channel, a user, a code of its own) makes one more.

mod sources;

use std::collections::{BTreeMap, BTreeSet};

use sockeye_auth::Refusal;
use sockeye_server::{ClosedBy, Closes, Context, Header, Reply, Stats, Status, StreamKind, gzip};

use crate::Service;
use crate::certificates::CertificateFigures;
use crate::dialect::counters::RequestCounters;
use crate::dialect::exposition::{Kind, Page};
use crate::dialect::reply::NO_STORE;
use crate::engine::archive::ReadingCounters;
use crate::engine::bounds::Rejections;
use crate::engine::counters::Counters;
use crate::engine::openings::OpeningCounters;
use crate::inlet::SourceFigures;
use crate::sequencing::{ClockState, Figures, Health, StorageLines};
use crate::wire::{CloseReason, Code};

const TEXT: Header =
    Header::from_static("Content-Type", "text/plain; version=0.0.4; charset=utf-8");

/// The figures of one service, or of several together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    server: Stats,
    closes: Closes,
    compressed: gzip::Totals,
    unsent_bytes: u64,
    /// The figures of each hub about its own streams.
    hub: sockeye_hub::Stats,
    /// The sequencer's figures about publications.
    sequencer: Figures,
    engine: Counters,
    requests: RequestCounters,
    rejections: Rejections,
    health: Health,
    clock: ClockState,
    archive: ReadingCounters,
    openings: OpeningCounters,
    storage: StorageLines,
    certificates: Option<CertificateFigures>,
    sources: Vec<SourceFigures>,
}

impl Service {
    /// The figures of this service. The bytes that wait for clients are those of the last count.
    pub(crate) fn tally(&self, context: &Context<'_>) -> Tally {
        let hub = self.engine.hub.stats();
        Tally {
            server: *context.stats(),
            closes: context.closes().clone(),
            compressed: context.compressed(),
            unsent_bytes: self.survey.unsent_bytes,
            hub,
            sequencer: self.engine.sequencing.figures(hub),
            engine: self.engine.counters.clone(),
            requests: self.counters.clone(),
            rejections: self.engine.bounds.rejections,
            health: self.engine.sequencing.health(),
            clock: self.clock().state(),
            archive: self.engine.reading.counters(),
            openings: self.engine.openings.counters,
            storage: self.storage_lines(),
            certificates: self.certificates.as_ref().map(|it| it.figures()),
            sources: self.offers.as_ref().map(|it| it.inlet.figures()).unwrap_or_default(),
        }
    }
}

impl Tally {
    /// Adds the figures of another service of the process.
    pub(crate) fn add(&mut self, other: &Self) {
        self.server.add(&other.server);
        self.closes.include(&other.closes);
        self.compressed.add(other.compressed);
        self.unsent_bytes += other.unsent_bytes;
        self.hub.add(&other.hub);
        // The latest of several views of one sequencer.
        if other.sequencer.hub.admitted >= self.sequencer.hub.admitted {
            self.sequencer.hub = other.sequencer.hub;
        }
        self.sequencer.log_refusals = self.sequencer.log_refusals.max(other.sequencer.log_refusals);
        self.sequencer.durable |= other.sequencer.durable;
        self.sequencer.shared = other.sequencer.shared.or(self.sequencer.shared);
        self.engine.add(&other.engine);
        self.requests.add(&other.requests);
        self.rejections.add(other.rejections);
        self.archive.add(other.archive);
        self.openings.add(other.openings);
        if self.health == Health::Good {
            self.health = other.health;
        }
        // All of them see one clock.
        self.clock.jumps = self.clock.jumps.max(other.clock.jumps);
        self.clock.off_ms = self.clock.off_ms.max(other.clock.off_ms);
        // And have the same certificates.
        self.certificates = self.certificates.or(other.certificates);
        // One of them publishes for all sources.
        if self.sources.is_empty() {
            self.sources = other.sources.clone();
        }
        // And one disk.
        if self.storage.is_empty() {
            self.storage = other.storage.clone();
        }
    }

    /// `GET /metrics`.
    pub(crate) fn page(&self) -> Reply {
        let mut page = Page::default();
        self.about(&mut page);
        self.connections(&mut page);
        self.streams(&mut page);
        self.requests(&mut page);
        self.publications(&mut page);
        self.delivery(&mut page);
        self.resumes(&mut page);
        self.log_state(&mut page);
        self.shared_log(&mut page);
        sources::write(&self.sources, &mut page);
        self.archive(&mut page);
        self.storage(&mut page);
        self.clock(&mut page);
        self.compression(&mut page);
        self.traffic(&mut page);
        Reply::new(Status::OK, TEXT, page.finish().into_bytes()).header(NO_STORE)
    }

    fn about(&self, page: &mut Page) {
        let version = concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"").to_owned();
        page.labelled(Kind::Gauge, "build_info", "Which build this is; always 1.", [(version, 1)]);
        let help = "When the process began to serve, in seconds since 1970.";
        page.gauge("start_time_seconds", help, self.engine.started_s.unwrap_or(0));
    }

    fn streams(&self, page: &mut Page) {
        let (stats, polls) = (&self.server, &self.requests.polls);
        let polls_over = polls.answered + polls.gone;
        let opened = [
            ("websocket", stats.websockets_opened),
            ("sse", stats.event_streams_opened),
            ("poll", polls.opened),
        ];
        let open = [
            ("websocket", stats.websockets_opened - stats.websockets_closed),
            ("sse", stats.event_streams_opened - stats.event_streams_closed),
            ("poll", polls.opened - polls_over),
        ];
        let help = "Streams that are open, the program's own echo and clock among them; polls, \
                    while they wait.";
        page.by(Kind::Gauge, "streams", help, "transport", open);
        let help = "Streams that were opened, and polls that had to wait.";
        page.by(Kind::Counter, "streams_opened_total", help, "transport", opened);
        let help = "Streams that ended, by who ended them and with which code: of the server's, \
                    what it said, in a Close or in $goaway (1006: nothing, the connection was \
                    cut); of the client's, what its Close said (1005: a Close without a code, \
                    1006: no Close, other: a code of its own). A poll that was answered is 1000.";
        page.labelled(Kind::Counter, "streams_closed_total", help, self.closes());
        let subscriptions = self.hub.subscriptions as u64;
        page.gauge("subscriptions", "Subscriptions of all streams.", subscriptions);
        let help = "Channels that are subscribed and of which no message is known.";
        page.gauge("channels_unwritten", help, self.hub.unwritten as u64);
    }

    /// All close codes that occurred, and also those of this protocol that did not.
    fn closes(&self) -> Vec<(String, u64)> {
        let mut rows = BTreeMap::new();
        for transport in ["websocket", "sse"] {
            for reason in CloseReason::ALL {
                rows.insert((transport, "server", reason.code()), 0);
            }
        }
        for (close, count) in self.closes.iter() {
            let transport = match close.kind {
                StreamKind::WebSocket => "websocket",
                StreamKind::EventStream => "sse",
                // A poll, or a publication that waited for the log: counted below.
                _ => continue,
            };
            let by = match close.by {
                ClosedBy::Server => "server",
                _ => "client",
            };
            *rows.entry((transport, by, close.code.unwrap_or(0))).or_default() += count;
        }
        let polls = &self.requests.polls;
        rows.insert(("poll", "server", 1000), polls.answered);
        rows.insert(("poll", "client", 1006), polls.gone);
        let row = |((transport, by, code), count): ((&str, &str, u16), u64)| {
            let code = if code == 0 { "other".to_owned() } else { code.to_string() };
            (format!("transport=\"{transport}\",by=\"{by}\",code=\"{code}\""), count)
        };
        rows.into_iter().map(row).collect()
    }

    fn requests(&self, page: &mut Page) {
        let (stats, counters) = (&self.server, &self.requests);
        page.counter("requests_total", "Requests that arrived whole.", stats.requests);
        let help = "Responses with a status of 400 or above, to what was no request among them.";
        page.counter("responses_refused_total", help, stats.refused);
        let help = "Requests that were refused, by the code of the error; WebSockets that were \
                    let in to be told so among them.";
        let rows = by_code(&counters.requests_refused);
        page.by(Kind::Counter, "requests_refused_total", help, "code", rows);
        let rejections = self.rejections;
        let rows = [
            ("message_rate", rejections.messages),
            ("request_rate", rejections.requests),
            ("handshake_rate", rejections.handshakes),
            ("own_handshake_rate", rejections.own_handshakes),
            ("user_connections", rejections.connections),
            ("address_streams", rejections.address_streams),
            ("full", rejections.full),
            ("channels", rejections.channels),
            ("own_channels", rejections.own_channels),
            ("archive", rejections.archive),
            ("own_archive", rejections.own_archive),
        ];
        let help = "Streams, requests, commands, publications and subscriptions that were refused for \
                    a bound: on messages, requests or handshakes in a time, of all or of one user \
                    or address; on the streams of a user, of an address, of all; on channels without \
                    a message and patterns, of all, and of one user or address; on requests that \
                    wait for the archive or for their turn, likewise.";
        page.by(Kind::Counter, "rejected_total", help, "reason", rows);
        let help = "Credentials that were looked at: ok, none (nothing was shown), or the code of \
                    the refusal.";
        let good = [("ok", counters.authenticated), ("none", counters.nothing_shown)];
        let bad = Refusal::ALL.into_iter().map(|refusal| {
            let code = refusal.code();
            (code, counters.not_authenticated.get(code).copied().unwrap_or(0))
        });
        let rows = good.into_iter().chain(bad);
        page.by(Kind::Counter, "authentications_total", help, "outcome", rows);
    }

    fn publications(&self, page: &mut Page) {
        let hub = self.sequencer.hub;
        page.counter("published_total", "Messages that came into the log.", hub.committed);
        page.counter("duplicates_total", "Publications that repeated a key.", hub.duplicates);
        let help = "Publications that were refused, by the code of the error.";
        let rows = by_code(&self.requests.publications_refused);
        page.by(Kind::Counter, "publications_refused_total", help, "code", rows);
        page.gauge("channels", "Channels with a record.", hub.channels as u64);
        page.gauge("history_messages", "Messages in memory.", hub.history_messages);
        page.gauge("history_bytes", "Bytes of these.", hub.history_bytes);
    }

    fn delivery(&self, page: &mut Page) {
        let (hub, counters) = (self.hub, &self.engine);
        page.counter("delivered_total", "Messages that live streams took.", hub.delivered);
        let help = "Messages fetched from history: by resumes, polls and slow readers.";
        page.counter("replayed_total", help, hub.replayed);
        let help = "From the turn in which a message was admitted until the system was offered it \
                    for the last live stream, the log's time included: one observation a message \
                    that had any. A message that a slow reader fetched later is one more, until \
                    then. What the system and the network do afterwards is not in it.";
        page.histogram("delivery_lag_seconds", help, counters.delivery.histogram());
        let rows = [
            ("lagged", hub.lagged),
            ("caught_up", counters.caught_up),
            ("skipped", counters.skipped),
            ("closed", hub.overruns),
        ];
        let help = "Slow readers: had no room and fell behind, caught up, were told of a gap and \
                    went on, were sent away because history had overrun them.";
        page.by(Kind::Counter, "slow_readers_total", help, "action", rows);
    }

    fn resumes(&self, page: &mut Page) {
        let hub = self.hub;
        let rows = [("complete", hub.recovered), ("gap", hub.recovered_with_gaps)];
        let help = "Times a stream that was behind came to be live: after a resume, or as a slow \
                    reader; a poll each time that it fetched.";
        page.by(Kind::Counter, "resumes_total", help, "outcome", rows);
        let rows = [
            ("epoch", hub.gaps_epoch),
            ("ahead", hub.gaps_ahead),
            ("forked", hub.gaps_forked),
            ("trimmed", hub.gaps_trimmed),
            ("limit", hub.gaps_limit),
            ("unreadable", hub.gaps_unreadable),
        ];
        page.by(Kind::Counter, "gaps_total", "Gaps declared.", "reason", rows);
    }

    fn log_state(&self, page: &mut Page) {
        let (failed, refusing) = (self.health.has_failed(), self.health.is_refusing());
        page.gauge("log_enabled", "Whether there is a log on disk.", self.sequencer.durable.into());
        let pending = self.sequencer.hub.pending as u64;
        page.gauge("log_pending", "Messages that wait for the log.", pending);
        page.gauge("log_failed", "Whether the log has failed for good.", failed.into());
        let help = "Whether the log could not take what it was given last.";
        page.gauge("log_refusing", help, refusing.into());
        let help = "Times the log could not take what it was given.";
        page.counter("log_refusals_total", help, self.sequencer.log_refusals);
    }

    /// [service:shared-log-figures]
    fn shared_log(&self, page: &mut Page) {
        let Some(shared) = self.sequencer.shared else { return };
        let help = "Whether the engine of the log that several machines share can be reached.";
        page.gauge("backbone_up", help, shared.is_up.into());
        let help = "Whether publications are taken: the log was read, and nothing is in doubt.";
        page.gauge("backbone_ready", help, u64::from(self.health == Health::Good));
        let help = "Entries of that log that this process has not read yet.";
        page.gauge("backbone_lag_entries", help, shared.lag_entries);
        let help = "Publications of this process that wait until they are read back.";
        page.gauge("backbone_unread", help, shared.unread);
        let help = "Epochs of that log that have ended: all clients had a gap.";
        page.counter("backbone_epochs_ended_total", help, shared.epochs_ended);
        let help = "Times this process doubted what it had read of that log, and read it again.";
        page.counter("backbone_doubts_total", help, shared.doubts);
        let help = "Entries of that log that could not be read.";
        page.counter("backbone_unreadable_total", help, shared.unreadable);
        let OpeningCounters { reached, ahead, no_room } = self.openings;
        let rows = [("reached", reached), ("ahead", ahead), ("no_room", no_room)];
        let help = "Openings with a cursor that was ahead of this process: it has read up to there in time, \
                    or not; or there was no room to wait.";
        page.by(Kind::Counter, "backbone_opening_waits_total", help, "outcome", rows);
    }

    fn archive(&self, page: &mut Page) {
        let ReadingCounters { pages, unavailable, streams, requests } = self.archive;
        let help = "Pages that were read from the disk for streams, polls and pages of history, and \
                    questions that it could not answer.";
        let rows = [("read", pages), ("unavailable", unavailable)];
        page.by(Kind::Counter, "archive_pages_total", help, "outcome", rows);
        let help = "Streams and requests that wait for messages from the disk.";
        let rows = [("stream", streams), ("request", requests)];
        page.by(Kind::Gauge, "archive_waiting", help, "kind", rows);
    }

    /// [service:storage]
    fn storage(&self, page: &mut Page) {
        let lines = &self.storage;
        if lines.is_empty() {
            return;
        }
        let help = "Messages on disk, by namespace: * has all that are not configured, + those \
                    beyond the first 64.";
        page.labelled(Kind::Gauge, "log_messages", help, lines.rows(|it| it.messages));
        let help = "Bytes of messages on disk.";
        page.labelled(Kind::Gauge, "log_bytes", help, lines.rows(|it| it.bytes));
        let help = "Bytes that a namespace may have on disk while the others have what they have.";
        page.labelled(Kind::Gauge, "log_bytes_max", help, lines.rows(|it| it.bytes_max));
        let help = "Channels that the log remembers.";
        page.labelled(Kind::Gauge, "log_channels", help, lines.rows(|it| it.channels));
        let help = "Whether the publication that had no room last would have none now.";
        page.labelled(Kind::Gauge, "log_full", help, lines.rows(|it| it.is_full.into()));
        let help = "Publications that had no room on disk.";
        page.labelled(Kind::Counter, "log_no_room_total", help, lines.rows(|it| it.refused));
    }

    fn clock(&self, page: &mut Page) {
        let help =
            "Times the system's calendar was set while the process ran, by two seconds or more.";
        page.counter("calendar_jumps_total", help, self.clock.jumps);
        let help = "How far the calendar is from where it would be had it not been set, or behind the \
                    newest message of the log; zero once it is right again, or after an hour.";
        page.gauge("calendar_off_seconds", help, self.clock.off_ms.div_ceil(1_000));
    }

    fn connections(&self, page: &mut Page) {
        let stats = &self.server;
        page.gauge("connections", "Sockets open.", stats.accepted - stats.closed);
        let help = "Connections refused: their address has as many as it may have, or a listener expects the \
                    PROXY protocol and they are of no trusted proxy, or began with something else.";
        let rows = [("address", stats.crowded_out), ("proxy", stats.proxies_refused)];
        page.by(Kind::Counter, "connections_rejected_total", help, "reason", rows);
        page.counter("connections_accepted_total", "Connections accepted.", stats.accepted);
        page.counter("connections_closed_total", "Connections closed.", stats.closed);
        let help = "Times accepting rested: out of descriptors, or as many open as may be.";
        page.counter("accept_pauses_total", help, stats.accept_pauses);
        self.tls(page);
        self.http2(page);
        let help = "Connections and held requests given up for a deadline.";
        page.counter("timeouts_total", help, stats.timeouts);
        let help = "WebSockets failed for a peer's fault.";
        page.counter("protocol_errors_total", help, stats.protocol_errors);
        let help = "Connections cut with too much unsent.";
        page.counter("overflows_total", help, stats.overflows);
        let help = "Times a peer that did not read was not read.";
        page.counter("read_pauses_total", help, stats.read_pauses);
    }

    fn tls(&self, page: &mut Page) {
        let Some(certificates) = self.certificates else { return };
        let stats = &self.server;
        let rows = [
            ("completed", stats.handshakes),
            ("failed", stats.handshakes_failed.total()),
            ("evicted", stats.handshakes_evicted),
        ];
        let help = "Handshakes of TLS, by how they ended: evicted is for a newer one, because too many were \
                    under way.";
        page.by(Kind::Counter, "tls_handshakes_total", help, "outcome", rows);
        let help = "Handshakes of TLS that failed, by reason. Health checks that say nothing are cut; challenge is \
                    an authority's validation, and no failure.";
        let failed = stats.handshakes_failed.iter().map(|(kind, count)| (kind.as_str(), count));
        page.by(Kind::Counter, "tls_handshakes_failed_total", help, "reason", failed);
        let help = "When the first of the server's certificates ends, in seconds since 1970; 0 while there is none.";
        page.gauge("certificate_not_after_seconds", help, certificates.not_after_s);
        let help = "Times certificates were read again; failed: the old ones stayed in use.";
        let (reloads, failed) = certificates.reloads;
        let rows = [("good", reloads), ("failed", failed)];
        page.by(Kind::Counter, "certificate_reloads_total", help, "outcome", rows);
        if let Some(orders) = certificates.orders {
            let help = "Orders of certificates by ACME, by how they ended.";
            page.by(Kind::Counter, "certificate_orders_total", help, "outcome", orders);
        }
    }

    fn http2(&self, page: &mut Page) {
        let stats = &self.server;
        let open = stats.http2_connections - stats.http2_connections_closed;
        page.gauge("http2_connections", "Connections that speak HTTP/2.", open);
        let help = "Connections that have spoken HTTP/2, of those accepted.";
        page.counter("http2_connections_opened_total", help, stats.http2_connections);
        let open = stats.http2_streams - stats.http2_streams_closed;
        page.gauge("http2_streams", "Streams of HTTP/2: requests, and what they opened.", open);
        let help = "Streams of HTTP/2 that brought a request.";
        page.counter("http2_streams_opened_total", help, stats.http2_streams);
        let help = "Streams of HTTP/2 that were reset, by who reset them.";
        let rows = [("client", stats.http2_resets_received), ("server", stats.http2_resets_sent)];
        page.by(Kind::Counter, "http2_resets_total", help, "by", rows);
        let help = "Connections of HTTP/2 that were told to go, by the code of GOAWAY.";
        page.by(Kind::Counter, "http2_goaways_total", help, "code", stats.goaways.iter());
    }

    /// [service:compress-metrics]
    fn compression(&self, page: &mut Page) {
        let help = "Event streams that were opened in gzip.";
        let opened = self.server.event_streams_compressed;
        page.counter("compressed_streams_opened_total", help, opened);
        let help = "Events and answers that were compressed, each event once for all streams; those too \
                    short for it are not among them.";
        page.counter("compressed_texts_total", help, self.compressed.texts);
        let help = "Bytes of these, before (text) and after (gzip).";
        let rows = [("text", self.compressed.text_bytes), ("gzip", self.compressed.block_bytes)];
        page.by(Kind::Counter, "compressed_bytes_total", help, "form", rows);
    }

    fn traffic(&self, page: &mut Page) {
        let stats = &self.server;
        page.counter("bytes_received_total", "Bytes read from sockets.", stats.bytes_received);
        page.counter("bytes_sent_total", "Bytes written to sockets.", stats.bytes_sent);
        let help = "Bytes that wait for their peers, in all outboxes.";
        page.gauge("queue_bytes", help, self.unsent_bytes);
        let help = "How long turns of the loop took, from the end of the wait until outboxes were \
                    flushed: for so long everybody else had to wait.";
        page.histogram("loop_turn_seconds", help, &stats.turns);
        let help = "Work of the loop, in counted units of about a tenth of a microsecond.";
        page.counter("loop_units_total", help, stats.units);
        let help = "Times a budget of the loop was spent: the share of a connection, or the part of a \
                    turn for reading or for writing. The rest went on in the next turn.";
        let budgets = [
            ("connection", stats.share_stops),
            ("read", stats.read_stops),
            ("write", stats.write_stops),
        ];
        page.by(Kind::Counter, "loop_budget_spent_total", help, "budget", budgets);
    }
}

/// All codes of errors, with how often each was.
fn by_code(counted: &BTreeMap<&'static str, u64>) -> impl Iterator<Item = (&'static str, u64)> {
    // A word may be a code of the service and one of the credentials: it is there once.
    let codes = Code::ALL.into_iter().chain(Refusal::ALL.map(Code::Access));
    let words: BTreeSet<&'static str> = codes.map(Code::as_str).collect();
    words.into_iter().map(|word| (word, counted.get(word).copied().unwrap_or(0)))
}
