//! A server with a calendar, a log and clients, and what it has promised to whom.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use sockeye_auth::{
    Grants, Identity, JwtRules, Keys, Limits as AuthLimits, SigningKey, TokenClaims, Verifier,
};
use sockeye_hub::{ChannelName, Config, Cursor, Epoch, Kind, Seq};
use sockeye_server::{Limits as ServerLimits, Server};
use sockeye_service::wire::Payload;
use sockeye_service::{Access, Guard, Limits, Log, LogState, NoRoom, Record, Service};
use sockeye_simnet::{Faults, Peer, Random, SimNet};

use super::Totals;
use crate::common::{guarded_by, tickets};

const KEY: &str = "ApiKey a_back_end_s_key_of_a_good_length_01";
const HISTORY_MS: u64 = 60_000;
const KEY_MS: u64 = 40_000;
const TTL_MS: u64 = 20_000;
const TICKET_MS: u64 = 30_000;
const SESSION_MS: u64 = 86_400_000;
/// The calendar of a network that nobody has set.
const START_MS: u64 = 1_700_000_000_000;
/// A calendar that is so close to the expected date was not set.
const STEP_MS: u64 = 2_000;

/// A record as a log keeps it.
struct Kept {
    channel: String,
    time_ms: u64,
    bytes: Vec<u8>,
    key: Option<String>,
}

/// A log that has everything at once.
#[derive(Clone, Default)]
struct Disk(Rc<RefCell<Vec<Kept>>>);

impl Log for Disk {
    fn room(&self, _: ChannelName<'_>, _: Option<&str>, _: &Payload) -> Result<(), NoRoom> {
        Ok(())
    }

    fn append(&mut self, record: &Record<'_>) {
        let kept = Kept {
            channel: record.channel.as_str().to_owned(),
            time_ms: record.time_ms,
            bytes: record.payload.to_log(),
            key: record.key.map(str::to_owned),
        };
        self.0.borrow_mut().push(kept);
    }

    fn settled(&mut self) -> LogState {
        LogState::Through(Seq(self.0.borrow().len() as u64))
    }
}

/// A message, and what was promised of it.
struct Message {
    text: String,
    /// When it was admitted, in the time in which a process had the log.
    born_ms: u64,
    /// The calendar then.
    date_ms: u64,
    has_ttl: bool,
    /// The process that admitted it has ended.
    is_former: bool,
}

struct Stream {
    peer: Peer,
    ends_ms: u64,
}

struct Ticket {
    text: String,
    issued_ms: u64,
    session_ends_ms: u64,
}

pub(super) struct World {
    net: SimNet,
    server: Server<SimNet, Service>,
    disk: Disk,
    /// The time in which a process had the log.
    elapsed_ms: u64,
    /// When this process took the log over, and the calendar then.
    begun: (u64, u64),
    calendar_ms: u64,
    messages: Vec<Message>,
    streams: Vec<Stream>,
    tickets: Vec<Ticket>,
    pub(super) totals: Totals,
}

impl World {
    pub(super) fn new() -> Self {
        let disk = Disk::default();
        let (net, server) = serve(&disk, START_MS);
        Self {
            net,
            server,
            disk,
            elapsed_ms: 0,
            begun: (0, START_MS),
            calendar_ms: START_MS,
            messages: Vec::new(),
            streams: Vec::new(),
            tickets: Vec::new(),
            totals: Totals::default(),
        }
    }

    pub(super) fn advance(&mut self, ms: u64) {
        self.net.advance(ms);
        self.elapsed_ms += ms;
        self.calendar_ms += ms;
        self.turn();
    }

    pub(super) fn set_calendar(&mut self, by_ms: i64) {
        self.net.set_calendar(by_ms);
        self.calendar_ms = self.calendar_ms.saturating_add_signed(by_ms);
        self.totals.jumps += u64::from(by_ms != 0);
        // A loop reads the calendar once in a millisecond.
        self.advance(1);
    }

    /// Ends the process, and begins another one with a calendar that shows another date.
    pub(super) fn restart(&mut self, by_ms: i64) {
        self.calendar_ms = self.calendar_ms.saturating_add_signed(by_ms);
        let (net, server) = serve(&self.disk, self.calendar_ms);
        (self.net, self.server) = (net, server);
        // The log knows no more of its time than its newest message.
        self.elapsed_ms = self.messages.last().map_or(0, |last| last.born_ms);
        self.begun = (self.elapsed_ms, self.calendar_ms);
        self.messages.iter_mut().for_each(|it| it.is_former = true);
        self.streams.clear();
        self.tickets.clear();
        self.totals.restarts += 1;
        self.turn();
    }

    pub(super) fn publish(&mut self, random: &mut Random) {
        let text = self.messages.len().to_string();
        let (has_ttl, has_key) = (random.one_in(3), random.one_in(2));
        let ttl = if has_ttl { format!("&ttl_ms={TTL_MS}") } else { String::new() };
        let key = if has_key { format!("&key=k{text}") } else { String::new() };
        let target = format!("/v1/channels/a?event=e{key}{ttl}");
        let (status, _) = self.ask("POST", &target, KEY, &text);
        assert_eq!(status, 200);
        self.note(text, has_ttl);
    }

    /// Repeats a publication: it is known for as long as its key was promised.
    pub(super) fn repeat(&mut self, random: &mut Random) {
        let Some(at) = self.messages.len().checked_sub(1).map(|last| random.below(last + 1)) else {
            return;
        };
        let text = self.messages[at].text.clone();
        let key = format!("k{text}");
        let newest = self.disk.0.borrow().iter().rposition(|it| it.key.as_ref() == Some(&key));
        let Some(newest) = newest else { return };
        let age_ms = self.elapsed_ms - self.messages[newest].born_ms;
        let target = format!("/v1/channels/a?key={key}");
        let (status, receipt) = self.ask("POST", &target, KEY, &text);
        let is_known = age_ms < KEY_MS;
        assert_eq!((status, &receipt["duplicate"]), (200, &is_known.into()), "{age_ms}");
        if is_known {
            self.totals.repeats += 1;
        } else {
            self.totals.anew += 1;
            self.note(text, false);
        }
    }

    /// Reads history: it has what is younger than was promised, and nothing else.
    pub(super) fn read(&mut self) {
        let (status, page) = self.ask("GET", "/v1/channels/a/history?after=0&limit=500", KEY, "");
        assert_eq!(status, 200);
        let read = page["messages"].as_array().expect("messages");
        let mut read = read.iter().peekable();
        for (message, seq) in self.messages.iter().zip(1_u64..) {
            let is_owed = message.is_owed(self.elapsed_ms, self.begun);
            let is_there = read.peek().is_some_and(|it| position(it) == seq);
            let is_right = is_owed.is_none_or(|is_owed| is_owed == is_there);
            assert!(is_right, "{seq} at {}: {page}", self.elapsed_ms);
            if !is_there {
                self.totals.expired += 1;
                continue;
            }
            self.totals.kept += 1;
            let it = read.next().expect("it is there");
            let date_ms = it["time"].as_u64().expect("a date");
            assert!(date_ms.abs_diff(message.date_ms) <= STEP_MS, "{it} {}", message.date_ms);
        }
        assert!(read.next().is_none(), "{page}");
    }

    /// Shows a token: it is good until its end, by the calendar.
    pub(super) fn show_token(&mut self, random: &mut Random) {
        let (token, ends_ms) = self.token(random);
        let is_good = ends_ms > self.calendar_ms;
        let (status, answer) = self.ask("GET", "/v1/position?channel=a", &token, "");
        assert_eq!(status, if is_good { 200 } else { 401 }, "{answer}");
        match is_good {
            true => self.totals.admitted += 1,
            false => self.totals.refused += 1,
        }
    }

    pub(super) fn open_stream(&mut self, random: &mut Random) {
        let ends_in_s = [-3_600, -5, 5, 60, 3_600, 86_400][random.below(6)];
        self.open_stream_for(ends_in_s);
    }

    /// Opens a stream whose token ends in so many seconds.
    pub(super) fn open_stream_for(&mut self, ends_in_s: i64) {
        let (token, ends_ms) = self.token_for(ends_in_s);
        if ends_ms <= self.calendar_ms {
            return;
        }
        let mut peer = self.net.connect().expect("it listens");
        let target = "GET /v1/sse?channel=b HTTP/1.1\r\nHost: localhost\r\n";
        peer.write(format!("{target}Authorization: {token}\r\n\r\n").as_bytes());
        self.turn();
        assert!(text(&mut peer).starts_with("HTTP/1.1 200 "));
        self.streams.push(Stream { peer, ends_ms });
    }

    /// A stream is open as long as its token is good, however the calendar got there.
    pub(super) fn check_streams(&mut self) {
        self.turn();
        for mut stream in core::mem::take(&mut self.streams) {
            let said = text(&mut stream.peer);
            let is_over = stream.ends_ms <= self.calendar_ms;
            assert_eq!(said.contains("4302"), is_over, "{said:?}");
            if is_over {
                self.totals.ended += 1;
            } else {
                self.totals.open += 1;
                self.streams.push(stream);
            }
        }
    }

    pub(super) fn issue_ticket(&mut self) {
        let wanted = format!(r#"{{"channels":["a"],"life_ms":{TICKET_MS}}}"#);
        let (status, issued) = self.ask("POST", "/v1/tickets", KEY, &wanted);
        assert_eq!(status, 200, "{issued}");
        let text = issued["ticket"].as_str().expect("a ticket").to_owned();
        let session_ends_ms = self.calendar_ms + SESSION_MS;
        self.tickets.push(Ticket { text, issued_ms: self.elapsed_ms, session_ends_ms });
    }

    /// A ticket waits for its time, whatever the calendar does meanwhile. Its session has a date.
    pub(super) fn redeem_tickets(&mut self) {
        for ticket in core::mem::take(&mut self.tickets) {
            let waited_ms = self.elapsed_ms - ticket.issued_ms;
            let is_good = waited_ms < TICKET_MS && self.calendar_ms < ticket.session_ends_ms;
            let target = format!("/v1/poll?channel=a&ticket={}", ticket.text);
            let (status, answer) = self.ask("GET", &target, "", "");
            assert_eq!(status, if is_good { 200 } else { 401 }, "{waited_ms} {answer}");
        }
    }

    /// Sets the calendar, and publishes before the server has looked at it.
    pub(super) fn jump_and_publish(&mut self, by_ms: i64) {
        self.net.set_calendar(by_ms);
        self.net.advance(1);
        let mut client = self.net.connect().expect("it listens");
        let head = "POST /v1/channels/b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4";
        client.write(format!("{head}\r\nAuthorization: {KEY}\r\n\r\nlate").as_bytes());
    }

    /// The streams that one turn has told that they are over. None has got a message.
    pub(super) fn turn_and_count_ends(&mut self) -> usize {
        self.server.turn(Some(Duration::ZERO)).expect("the poller never fails here");
        let said = self.streams.iter_mut().map(|stream| text(&mut stream.peer));
        let over = said.filter(|said| {
            assert!(!said.contains("late"), "{said}");
            said.contains("4302")
        });
        over.count()
    }

    /// A token that ends some time before or after the calendar's date.
    fn token(&self, random: &mut Random) -> (String, u64) {
        self.token_for([-3_600, -5, 5, 60, 3_600, 86_400][random.below(6)])
    }

    /// A token that ends so many seconds after the calendar's date, in whole seconds.
    fn token_for(&self, ends_in_s: i64) -> (String, u64) {
        let now_s = i64::try_from(self.calendar_ms / 1_000).expect("a date");
        let ends_ms = u64::try_from((now_s + ends_in_s) * 1_000).unwrap_or(0);
        let ann = Identity {
            user: Some("ann".to_owned()),
            ends_ms: Some(ends_ms),
            subscribe: Grants::everything(),
            ..Identity::anonymous()
        };
        let token = signing_key().token(&ann, &TokenClaims::default()).expect("a token");
        (format!("Bearer {token}"), ends_ms)
    }

    fn note(&mut self, text: String, has_ttl: bool) {
        let (born_ms, date_ms) = (self.elapsed_ms, self.calendar_ms);
        self.messages.push(Message { text, born_ms, date_ms, has_ttl, is_former: false });
    }

    fn turn(&mut self) {
        for _ in 0..3 {
            self.server.turn(Some(Duration::ZERO)).expect("the poller never fails here");
        }
    }

    fn ask(&mut self, method: &str, target: &str, who: &str, body: &str) -> (u16, Value) {
        let (status, text) = self.ask_for_text(method, target, who, body);
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// A page that needs no credential.
    pub(super) fn page(&mut self, target: &str) -> (u16, String) {
        self.ask_for_text("GET", target, "", "")
    }

    fn ask_for_text(&mut self, method: &str, target: &str, who: &str, body: &str) -> (u16, String) {
        let who = match who {
            "" => String::new(),
            who => format!("Authorization: {who}\r\n"),
        };
        let len = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\n{who}Content-Length: {len}\r\n\r\n{body}"
        );
        let mut client = self.net.connect().expect("it listens");
        client.write(request.as_bytes());
        self.turn();
        let answer = text(&mut client);
        let status = answer.get(9..12).and_then(|it| it.parse().ok()).expect("a status");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
        (status, body.to_owned())
    }
}

impl Message {
    /// Whether history has it; `None` if a date that is two seconds off decides.
    fn is_owed(&self, elapsed_ms: u64, (begun_ms, begun_date_ms): (u64, u64)) -> Option<bool> {
        let age_ms = elapsed_ms - self.born_ms;
        let away_ms = match self.is_former {
            // As the calendar tells it.
            true => begun_date_ms.saturating_sub(self.date_ms) + (elapsed_ms - begun_ms),
            false => 0,
        };
        let is_unsure = self.is_former && away_ms.abs_diff(TTL_MS) <= STEP_MS;
        match (age_ms < HISTORY_MS, self.has_ttl) {
            (false, _) => Some(false),
            (true, true) if is_unsure && age_ms < TTL_MS => None,
            (true, true) => Some(age_ms.max(away_ms) < TTL_MS),
            (true, false) => Some(true),
        }
    }
}

/// A server that has taken back the log, on a network whose calendar shows this date.
fn serve(disk: &Disk, calendar_ms: u64) -> (SimNet, Server<SimNet, Service>) {
    let net = SimNet::new(1, Faults::default(), 1 << 20);
    let by_ms = i128::from(calendar_ms) - i128::from(START_MS);
    net.set_calendar(i64::try_from(by_ms).expect("some years"));
    let mut hub = Config::default();
    (hub.settings.history_ms, hub.settings.key_ms) = (HISTORY_MS, KEY_MS);
    hub.settings.history_messages_max = 1_000;
    let mut limits = Limits::default();
    (limits.answer_bytes_max, limits.queue_bytes_max) = (1 << 20, 1 << 20);
    limits.history_messages_max = 1_000;
    (limits.connections_per_user, limits.handshakes_per_second) = (1_000, 1_000_000);
    limits.handshakes_burst = 1_000_000;
    let mut service = Service::new(Epoch(7), hub, limits).with_access(access());
    for (kept, seq) in disk.0.borrow().iter().zip(1..) {
        let payload = Payload::from_log(&kept.bytes).expect("a payload");
        let record = Record {
            position: Cursor::new(Epoch(7), Seq(seq)),
            channel: ChannelName::new(&kept.channel).expect("a name"),
            time_ms: kept.time_ms,
            kind: Kind::Message,
            payload: &payload,
            key: kept.key.as_deref(),
        };
        service.restore(&record).expect("in order");
    }
    let service = service.with_log(Box::new(disk.clone()));
    (net.clone(), Server::new(net, service, ServerLimits::default()))
}

fn access() -> Access {
    let limits = AuthLimits::default();
    let mut keys = Keys::new(limits);
    let shop = Identity {
        subscribe: Grants::everything(),
        publish: Grants::everything(),
        tickets: Grants::everything(),
        ..Identity::anonymous()
    };
    keys.add_text("shop", &KEY[7..], shop).expect("a good key");
    let key = signing_key().verifying().expect("a key");
    let tokens = Verifier::new(JwtRules::default(), vec![key], limits).expect("one key");
    Access::Guarded(Box::new(Guard {
        tokens: Some(tokens),
        tickets: Some(tickets(limits)),
        ..guarded_by(keys, Identity::anonymous())
    }))
}

fn signing_key() -> SigningKey {
    SigningKey::hs256(&[9; 32]).expect("a good secret")
}

/// The position in an item of history.
fn position(item: &Value) -> u64 {
    let (_, seq) = item["cursor"].as_str().and_then(|it| it.split_once('-')).expect("a cursor");
    u64::from_str_radix(seq, 36).expect("base 36")
}

/// All that has come to a peer.
fn text(peer: &mut Peer) -> String {
    let mut bytes = Vec::new();
    while let Some(more) = peer.read(usize::MAX).filter(|more| !more.is_empty()) {
        bytes.extend(more);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
