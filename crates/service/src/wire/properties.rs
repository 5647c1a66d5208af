//! What holds for any input: for proptest, the fuzz targets and the replay of their corpora.
//!
//! Every function panics where the property does not hold.

pub mod fuzz;

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use sockeye_hub::{
    ChannelName, Config, Cursor, Entry, Epoch, Flow, Hub, Kind, Publication, Published, Seq,
};
use sockeye_sse::{Item, Parser};

use super::{
    Batch, Channels, Code, Command, Control, Credential, CursorText, Data, EventName, Form, Gap,
    GapScope, Id, Limits, Options, Payload, PollBody, Problem, Publish, Query, Refused, Rest,
    event, message, path_segment, publish_json, publish_raw, resume,
};

/// Small ones, so that inputs reach them.
pub const LIMITS: Limits = Limits {
    channels_max: 3,
    json_depth_max: 4,
    batch_items_max: 5,
    query_pairs_max: 6,
    auth_bytes_max: 96,
    ttl_ms_max: 1000,
};

/// A text comes out of every form as it went in; raw events make its line ends LF.
pub fn text_arrives(text: &str, name: &str) {
    let name = EventName::new(name).ok();
    let payload = Payload { event: name.clone(), ..Payload::new(Data::text(text)) };
    let (entry, cursor) = entry(payload);
    let name = name.as_ref().map(EventName::as_str);

    let mut scratch = String::new();
    let raw = received(|out| event(&entry, &cursor, Form::Raw, &mut scratch).encode(out));
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    let expected = (name.unwrap_or("message").to_owned(), lines, cursor.as_str().to_owned());
    assert_eq!(raw, [expected]);

    let wrapped = received(|out| event(&entry, &cursor, Form::Envelope, &mut scratch).encode(out));
    let [(event_type, data, _)] = &wrapped[..] else { panic!("one event: {wrapped:?}") };
    assert_eq!(event_type, "message");
    let mut json = String::new();
    message(&entry, &cursor, &mut json);
    let mut poll = PollBody::new();
    poll.entry(&entry, &cursor);
    let poll: Value = parsed(&poll.finish(&cursor, Rest::Nothing));
    for object in [&parsed(data), &parsed(&json), &poll["messages"][0]] {
        assert_eq!(object["data"], Value::from(text));
        assert_eq!(object["event"], Value::from(name));
        assert_eq!(object["channel"], Value::from("a:b"));
        assert_eq!(object["cursor"], Value::from(cursor.as_str()));
    }
}

/// What is taken for JSON is JSON, comes out byte for byte, and every parser takes it.
pub fn json_arrives(text: &str) {
    let oracle = serde_json::from_str::<Depth>(text);
    let data = match Data::json(text, &LIMITS) {
        Ok(data) => data,
        Err(problem) => {
            assert_eq!(problem.code, Code::BadJson);
            assert_safe(&problem);
            assert!(oracle.is_err() || oracle.is_ok_and(|Depth(it)| it > LIMITS.json_depth_max));
            return;
        }
    };
    match oracle {
        Ok(Depth(depth)) => assert!(depth <= LIMITS.json_depth_max, "{text}"),
        Err(error) => assert!(error.to_string().contains("number out of range"), "{text}: {error}"),
    }
    let white: &[char] = &[' ', '\t', '\r', '\n'];
    let kept = text.trim_matches(white);
    assert_eq!(data.as_str(), kept);
    let (entry, cursor) = entry(Payload::new(data));
    let mut json = String::new();
    message(&entry, &cursor, &mut json);
    assert_eq!(member(&json, "data"), kept);
    let mut scratch = String::new();
    let wrapped = received(|out| event(&entry, &cursor, Form::Envelope, &mut scratch).encode(out));
    let kept = kept.replace("\r\n", "\n").replace('\r', "\n");
    assert_eq!(member(&wrapped[0].1, "data"), kept);
}

/// Whatever stands in the texts of a control item, it is one object, and one event.
pub fn controls_are_one(channel: &str, id: &str, said: &str) {
    let (id_text, cursor) = (Id::Text(Cow::Borrowed(id)), cursor(7));
    let problem = Problem::new(Code::BadRequest, said.to_owned());
    let controls = [
        Control::Welcome { cursor: &cursor, session: channel, ping_ms: 1 },
        Control::Ping { cursor: &cursor, ping_ms: 1 },
        Control::Subscribed { id: Some(&id_text), channels: &[channel, said], cursor: &cursor },
        Control::End { channel, cursor: &cursor },
        Control::Error { id: Some(&id_text), channel: Some(channel), problem: &problem },
        Control::Gap(Gap {
            scope: GapScope::Pattern(channel),
            reason: sockeye_hub::Reason::Trimmed,
            missed: None,
            ended: true,
        }),
    ];
    for control in controls {
        let mut json = String::new();
        control.write_json(&mut json);
        assert!(!json.contains(['\n', '\r']), "{json}");
        let mut value = parsed(&json);
        let kind = value["type"].take();
        value.as_object_mut().expect("an object").remove("type");
        let mut text = String::new();
        let events = received(|out| control.event(&mut text).encode(out));
        let [(event_type, data, _)] = &events[..] else { panic!("one event: {events:?}") };
        assert_eq!(
            Some(event_type.as_str()),
            kind.as_str().map(|kind| format!("${kind}")).as_deref()
        );
        assert_eq!(parsed(data), value);
        if !value["id"].is_null() {
            assert_eq!(value["id"], Value::from(id));
        }
    }
    assert_eq!(parsed(&problem.to_json())["error"]["message"], Value::from(said));
}

/// A command is what a general parser finds in it, or it is refused in words that are safe.
pub fn command_is_read_or_refused(text: &[u8]) {
    let value = str::from_utf8(text).ok().and_then(|it| serde_json::from_str::<Value>(it).ok());
    for limits in [&LIMITS, &Limits::DEFAULT] {
        match Command::parse(text, limits) {
            Ok(command) => assert_means(&command, value.as_ref(), limits),
            Err(Refused { id, problem }) => {
                assert_safe(&problem);
                // Of an ID that is repeated the oracle has the last, and the answer the first.
                let repeated = problem.message.contains(" twice");
                if let (Some(Id::Text(id)), Some(value), false) = (&id, &value, repeated) {
                    assert_eq!(value["id"], Value::from(&**id));
                }
            }
        }
        match Command::parse_first(text, limits) {
            Ok(command) => {
                assert!(matches!(command, Command::Auth { .. }));
                assert!(text.len() <= limits.auth_bytes_max);
            }
            Err(refused) => assert_safe(&refused.problem),
        }
    }
}

fn assert_means(command: &Command<'_>, value: Option<&Value>, limits: &Limits) {
    // A number that is out of range for the oracle may stand in what is published.
    let Some(value) = value else { return assert!(matches!(command, Command::Publish { .. })) };
    let texts = |name: &str, texts: &[Cow<'_, str>]| {
        assert!((1..=limits.channels_max).contains(&texts.len()));
        assert_eq!(value[name], texts.iter().map(|text| Value::from(&**text)).collect::<Value>());
    };
    let (kind, id, members) = match command {
        Command::Subscribe { id, channels, cursor, presence } => {
            texts("channels", channels);
            assert_eq!(value.get("cursor"), cursor.as_deref().map(Value::from).as_ref());
            let asked = value.get("presence");
            assert_eq!(*presence, asked == Some(&Value::Bool(true)));
            ("subscribe", id, 1 + usize::from(cursor.is_some()) + usize::from(asked.is_some()))
        }
        Command::Unsubscribe { id, channels } => {
            texts("channels", channels);
            ("unsubscribe", id, 1)
        }
        Command::Publish { id, publish } => ("publish", id, assert_published(publish, value)),
        Command::Ping { id } => ("ping", id, 0),
        Command::Auth { id, credential } => {
            let (name, secret) = match credential {
                Credential::Token(secret) => ("token", secret),
                Credential::Ticket(secret) => ("ticket", secret),
                Credential::ApiKey(secret) => ("api_key", secret),
            };
            assert_eq!(value[name], Value::from(&**secret));
            ("auth", id, 1)
        }
    };
    assert_eq!(value["type"], Value::from(kind));
    let id = id.as_ref().map(|id| match id {
        Id::Text(text) => Value::from(&**text),
        Id::Number(number) => Value::from(*number),
    });
    assert_eq!(value.get("id"), id.as_ref());
    let ours = 1 + members + usize::from(id.is_some());
    assert_eq!(value.as_object().map(serde_json::Map::len), Some(ours), "nothing is passed over");
}

/// Compares, and counts the members.
fn assert_published(publish: &Publish<'_>, value: &Value) -> usize {
    match &publish.channels {
        Channels::One(name) => assert_eq!(value["channel"], Value::from(&**name)),
        Channels::Many(names) => {
            let names = names.iter().map(|name| Value::from(&**name));
            assert_eq!(value["channels"], names.collect::<Value>());
        }
    }
    assert!(publish.channels.names().count() >= 1);
    match &publish.payload.data {
        Data::Text(text) => assert_eq!(value["data"], Value::from(&**text)),
        Data::Json(json) => assert_eq!(value["data"], parsed(json.as_str())),
    }
    let event = publish.payload.event.as_ref().map(EventName::as_str);
    assert_eq!(value.get("event"), event.map(Value::from).as_ref());
    assert_eq!(value.get("key"), publish.key.as_deref().map(Value::from).as_ref());
    assert_eq!(value.get("ttl_ms"), publish.payload.ttl_ms.map(Value::from).as_ref());
    assert_eq!(value.get("expect").is_some(), publish.expect.is_some());
    let optional = [event.is_some(), publish.key.is_some(), publish.expect.is_some()];
    let optional = optional.into_iter().chain([publish.payload.ttl_ms.is_some()]);
    2 + optional.filter(|is_there| *is_there).count()
}

/// Bodies are read or refused; a batch is its lines, each on its own.
pub fn bodies_are_read_or_refused(body: &[u8]) {
    let value = serde_json::from_slice::<Value>(body).ok();
    match (publish_json(body, &LIMITS), &value) {
        (Ok(publish), Some(value)) => {
            let members = assert_published(&publish, value);
            assert_eq!(value.as_object().map(serde_json::Map::len), Some(members));
        }
        (Ok(_), None) => {}
        (Err(problem), _) => assert_safe(&problem),
    }
    for media in [None, Some(&b"application/json"[..])] {
        let channel = Cow::Borrowed("a:b");
        match publish_raw(channel, media, body, Options::default(), &LIMITS) {
            Ok(publish) => assert_eq!(
                publish.payload.data.as_str().trim(),
                str::from_utf8(body).expect("UTF-8").trim()
            ),
            Err(problem) => assert_safe(&problem),
        }
    }
    batch_is_its_lines(body);
}

fn batch_is_its_lines(body: &[u8]) {
    let blank = |line: &&[u8]| line.iter().all(u8::is_ascii_whitespace);
    let lines: Vec<_> =
        (1..).zip(body.split(|&byte| byte == b'\n')).filter(|(_, line)| !blank(line)).collect();
    // A form feed is white space to the oracle alone.
    if body.contains(&b'\x0C') {
        return;
    }
    let Ok(batch) = Batch::new(body, &LIMITS) else {
        return assert!(lines.is_empty() || lines.len() > LIMITS.batch_items_max);
    };
    let items: Vec<_> = batch.collect();
    assert_eq!(items.len(), lines.len());
    for ((number, item), (expected, line)) in items.into_iter().zip(lines) {
        assert_eq!(number, expected);
        match (item, publish_json(line, &LIMITS)) {
            (Ok(item), alone) => assert_eq!(Ok(item), alone),
            (Err(problem), Ok(alone)) => {
                assert!(matches!(alone.channels, Channels::Many(_)), "{problem}");
            }
            (Err(problem), Err(_)) => assert_safe(&problem),
        }
    }
}

/// A target is decoded as a naive decoder does, or refused; nothing of it can end a line.
pub fn target_is_decoded_or_refused(target: &str) {
    match (Query::parse(Some(target), &LIMITS), naive_query(target)) {
        (Ok(query), Some(pairs)) => {
            for (name, _) in &pairs {
                let values = pairs.iter().filter(|(it, _)| it == name).map(|(_, value)| &**value);
                assert!(query.all(name).eq(values));
                for problem in [query.one(name).err(), query.number(name).err()] {
                    problem.iter().for_each(assert_safe);
                }
            }
            query.only(&["channel"]).err().iter().for_each(assert_safe);
            let has = ["last_event_id", "lastEventId", "cursor"];
            let has = pairs.iter().any(|(name, value)| has.contains(&&**name) && !value.is_empty());
            assert_eq!(resume([], &query).is_some(), has);
            Options::read(&query, []).err().iter().for_each(assert_safe);
        }
        (Err(problem), pairs) => {
            assert_safe(&problem);
            assert!(pairs.is_none_or(|pairs| pairs.len() > LIMITS.query_pairs_max));
        }
        (Ok(_), None) => panic!("{target} cannot be decoded"),
    }
    assert_eq!(path_segment(target).ok().map(Cow::into_owned), naive_decode(target));
}

/// What is escaped comes out as it went in.
pub fn escapes_round_trip(text: &str) {
    let escaped: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    assert_eq!(path_segment(&escaped).as_deref(), Ok(text));
    let query = format!("x={escaped}&{escaped}");
    let query = Query::parse(Some(&query), &LIMITS).expect("it is escaped");
    assert_eq!(
        query.one("x").map(|value| value.map(str::len)).ok(),
        match text {
            "x" => None,
            _ => Some(Some(text.len())),
        }
    );
}

fn naive_query(query: &str) -> Option<Vec<(String, String)>> {
    let pieces = query.split('&').filter(|piece| !piece.is_empty());
    let pairs = pieces.map(|piece| {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        let [name, value] = [name, value].map(|text| naive_decode(&text.replace('+', " ")));
        Some((name?, value?))
    });
    pairs.collect()
}

fn naive_decode(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let digits = piece.get(..2).filter(|it| it.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

/// A refusal is one short line, in the log as well as on the wire.
fn assert_safe(problem: &Problem) {
    assert!(problem.message.len() < 400, "{problem}");
    assert!(!problem.to_string().chars().any(char::is_control), "{problem:?}");
    let json = parsed(&problem.to_json());
    assert_eq!(json["error"]["code"], Value::from(problem.code.as_str()));
    assert_eq!(json["error"]["message"], Value::from(&*problem.message));
}

/// A log's entry, with a proof in its cursor.
fn entry(payload: Payload) -> (Rc<Entry<Payload>>, CursorText) {
    let mut hub = Hub::new(Epoch(77), Config::default());
    let channel = ChannelName::new("a:b").expect("a name");
    let publication = Publication { kind: Kind::Message, ..Publication::new(channel, payload, 0) };
    let Ok(Published::Committed(committed)) = hub.publish(publication, 5, |_, _| Flow::Taken)
    else {
        panic!("it is taken");
    };
    let cursor = CursorText::with_proof(committed.entry.position, "s~m-_.").expect("plain");
    (committed.entry, cursor)
}

fn cursor(seq: u64) -> CursorText {
    CursorText::new(Cursor::new(Epoch(77), Seq(seq)))
}

/// What a client gets: type, data and ID of each event.
fn received(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<(String, String, String)> {
    let mut wire = Vec::new();
    encode(&mut wire);
    let (mut parser, mut events) = (Parser::default(), Vec::new());
    let mut input = &wire[..];
    while let Some(item) = parser.next(&mut input).expect("within limits") {
        match item {
            Item::Event(event) => events.push((
                event.event_type.to_owned(),
                event.data.to_owned(),
                event.last_event_id.to_owned(),
            )),
            Item::Retry(_) | Item::Comment(_) => panic!("neither was written"),
        }
    }
    events
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// The text of an object's member, as it stands there.
fn member(json: &str, name: &str) -> String {
    let object: std::collections::BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(json).expect("an object");
    object[name].get().to_owned()
}

/// How many arrays and objects stand in each other, where every string is read and every repeated
/// name looked into.
struct Depth(usize);

impl<'t> Deserialize<'t> for Depth {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DepthVisitor)
    }
}

struct DepthVisitor;

impl<'t> Visitor<'t> for DepthVisitor {
    type Value = Depth;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Depth, E> {
        Ok(Depth(0))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Depth, E> {
        Ok(Depth(0))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Depth, E> {
        Ok(Depth(0))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Depth, E> {
        Ok(Depth(0))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Depth, E> {
        Ok(Depth(0))
    }

    fn visit_str<E>(self, _: &str) -> Result<Depth, E> {
        Ok(Depth(0))
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut seq: A) -> Result<Depth, A::Error> {
        let mut deepest = 0;
        while let Some(Depth(depth)) = seq.next_element()? {
            deepest = deepest.max(depth);
        }
        Ok(Depth(1 + deepest))
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Depth, A::Error> {
        let mut deepest = 0;
        while let Some((_, Depth(depth))) = map.next_entry::<String, Depth>()? {
            deepest = deepest.max(depth);
        }
        Ok(Depth(1 + deepest))
    }
}
