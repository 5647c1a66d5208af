//! The machine against hubs of every kind, over bytes.

use proptest::prelude::*;
use sockeye_websocket::{Config, Connection as Protocol, Message};

use super::super::event::{Data, Target};
use super::*;
use crate::Url;

#[path = "tests/coded.rs"]
mod coded;
#[path = "tests/polls.rs"]
mod polls;

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
const UPGRADE_ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    Sec-WebSocket-Protocol: sockeye.v1.json\r\n\r\n";
const WELCOME: &str = r#"{"type":"welcome","cursor":"1a-9","session":"x","ping_ms":25000}"#;

/// The nonce of RFC 6455 §1.3, whose answer is known.
fn entropy() -> Entropy {
    Entropy::from_fn(|bytes| {
        let nonce = b"the sample nonce";
        bytes.iter_mut().zip(nonce.iter().cycle()).for_each(|(to, from)| *to = *from);
    })
}

/// A machine, its clock, and what it has said.
struct Rig {
    machine: Subscription,
    now: u64,
    out: Vec<u8>,
}

impl Rig {
    fn new(transports: &[Transport], change: impl FnOnce(&mut SubscriptionOptions)) -> Self {
        let url = Url::parse("http://hub.example").expect("a URL");
        let mut options = SubscriptionOptions::new(url, &["a", "b:*"]);
        options.transports = transports.to_vec();
        change(&mut options);
        let machine = Subscription::new(options, Limits::DEFAULT, entropy());
        Self { machine: machine.expect("good options"), now: 1_000, out: Vec::new() }
    }

    const fn at(&self) -> Time {
        Time::from_millis(self.now)
    }

    /// What it tells about a piece of input.
    fn feed(&mut self, bytes: &[u8]) -> Vec<Result<SubscriptionEvent<'static>, Error>> {
        let mut bytes = bytes.to_vec();
        let mut input = &mut bytes[..];
        let mut told = Vec::new();
        loop {
            let now = self.at();
            let next = self.machine.next(now, &mut input, &mut self.out, &mut |it| it.into_owned());
            match next {
                Ok(Some(event)) => told.push(Ok(event)),
                Ok(None) => break,
                Err(error) => told.push(Err(error)),
            }
            assert!(told.len() < 10_000, "no end of it");
        }
        assert!(input.is_empty(), "input is left");
        told
    }

    /// Gives it a connection, and what it asks on it.
    fn connect(&mut self) -> String {
        assert_eq!(self.feed(b""), []);
        assert!(self.machine.peer().is_some(), "no connection is wanted");
        self.out.clear();
        let now = self.at();
        self.machine.connected(now, &mut self.out);
        self.feed(b"");
        String::from_utf8_lossy(&core::mem::take(&mut self.out)).into_owned()
    }

    fn close(&mut self) -> Vec<u8> {
        let now = self.at();
        self.machine.close(now, &mut self.out);
        core::mem::take(&mut self.out)
    }

    fn cut(&mut self, why: Error) -> Vec<Result<SubscriptionEvent<'static>, Error>> {
        let now = self.at();
        self.machine.disconnected(now, why);
        self.feed(b"")
    }

    /// An event stream with these events after its first frame.
    fn stream(events: &str) -> String {
        format!("{STREAM}id: 1a-1\nretry: 2000\n\n{events}")
    }

    fn events(&mut self, events: &str) -> Vec<String> {
        self.feed(events.as_bytes()).into_iter().map(short).collect()
    }
}

/// An event in a few words.
fn short(event: Result<SubscriptionEvent<'static>, Error>) -> String {
    match event {
        Err(error) => format!("error {error:?}"),
        Ok(SubscriptionEvent::Connected { transport }) => format!("{transport:?}"),
        Ok(SubscriptionEvent::Message(it)) => {
            let (Data::Text(data) | Data::Json(data)) = it.data;
            format!("{} {} {data}", it.channel, it.cursor)
        }
        Ok(SubscriptionEvent::Gap(gap)) => match gap.target {
            Target::Channel(name) | Target::Pattern(name) => format!("gap {name} {}", gap.reason),
            Target::All => format!("gap {}", gap.reason),
        },
        Ok(SubscriptionEvent::Sync { cursor, gaps, .. }) => format!("sync {cursor} {gaps}"),
        Ok(SubscriptionEvent::End { channel, cursor }) => format!("end {channel} {cursor}"),
        Ok(SubscriptionEvent::Refused { channel, code, .. }) => format!("refused {channel} {code}"),
        Ok(SubscriptionEvent::Lost { why, wait_ms }) => format!("lost {wait_ms} {why:?}"),
        Ok(SubscriptionEvent::CredentialsNeeded { why }) => format!("credentials {why:?}"),
    }
}

fn message(channel: &str, cursor: &str, data: &str) -> String {
    format!(
        "id: {cursor}\ndata: {{\"channel\":\"{channel}\",\"cursor\":\"{cursor}\",\"time\":1,\"data\":{data}}}\n\n"
    )
}

fn said(kind: &str, id: &str, json: &str) -> String {
    let id = if id.is_empty() { String::new() } else { format!("id: {id}\n") };
    format!("event: ${kind}\n{id}data: {json}\n\n")
}

fn streaming() -> Rig {
    let mut rig = Rig::new(&[Transport::EventStream], |_| {});
    rig.connect();
    assert_eq!(rig.events(&Rig::stream("")), ["EventStream"]);
    rig
}

/// A hub's end of a WebSocket behind its handshake.
struct Hub(Protocol);

impl Hub {
    fn new() -> Self {
        Self(Protocol::server(&Config::default()))
    }

    fn say(&mut self, text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        self.0.send(Message::Text(text), &mut out).expect("open");
        out
    }
}

fn talking() -> (Rig, Hub) {
    let mut rig = Rig::new(&[Transport::WebSocket], |_| {});
    rig.connect();
    assert_eq!(rig.events(UPGRADE_ANSWER), Vec::<String>::new());
    (rig, Hub::new())
}

/// [client:hub-once]
#[test]
fn what_comes_twice_is_shown_once_over_all_connections() {
    let mut rig = streaming();
    let twice = message("a", "1a-2", "1").repeat(2);
    assert_eq!(rig.events(&twice), ["a 1a-2 1"]);
    let lost = rig.cut(Error::Ended).into_iter().map(short).collect::<Vec<_>>();
    assert_eq!(lost, ["lost 2000 Ended"]);
    rig.now += 2_000;
    let asked = rig.connect();
    assert!(asked.contains("&channel=a&channel=b:%2A&cursor=1a-2 "), "{asked}");
    let again = message("a", "1a-2", "1") + &message("b:1", "1a-3", "\"x\"");
    assert_eq!(rig.events(&format!("{STREAM}{again}")), ["EventStream", "b:1 1a-3 x"]);
}

/// [client:hub-cursor]
#[test]
fn a_websocket_counts_from_subscribed_on() {
    let (mut rig, mut hub) = talking();
    let mut bytes = hub.say(WELCOME);
    bytes.extend(
        hub.say(r#"{"type":"sync","cursor":"1b-7","recovered":true,"gaps":0,"replayed":0}"#),
    );
    assert_eq!(rig.feed(&bytes).into_iter().map(short).collect::<Vec<_>>(), ["WebSocket"]);
    assert_eq!(rig.machine.cursor(), None);
    rig.feed(&hub.say(r#"{"type":"subscribed","channels":["a","b:*"],"cursor":"1a-4"}"#));
    assert_eq!(rig.machine.cursor(), Some("1a-4"));
}

/// [client:hub-epoch]
#[test]
fn another_life_of_the_log_without_a_gap_is_one() {
    let mut rig = streaming();
    let events =
        message("a", "1a-2", "1") + &message("a", "1b-1", "2") + &message("a", "1b-2", "3");
    assert_eq!(rig.events(&events), ["a 1a-2 1", "gap epoch", "a 1b-1 2", "a 1b-2 3"]);
    let sync = said("sync", "1c-0", r#"{"cursor":"1c-0","recovered":true,"gaps":0,"replayed":0}"#);
    assert_eq!(rig.events(&sync), ["gap epoch", "sync 1c-0 2"], "and it is counted");
    assert_eq!(rig.events("id: 1d-0\n\n"), ["gap epoch"], "a heartbeat");
    assert_eq!(rig.machine.cursor(), Some("1d-0"));
}

/// [client:hub-gap]
#[test]
fn gaps_are_told_and_let_the_cursor_go_where_it_has_to() {
    let mut rig = streaming();
    let limit = r#"{"pattern":"b:*","reason":"limit","missed":{"after":1,"through":7}}"#;
    let events = said("gap", "", r#"{"all":true,"reason":"ahead"}"#) + &message("a", "1a-0", "1");
    assert_eq!(
        rig.events(&(said("gap", "", limit) + &events)),
        ["gap b:* limit", "gap ahead", "a 1a-0 1"]
    );
    assert_eq!(rig.machine.cursor(), Some("1a-0"));
    // One of known size frees nothing.
    assert_eq!(rig.events(&(message("a", "1a-5", "2") + &said("gap", "", limit))).len(), 2);
    assert_eq!(rig.events(&message("a", "1a-4", "3")), Vec::<String>::new());
    assert_eq!(rig.machine.cursor(), Some("1a-5"));
}

#[test]
fn a_subscription_ends_with_its_last_channel() {
    let mut rig = streaming();
    let refused = r#"{"channel":"b:*","code":"patterns_off","message":"no"}"#;
    let end = said("end", "1a-3", r#"{"channel":"a","cursor":"1a-3"}"#);
    let events = said("error", "", refused) + &end + &message("a", "1a-4", "1");
    assert_eq!(rig.events(&events), ["refused b:* patterns_off", "end a 1a-3"]);
    assert!(rig.machine.is_over() && rig.machine.peer().is_none());
    assert_eq!(rig.machine.deadline(), Time::NEVER);
    rig.machine.disconnected(rig.at(), Error::HungUp);
    assert_eq!(rig.feed(b"anything"), []);
}

/// [client:hub-busy]
#[test]
fn a_channel_that_has_no_room_now_is_come_back_for() {
    let (mut rig, mut hub) = talking();
    rig.feed(&hub.say(WELCOME));
    let busy = r#"{"type":"error","channel":"a","code":"overloaded","message":"later"}"#;
    let told = rig.feed(&hub.say(busy)).into_iter().map(short).collect::<Vec<_>>();
    assert!(
        told.len() == 1 && told[0].starts_with("lost ") && !told[0].starts_with("lost 0 "),
        "{told:?}"
    );
    assert_eq!(rig.machine.wanted(), ["a", "b:*"]);
}

/// [client:hub-retry]
#[test]
fn no_connection_is_wanted_before_the_wait_is_over() {
    let mut rig = streaming();
    let goaway = r#"{"code":1012,"reason":"restart","retry_ms":1500,"cursor":"1a-9"}"#;
    let events = message("a", "1a-2", "1") + &said("goaway", "1a-9", goaway);
    let told = rig.events(&events);
    let wait: u64 = told[1].split(' ').nth(1).expect("a wait").parse().expect("a number");
    assert!(wait >= 1_500, "{told:?}");
    assert_eq!(rig.machine.cursor(), Some("1a-9"));
    // Not even before the last one is gone.
    assert!(rig.machine.peer().is_none());
    rig.now += 100_000;
    assert!(rig.events("").is_empty() && rig.machine.peer().is_none());
    rig.now -= 100_000;
    rig.machine.disconnected(rig.at(), Error::HungUp);
    rig.now += wait - 1;
    assert!(rig.events("").is_empty() && rig.machine.peer().is_none());
    assert_eq!(rig.machine.deadline().as_millis(), rig.now + 1);
    rig.now += 1;
    assert!(rig.events("").is_empty() && rig.machine.peer().is_some());
}

/// What it waits, told as the only event.
fn wait_of(told: &[String]) -> u64 {
    assert!(told.len() == 1 && told[0].starts_with("lost "), "{told:?}");
    told[0].split(' ').nth(1).and_then(|ms| ms.parse().ok()).expect("a number")
}

/// [client:hub-retry]
#[test]
fn a_streams_own_time_is_kept_however_it_ends() {
    let chunked = STREAM.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n");
    let first = format!("{chunked}16\r\nid: 1a-1\nretry: 7000\n\n\r\n");
    for last in ["0\r\n\r\n", "what is no chunk\r\n", ""] {
        let mut rig = Rig::new(&[Transport::EventStream], |_| {});
        rig.connect();
        assert_eq!(rig.events(&first), ["EventStream"]);
        let mut told = rig.events(last);
        if last.is_empty() {
            rig.now += 1_000_000;
            told = rig.events("");
        }
        assert_eq!(wait_of(&told), 7_000, "{last:?}");
    }
}

/// [client:hub-busy]
#[test]
fn who_is_sent_away_comes_each_time_later_unless_it_was_long_ago() {
    let goaway = said("goaway", "", r#"{"code":1012,"reason":"restart"}"#);
    let mut rig = streaming();
    let mut waits = Vec::new();
    for held_ms in [0, 0, 0, 0, 40_000] {
        rig.now += held_ms;
        let wait = wait_of(&rig.events(&goaway));
        waits.push(wait);
        rig.cut(Error::HungUp);
        rig.now += wait;
        rig.connect();
        rig.events(&Rig::stream(""));
    }
    let later = waits[..4].is_sorted_by(|one, next| 2 * one - 1 <= *next);
    assert!(later && waits[4] == waits[0], "{waits:?}");
}

/// [client:hub-close-codes]
#[test]
fn other_credentials_are_asked_for_and_waited_for() {
    let mut rig = streaming();
    let told = rig.events(&said("goaway", "", r#"{"code":4302,"reason":"expired"}"#));
    assert!(told.len() == 1 && told[0].starts_with("credentials "), "{told:?}");
    rig.machine.disconnected(rig.at(), Error::HungUp);
    rig.now += 1_000_000;
    assert!(rig.events("").is_empty() && rig.machine.peer().is_none());
    let new = Credentials::Token("new".to_owned());
    let bad = Credentials::Token("a\nb".to_owned());
    assert_eq!(rig.machine.set_credentials(Some(bad)), Err(UsageError::Header));
    assert!(rig.events("").is_empty() && rig.machine.peer().is_none());
    rig.machine.set_credentials(Some(new)).expect("they can be sent");
    let asked = rig.connect();
    assert!(asked.contains("\r\nAuthorization: Bearer new\r\n"), "{asked}");
    for (code, is_final) in [(4000, false), (4001, true), (4050, true)] {
        let mut rig = streaming();
        let told = rig.events(&said("goaway", "", &format!(r#"{{"code":{code},"reason":"r"}}"#)));
        assert_eq!(told.first().is_some_and(|it| it.starts_with("error ")), is_final, "{told:?}");
        assert!(rig.machine.is_over(), "{code}");
    }
}

/// [client:hub-ticket]
#[test]
fn a_ticket_is_used_again_only_with_a_proof() {
    let ticket = |options: &mut SubscriptionOptions| {
        options.credentials = Some(Credentials::Ticket("t-1".to_owned()));
    };
    let mut rig = Rig::new(&[Transport::EventStream], ticket);
    assert!(rig.connect().contains("&ticket=t-1 "));
    rig.events(&format!("{STREAM}id: 1a-1~s~p\n\n"));
    rig.cut(Error::Ended);
    let asked = rig.connect();
    assert!(asked.contains("&cursor=1a-1~s~p&ticket=t-1 "), "{asked}");
    let mut rig = Rig::new(&[Transport::WebSocket], ticket);
    assert!(rig.connect().contains("sockeye.v1.json, sockeye.ticket.t-1\r\n"));
    let told = rig.cut(Error::Ended).into_iter().map(short).next_back();
    assert_eq!(told.as_deref(), Some("credentials Hub(TicketUsed)"));
}

/// [client:hub-transport]
#[test]
fn a_proxy_that_takes_upgrade_away_is_passed_by_another_transport() {
    let all = [Transport::WebSocket, Transport::EventStream, Transport::LongPoll];
    let mut rig = Rig::new(&all, |_| {});
    assert!(rig.connect().contains("Upgrade: websocket"));
    let told = rig.events("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n");
    assert!(told.len() == 1 && told[0].starts_with("lost 0 "), "{told:?}");
    rig.machine.disconnected(rig.at(), Error::HungUp);
    // The next one is a stream that somebody keeps to themselves.
    assert!(rig.connect().starts_with("GET /v1/sse?"));
    rig.events(STREAM);
    rig.now += Limits::DEFAULT.head_ms;
    assert!(rig.events("")[0].contains("TimedOut"), "it waits for ever");
    rig.machine.disconnected(rig.at(), Error::HungUp);
    rig.now += 1_000;
    assert!(rig.connect().starts_with("GET /v1/poll?"));
    let body = r#"{"cursor":"1a-3","messages":[],"gaps":[],"ended":[],"more":false}"#;
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    assert_eq!(rig.events(&answer), ["LongPoll", "sync 1a-3 0"]);
    // Now it waits at the hub; later the best one is tried again.
    rig.now += 300_000;
    rig.cut(Error::Ended);
    assert!(rig.connect().contains("Upgrade: websocket"));
}

/// RFC 6455 §7.1.2: the hub hears that it was meant.
#[test]
fn whoever_leaves_a_websocket_says_so() {
    let mut rig = Rig::new(&[Transport::WebSocket], |_| {});
    rig.connect();
    rig.events(UPGRADE_ANSWER);
    rig.out.clear();
    let said = rig.close();
    assert_eq!(said.first(), Some(&0x88), "a Close frame");
    assert!(rig.machine.is_over() && rig.close().is_empty());
    let mut rig = streaming();
    assert!(rig.close().is_empty() && rig.machine.is_over());
}

#[test]
fn headers_that_are_ours_are_refused() {
    let new = |name: &str, credentials: Option<Credentials>| {
        let url = Url::parse("http://hub.example").expect("a URL");
        let mut options = SubscriptionOptions::new(url, &["a"]);
        options.headers.push((name.to_owned(), "x".to_owned()));
        options.credentials = credentials;
        Subscription::new(options, Limits::DEFAULT, entropy()).err()
    };
    let token = || Some(Credentials::Token("t".to_owned()));
    for name in ["Sec-WebSocket-Key", "Last-Event-ID", "If-None-Match", "Host"] {
        assert_eq!(new(name, None), Some(UsageError::Header), "{name}");
    }
    assert_eq!(new("authorization", token()), Some(UsageError::Header));
    assert_eq!(new("authorization", Some(Credentials::Ticket("t".to_owned()))), None);
    assert_eq!(new("X-Mine", token()), None);
}

/// [client:hub-bounds]
#[test]
fn what_is_too_large_ends_it() {
    let small = |options: &mut SubscriptionOptions| options.message_bytes_max = 1_000;
    let mut rig = Rig::new(&[Transport::LongPoll], small);
    rig.machine.context.hearing.ledger.strike("a");
    rig.connect();
    let told = rig.events("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n");
    assert_eq!(told, Vec::<String>::new(), "nothing is held for what is only announced");
    assert_eq!(rig.events(&"x".repeat(1_001)), ["error Hub(TooLarge)"]);
    let mut rig = Rig::new(&[Transport::EventStream], small);
    rig.connect();
    rig.events(&Rig::stream(""));
    assert_eq!(rig.events(&format!("data: {}", "x".repeat(1_001))), ["error EventTooLarge"]);
}

#[test]
fn what_no_hub_says_ends_it_and_what_is_new_does_not() {
    for data in [
        "garbage",
        "[]",
        r#"{"channel":7,"cursor":"1a-2","time":1,"data":1}"#,
        r#"{"channel":"a","cursor":"1a-2","time":"now","data":1}"#,
        r#"{"channel":"a","cursor":"1a-2","time":1}"#,
        r#"{"channel":"a","cursor":"nonsense","time":1,"data":1}"#,
        r#"{"channel":"a","cursor":"1a-2","cursor":"1a-3","time":1,"data":1}"#,
        r#"{"channel":"other","cursor":"1a-2","time":1,"data":1}"#,
    ] {
        let mut rig = streaming();
        let told = rig.events(&format!("data: {data}\n\n"));
        assert_eq!(told, ["error Hub(Strange)"], "{data}");
        assert!(rig.machine.is_over() && rig.machine.peer().is_none());
    }
    for (kind, data) in
        [("gap", r#"{"reason":"x"}"#), ("goaway", r#"{"code":"4000"}"#), ("sync", "{}")]
    {
        let mut rig = streaming();
        assert_eq!(rig.events(&said(kind, "", data)), ["error Hub(Strange)"], "{kind}");
    }
    let mut rig = streaming();
    assert_eq!(rig.events("event: $new\ndata: garbage\n\n"), Vec::<String>::new());
    let null = r#"{"channel":"a","cursor":"1a-2","time":1,"new":[1],"data":null}"#;
    assert_eq!(rig.events(&format!("data: {null}\n\n")), ["a 1a-2 null"]);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(rig.events(&message("a", "1a-3", &deep)).len(), 1, "depth costs nothing");
}

#[test]
fn what_had_ended_before_the_cursor_is_not_waited_for() {
    let mut rig = Rig::new(&[Transport::WebSocket], |options| {
        options.targets.truncate(1);
        options.cursor = Some("1a-9".to_owned());
    });
    assert!(rig.connect().starts_with("GET /v1/position?channel=a&cursor=1a-9 "));
    let body = r#"{"cursor":"1a-c","channels":[{"channel":"a","last":9,"floor":0,"ended":true}]}"#;
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    assert_eq!(rig.events(&answer), Vec::<String>::new());
    assert!(rig.machine.is_over());
}

/// [client:hub-gap]
#[test]
fn an_end_at_a_position_that_is_given_out_again_is_not_known() {
    let mut rig = Rig::new(&[Transport::WebSocket], |options| {
        options.targets.truncate(1);
        options.cursor = Some("1a-9.z".to_owned());
    });
    assert!(rig.connect().starts_with("GET /v1/position?channel=a&cursor=1a-9.z "));
    let ended = r#""channels":[{"channel":"a","last":9,"floor":0,"ended":true}]"#;
    let body = format!(r#"{{"cursor":"1a-c.10","gap":"forked",{ended}}}"#);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    assert_eq!(rig.events(&answer), Vec::<String>::new());
    assert!(!rig.machine.is_over());
}

#[test]
fn options_that_cannot_be_sent_are_refused() {
    let new = |change: fn(&mut SubscriptionOptions)| {
        let url = Url::parse("http://hub.example").expect("a URL");
        let mut options = SubscriptionOptions::new(url, &["a"]);
        change(&mut options);
        Subscription::new(options, Limits::DEFAULT, entropy()).err()
    };
    assert_eq!(new(|_| {}), None);
    assert_eq!(new(|it| it.targets.clear()), Some(UsageError::Channels));
    assert_eq!(new(|it| it.transports.clear()), Some(UsageError::Transports));
    assert_eq!(new(|it| it.headers.push(("a b".into(), "c".into()))), Some(UsageError::Header));
    let ticket = |it: &mut SubscriptionOptions| {
        it.credentials = Some(Credentials::Ticket("a b".into()));
    };
    assert_eq!(new(ticket), Some(UsageError::Header));
}

/// Things that a hub may say on a stream, right and wrong.
fn saying() -> impl Strategy<Value = String> {
    let cursor = (0..3_u8, 0..6_u8)
        .prop_map(|(epoch, seq)| format!("1{}-{seq}", ["a", "b", "0"][usize::from(epoch)]));
    let channel = prop::sample::select(vec!["a", "b:1", "b:2"]);
    let sync = |at: &str| format!(r#"{{"cursor":"{at}","recovered":true,"gaps":0,"replayed":0}}"#);
    prop_oneof![
        6 => (channel.clone(), cursor.clone()).prop_map(|(of, at)| message(of, &at, "1")),
        2 => cursor.clone().prop_map(|at| format!("id: {at}\n\n")),
        2 => cursor.clone().prop_map(move |at| said("sync", &at, &sync(&at))),
        1 => prop::sample::select(vec!["epoch", "ahead", "trimmed"]).prop_map(|reason| {
            said("gap", "", &format!(r#"{{"channel":"a","reason":"{reason}"}}"#))
        }),
        1 => (channel, cursor).prop_map(|(of, at)| {
            said("end", &at, &format!(r#"{{"channel":"{of}","cursor":"{at}"}}"#))
        }),
        1 => Just(":\n\r\n".to_owned()),
        1 => "[ -~\r\n]{0,40}",
    ]
}

proptest! {
    /// However the bytes are cut, the same is told.
    #[test]
    fn cuts_change_nothing(
        said in prop::collection::vec(saying(), 0..20),
        lens in prop::collection::vec(1..50_usize, 1..8),
        chunked in any::<bool>(),
    ) {
        let body = format!("id: 1a-1\n\n{}", said.concat());
        let bytes = if chunked {
            let mut out = STREAM.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
            for piece in body.as_bytes().chunks(17) {
                sockeye_http1::chunked::encode(piece, &mut out);
            }
            out
        } else {
            format!("{STREAM}{body}").into_bytes()
        };
        let whole = told_of(&[&bytes]);
        let mut pieces = Vec::new();
        let (mut rest, mut lens) = (&bytes[..], lens.iter().cycle());
        while !rest.is_empty() {
            let len = lens.next().map_or(1, |len| *len).min(rest.len());
            pieces.push(&rest[..len]);
            rest = &rest[len..];
        }
        prop_assert_eq!(whole, told_of(&pieces));
    }

    /// Whatever comes, on whichever transport: no panic, no place twice in a life of the log without a gap.
    #[test]
    fn any_bytes_come_to_an_end(
        transport in prop::sample::select(vec![Transport::WebSocket, Transport::EventStream, Transport::LongPoll]),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut rig = Rig::new(&[transport], |_| {});
        rig.connect();
        rig.feed(&bytes);
        rig.cut(Error::Ended);
        prop_assert!(rig.machine.peer().is_none() || rig.machine.is_linked);
    }
}

/// What a stream's bytes tell, and the cursor at the end.
fn told_of(pieces: &[&[u8]]) -> (Vec<String>, Option<String>) {
    let mut rig = Rig::new(&[Transport::EventStream], |_| {});
    rig.connect();
    let told = pieces.iter().flat_map(|piece| rig.feed(piece)).map(short).collect();
    (told, rig.machine.cursor().map(str::to_owned))
}
