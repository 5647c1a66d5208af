//! One of everything that is written: what it has to be, byte for byte, and what it is.

use std::rc::Rc;

use sockeye_hub::{
    ChannelName, Config, Cursor, Entry, Epoch, Flow, Hub, Kind, Publication, Published, Query,
    Reason, Seq, Span,
};
use sockeye_service::wire::{
    CloseReason, Code, Control, CursorText, Data, EventName, Form, Gap, GapScope, Id, Level,
    Limits, Payload, PollBody, Presence, Problem, Receipt, Rest, bare, event, message,
    position_event, reply,
};

pub(crate) const EPOCH: Epoch = Epoch(1_790_000_000_000);

/// A form of something.
pub(crate) struct Sample {
    pub(crate) expected: &'static str,
    pub(crate) written: String,
}

fn sample(expected: &'static str, written: impl Into<String>) -> Sample {
    Sample { expected, written: written.into() }
}

pub(crate) fn at(seq: u64) -> CursorText {
    CursorText::new(Cursor::new(EPOCH, Seq(seq)))
}

/// A log with a text, a JSON value with a name, and the channel's end.
pub(crate) fn hub() -> (Hub<Payload>, Vec<Rc<Entry<Payload>>>) {
    let mut hub = Hub::new(EPOCH, Config::default());
    let text = Payload::new(Data::text("hello\nthere"));
    let json = Data::json(r#"{"seat": 12,"price":17.50}"#, &Limits::DEFAULT).expect("it is JSON");
    let named = EventName::new("sold").expect("a name");
    let json = Payload { event: Some(named), ..Payload::new(json) };
    let bodies = [(text, Kind::Message), (json, Kind::Message), (Payload::empty(), Kind::End)];
    let entries = bodies.map(|(body, kind)| {
        let channel = ChannelName::new("chat:7").expect("a name");
        let publication = Publication { kind, ..Publication::new(channel, body, 0) };
        match hub.publish(publication, 1_790_000_123_456, |_, _| Flow::Taken) {
            Ok(Published::Committed(committed)) => committed.entry,
            Ok(Published::Duplicate(_)) | Err(_) => panic!("it is taken"),
        }
    });
    (hub, entries.into())
}

pub(crate) fn samples() -> Vec<Sample> {
    let (hub, entries) = hub();
    let mut samples = messages(&entries);
    samples.extend(controls());
    samples.extend(events(&entries));
    samples.extend(bodies(hub, &entries));
    samples
}

fn messages(entries: &[Rc<Entry<Payload>>]) -> Vec<Sample> {
    let json = |entry| {
        let mut out = String::new();
        message::<Payload>(entry, &CursorText::new(entry.position), &mut out);
        out
    };
    vec![
        sample(
            r#"{"type":"message","channel":"chat:7","cursor":"1mubbs7i8-1","time":1790000123456,"data":"hello\nthere"}"#,
            json(&entries[0]),
        ),
        sample(
            r#"{"type":"message","channel":"chat:7","cursor":"1mubbs7i8-2","time":1790000123456,"event":"sold","data":{"seat": 12,"price":17.50}}"#,
            json(&entries[1]),
        ),
        sample(r#"{"type":"end","channel":"chat:7","cursor":"1mubbs7i8-3"}"#, json(&entries[2])),
        sample(r#"{"seat": 12,"price":17.50}"#, bare(&entries[1]).expect("a message")),
    ]
}

fn controls() -> Vec<Sample> {
    let json = |control: Control<'_>| {
        let mut out = String::new();
        control.write_json(&mut out);
        out
    };
    let (id, number) = (Id::Text("s1".into()), Id::Number(7));
    let cursor = &at(41);
    let mut samples = vec![
        sample(
            r#"{"type":"welcome","cursor":"1mubbs7i8-15","session":"p3x9","ping_ms":25000}"#,
            json(Control::Welcome { cursor, session: "p3x9", ping_ms: 25_000 }),
        ),
        sample(
            r#"{"type":"subscribed","id":"s1","channels":["chat:7","news:*"],"cursor":"1mubbs7i8-15"}"#,
            json(Control::Subscribed { id: Some(&id), channels: &["chat:7", "news:*"], cursor }),
        ),
        sample(
            r#"{"type":"unsubscribed","channels":["news:*"]}"#,
            json(Control::Unsubscribed { id: None, channels: &["news:*"] }),
        ),
        sample(
            r#"{"type":"sync","cursor":"1mubbs7i8-15","recovered":true,"gaps":0,"replayed":12}"#,
            json(Control::Sync { cursor, gaps: 0, replayed: 12 }),
        ),
        sample(
            r#"{"type":"presence","channel":"chat:7","version":41,"users":2,"streams":3,"fresh":true,"joined":["ann","bob"],"left":[],"more":false}"#,
            json(Control::Presence(presence(true, &["ann", "bob"], &[]))),
        ),
        sample(
            r#"{"type":"presence","channel":"chat:7","version":41,"users":2,"streams":3,"fresh":false,"joined":["cyd"],"left":["ann"],"more":false}"#,
            json(Control::Presence(presence(false, &["cyd"], &["ann"]))),
        ),
        sample(
            r#"{"type":"published","id":7,"channel":"chat:7","cursor":"1mubbs7i8-1","seq":1,"level":"logged","duplicate":false,"subscribers":3}"#,
            json(Control::Published { id: Some(&number), receipt: receipt() }),
        ),
        sample(
            r#"{"type":"pong","id":7,"cursor":"1mubbs7i8-15"}"#,
            json(Control::Pong { id: Some(&number), cursor }),
        ),
        sample(
            r#"{"type":"goaway","code":1012,"reason":"restart","retry_ms":1500,"cursor":"1mubbs7i8-15"}"#,
            json(Control::Goaway { reason: CloseReason::Restart, retry_ms: Some(1500), cursor }),
        ),
        sample("restart retry_ms=1500", CloseReason::Restart.text(Some(1500))),
    ];
    samples.extend(errors().map(|(expected, control)| sample(expected, control)));
    samples.extend(gaps().map(|(expected, gap)| sample(expected, json(Control::Gap(gap)))));
    samples
}

fn errors() -> [(&'static str, String); 2] {
    let json = |id: &Id<'_>, channel, problem| {
        let mut out = String::new();
        Control::Error { id: Some(id), channel, problem }.write_json(&mut out);
        out
    };
    let forbidden = &Problem::new(Code::Forbidden, "you may not subscribe this");
    let unknown = &Problem::new(Code::BadCommand, "unknown field \"chanels\"");
    [
        (
            r#"{"type":"error","id":"s1","channel":"staff:1","code":"forbidden","message":"you may not subscribe this"}"#,
            json(&Id::Text("s1".into()), Some("staff:1"), forbidden),
        ),
        (
            r#"{"type":"error","id":7,"code":"bad_command","message":"unknown field \"chanels\""}"#,
            json(&Id::Number(7), None, unknown),
        ),
    ]
}

fn gaps() -> [(&'static str, Gap<'static>); 4] {
    let missed = Some(Span { after: Seq(17), through: Seq(30) });
    let gap = |scope, reason, missed, ended| Gap { scope, reason, missed, ended };
    let (channel, pattern) = (GapScope::Channel("chat:7"), GapScope::Pattern("news:*"));
    [
        (
            r#"{"type":"gap","channel":"chat:7","reason":"trimmed","missed":{"after":17,"through":30}}"#,
            gap(channel, Reason::Trimmed, missed, false),
        ),
        (
            r#"{"type":"gap","pattern":"news:*","reason":"epoch"}"#,
            gap(pattern, Reason::Epoch, None, false),
        ),
        (
            r#"{"type":"gap","all":true,"reason":"unreadable"}"#,
            gap(GapScope::All, Reason::Unreadable, None, false),
        ),
        (
            r#"{"type":"gap","channel":"chat:7","reason":"ahead","ended":true}"#,
            gap(channel, Reason::Ahead, None, true),
        ),
    ]
}

fn events(entries: &[Rc<Entry<Payload>>]) -> Vec<Sample> {
    let proved = CursorText::with_proof(Cursor::new(EPOCH, Seq(1)), "p3x9~Xb2_k").expect("plain");
    let cursor = &at(41);
    let text = &mut String::new();
    let mut written = |encode: &mut dyn FnMut(&mut String, &mut Vec<u8>)| {
        let mut out = Vec::new();
        encode(text, &mut out);
        String::from_utf8(out).expect("UTF-8")
    };
    let gap = gaps()[0].1;
    vec![
        sample(
            "id: 1mubbs7i8-15\nretry: 2000\n\n",
            written(&mut |_, out| position_event(cursor, Some(2000)).encode(out)),
        ),
        sample(
            "id: 1mubbs7i8-15\n\n",
            written(&mut |_, out| position_event(cursor, None).encode(out)),
        ),
        sample(
            "id: 1mubbs7i8-1~p3x9~Xb2_k\ndata: hello\ndata: there\n\n",
            written(&mut |text, out| event(&entries[0], &proved, Form::Raw, text).encode(out)),
        ),
        sample(
            "event: sold\nid: 1mubbs7i8-2\ndata: {\"seat\": 12,\"price\":17.50}\n\n",
            written(&mut |text, out| event(&entries[1], &at(2), Form::Raw, text).encode(out)),
        ),
        sample(
            "id: 1mubbs7i8-2\ndata: {\"channel\":\"chat:7\",\"cursor\":\"1mubbs7i8-2\",\"time\":1790000123456,\"event\":\"sold\",\"data\":{\"seat\": 12,\"price\":17.50}}\n\n",
            written(&mut |text, out| event(&entries[1], &at(2), Form::Envelope, text).encode(out)),
        ),
        sample(
            "event: $end\nid: 1mubbs7i8-3\ndata: {\"channel\":\"chat:7\",\"cursor\":\"1mubbs7i8-3\"}\n\n",
            written(&mut |text, out| event(&entries[2], &at(3), Form::Raw, text).encode(out)),
        ),
        sample(
            "event: $gap\ndata: {\"channel\":\"chat:7\",\"reason\":\"trimmed\",\"missed\":{\"after\":17,\"through\":30}}\n\n",
            written(&mut |text, out| Control::Gap(gap).event(text).encode(out)),
        ),
        sample(
            "event: $presence\ndata: {\"channel\":\"chat:7\",\"version\":41,\"users\":2,\"streams\":3,\"fresh\":false,\"joined\":[\"cyd\"],\"left\":[\"ann\"],\"more\":false}\n\n",
            written(&mut |text, out| {
                Control::Presence(presence(false, &["cyd"], &["ann"])).event(text).encode(out);
            }),
        ),
        sample(
            "event: $sync\nid: 1mubbs7i8-15\ndata: {\"cursor\":\"1mubbs7i8-15\",\"recovered\":false,\"gaps\":1,\"replayed\":12}\n\n",
            written(&mut |text, out| {
                Control::Sync { cursor, gaps: 1, replayed: 12 }.event(text).encode(out);
            }),
        ),
        sample(
            "event: $ping\nid: 1mubbs7i8-15\ndata: {\"cursor\":\"1mubbs7i8-15\",\"ping_ms\":15000}\n\n",
            written(&mut |text, out| {
                Control::Ping { cursor, ping_ms: 15_000 }.event(text).encode(out);
            }),
        ),
        sample(
            "event: $goaway\nid: 1mubbs7i8-15\nretry: 1500\ndata: {\"code\":1012,\"reason\":\"restart\",\"retry_ms\":1500,\"cursor\":\"1mubbs7i8-15\"}\n\n",
            written(&mut |text, out| {
                let reason = CloseReason::Restart;
                Control::Goaway { reason, retry_ms: Some(1500), cursor }.event(text).encode(out);
            }),
        ),
    ]
}

/// A page of history with another one behind it.
fn first_page(hub: &mut Hub<Payload>) -> Sample {
    let mut entries = Vec::new();
    let name = ChannelName::new("chat:7").expect("a name");
    let page = hub.history(name, Query::After(Seq(0)), 1, 0, &mut entries);
    sample(
        r#"{"channel":"chat:7","cursor":"1mubbs7i8-3","floor":0,"messages":[{"channel":"chat:7","cursor":"1mubbs7i8-1","time":1790000123456,"data":"hello\nthere"}],"ended":false,"more":true,"next":"1mubbs7i8-1"}"#,
        reply::history("chat:7", &page, &entries, Some(entries[0].position)),
    )
}

fn bodies(mut hub: Hub<Payload>, entries: &[Rc<Entry<Payload>>]) -> Vec<Sample> {
    let mut poll = PollBody::new();
    poll.gap(gaps()[0].1);
    poll.entry(&entries[1], &at(2));
    poll.entry(&entries[2], &at(3));
    poll.sync(&at(3), 1, 1);
    let ended = &Problem::new(Code::ChannelEnded, "the channel has ended at 3");
    let not_json = &Problem::new(Code::BadJson, "not JSON at line 1, column 9");
    let outcomes = [
        reply::Outcome { line: Some(1), channel: Some("chat:7"), result: Ok(receipt()) },
        reply::Outcome { line: Some(2), channel: None, result: Err(not_json) },
    ];
    let many = [
        reply::Outcome { line: None, channel: Some("chat:7"), result: Ok(receipt()) },
        reply::Outcome { line: None, channel: Some("chat:8"), result: Err(ended) },
    ];
    let name = ChannelName::new("chat:7").expect("a name");
    let mut page_entries = Vec::new();
    let page = hub.history(name, Query::After(Seq(1)), 10, 0, &mut page_entries);
    vec![
        sample(
            r#"{"cursor":"1mubbs7i8-3","messages":[{"channel":"chat:7","cursor":"1mubbs7i8-2","time":1790000123456,"event":"sold","data":{"seat": 12,"price":17.50}}],"gaps":[{"channel":"chat:7","reason":"trimmed","missed":{"after":17,"through":30}}],"sync":{"cursor":"1mubbs7i8-3","recovered":false,"gaps":1,"replayed":1},"ended":[{"channel":"chat:7","cursor":"1mubbs7i8-3"}],"more":false}"#,
            poll.finish(&at(3), Rest::Nothing),
        ),
        sample(
            r#"{"cursor":"1mubbs7i8-15","messages":[],"gaps":[],"ended":[],"more":true}"#,
            PollBody::new().finish(&at(41), Rest::More),
        ),
        sample(
            r#"{"channel":"chat:7","cursor":"1mubbs7i8-1","seq":1,"level":"logged","duplicate":false,"subscribers":3}"#,
            reply::published(&receipt()),
        ),
        sample(
            r#"{"published":1,"failed":1,"results":[{"line":1,"channel":"chat:7","cursor":"1mubbs7i8-1","seq":1,"level":"logged","duplicate":false,"subscribers":3},{"line":2,"error":{"code":"bad_json","message":"not JSON at line 1, column 9"}}]}"#,
            reply::results(&outcomes),
        ),
        sample(
            r#"{"published":1,"failed":1,"results":[{"channel":"chat:7","cursor":"1mubbs7i8-1","seq":1,"level":"logged","duplicate":false,"subscribers":3},{"channel":"chat:8","error":{"code":"channel_ended","message":"the channel has ended at 3"}}]}"#,
            reply::results(&many),
        ),
        sample(
            r#"{"cursor":"1mubbs7i8-3","channels":[{"channel":"chat:7","last":3,"floor":0,"ended":true,"messages":3,"subscribers":0}]}"#,
            reply::position(hub.position(), None, &[("chat:7", hub.channel(name))]),
        ),
        sample(
            r#"{"channel":"chat:7","cursor":"1mubbs7i8-3","floor":0,"messages":[{"channel":"chat:7","cursor":"1mubbs7i8-2","time":1790000123456,"event":"sold","data":{"seat": 12,"price":17.50}}],"ended":true,"more":false}"#,
            reply::history("chat:7", &page, &page_entries, None),
        ),
        first_page(&mut hub),
        sample(
            r#"{"channel":"chat:7","version":41,"users":2,"streams":3,"members":[{"user":"ann","streams":2},{"user":"bob","streams":0}],"more":false}"#,
            reply::presence(&reply::Members {
                channel: "chat:7",
                version: 41,
                users: 2,
                streams: 3,
                page: &[("ann", 2), ("bob", 0)],
                more: false,
            }),
        ),
        sample(
            r#"{"error":{"code":"channel_ended","message":"the channel has ended at 3"}}"#,
            ended.to_json(),
        ),
    ]
}

fn presence<'a>(fresh: bool, joined: &'a [&'a str], left: &'a [&'a str]) -> Presence<'a> {
    let (channel, version, users, streams) = ("chat:7", 41, 2, 3);
    Presence { channel, version, users, streams, fresh, joined, left, more: false }
}

pub(crate) fn receipt() -> Receipt<'static> {
    Receipt {
        channel: "chat:7",
        position: Cursor::new(EPOCH, Seq(1)),
        level: Level::Logged,
        duplicate: false,
        subscribers: 3,
    }
}
