//! Event streams: `better-sse` and `sse-starlette`.

use sockeye_client::{
    Comments, Error, EventSource, EventSourceOptions, Network, OwnedSourceEvent, Reconnect,
    SourceMessage,
};

use crate::children::{House, Outcome};
use crate::verdict::{Verdict, holds, same};

pub(crate) type Found<T> = Result<T, Box<dyn core::error::Error + Send + Sync>>;

/// The events of a source until its end.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) messages: Vec<SourceMessage>,
    pub(crate) opened: Vec<sockeye_client::SourceOpened>,
    pub(crate) comments: Vec<String>,
    pub(crate) retries: Vec<u64>,
    pub(crate) lost: Vec<(Error, u64)>,
    pub(crate) error: Option<Error>,
}

pub(crate) fn run(house: &House, verdict: &mut Verdict) {
    let at = |path: &str| house.better_sse.url("http", path);
    for path in ["/numbers", "/slow", "/moved"] {
        let url = at(path);
        verdict.check(&format!("better-sse: names, IDs, retry and resume, {path}"), move || {
            numbers(&read(EventSourceOptions::new(&url)?, Network::default())?)
        });
    }
    let url = at("/numbers");
    verdict.check("better-sse: from the ID of an earlier run", move || from_id(&url));
    let url = at("/kept-alive");
    verdict.check("better-sse: comments that keep alive", move || kept_alive(&url));
    let url = at("/headers");
    verdict.check("better-sse: what we ask with", move || headers(&url));
    let url = at("/nothing");
    verdict.check("better-sse: a stream that is not there", move || {
        let told = read(EventSourceOptions::new(&url)?, Network::default())?;
        let Some(Error::Refused(refusal)) = told.error else { return Err("no refusal".into()) };
        same("the status", &refusal.status.code(), &404)?;
        same("the body", &refusal.body, b"no such stream")
    });
    of_python(house, verdict);
}

fn of_python(house: &House, verdict: &mut Verdict) {
    let at = |path: &str| house.starlette.url("http", path);
    let url = at("/numbers");
    verdict.check("sse-starlette: names, IDs, retry, two lines, resume", move || {
        let told = read(EventSourceOptions::new(&url)?, Network::default())?;
        let wanted: Vec<SourceMessage> = (1..10)
            .map(|i| SourceMessage {
                event_type: "number".to_owned(),
                data: format!("line one of {i}\nline two"),
                last_event_id: i.to_string(),
            })
            .collect();
        same("the events", &told.messages, &wanted)?;
        same("the streams", &told.opened.len(), &3)?;
        same("the reconnection times", &told.retries, &vec![130; 9])?;
        over(&told)
    });
    let url = at("/pings");
    verdict.check("sse-starlette: pings as comments", move || {
        let mut options = EventSourceOptions::new(&url)?;
        options.comments = Comments::Report;
        options.reconnect = Reconnect::Never;
        let told = read_while(options, Network::default(), |told| told.comments.len() < 3)?;
        same("the error", &told.error, &None)?;
        same("the pings", &told.comments.len(), &3)?;
        holds("a ping is another", told.comments.iter().all(|text| text.starts_with("ping - ")))?;
        same("the events", &told.messages.len(), &1)
    });
    let url = at("/completions");
    verdict.check("sse-starlette: a POST that is answered by tokens", move || completions(&url));
}

/// Reads a source until it is over. The twelfth loss is one too many.
pub(crate) fn read(options: EventSourceOptions, network: Network) -> Found<Told> {
    read_while(options, network, |told| told.lost.len() < 12)
}

/// Reads a source until it is over, or enough.
pub(crate) fn read_while(
    options: EventSourceOptions,
    network: Network,
    mut wants_more: impl FnMut(&Told) -> bool,
) -> Found<Told> {
    let mut told = Told::default();
    for event in EventSource::with(options, network)? {
        match event {
            Ok(OwnedSourceEvent::Open(opened)) => told.opened.push(opened),
            Ok(OwnedSourceEvent::Message(message)) => told.messages.push(message),
            Ok(OwnedSourceEvent::Comment(text)) => told.comments.push(text),
            Ok(OwnedSourceEvent::Retry(ms)) => told.retries.push(ms),
            Ok(OwnedSourceEvent::Lost { why, wait_ms }) => told.lost.push((why, wait_ms)),
            Err(error) => told.error = Some(error),
        }
        if !wants_more(&told) {
            break;
        }
    }
    Ok(told)
}

/// An event of better-sse's, by its number.
pub(crate) fn number(i: usize) -> SourceMessage {
    SourceMessage {
        event_type: if i.is_multiple_of(2) { "even" } else { "odd" }.to_owned(),
        data: format!(r#"{{"number":{i},"text":"{i}\n鮭 {}"}}"#, "·".repeat(i * 100)),
        last_event_id: i.to_string(),
    }
}

/// All twelve, in three streams, and no further one after the answer 204.
pub(crate) fn numbers(told: &Told) -> Outcome {
    same("the events", &told.messages, &(1..=12).map(number).collect::<Vec<_>>())?;
    same("the streams", &told.opened.len(), &3)?;
    same("the reconnection times", &told.retries, &vec![120; 3])?;
    let waits: Vec<u64> = told.lost.iter().map(|(_, wait_ms)| *wait_ms).collect();
    same("the waits", &waits, &vec![120; 3])?;
    over(told)
}

/// The last answer was 204.
fn over(told: &Told) -> Outcome {
    let Some(Error::Refused(refusal)) = &told.error else {
        return Err(format!("the end is {:?}", told.error).into());
    };
    same("the last status", &refusal.status.code(), &204)
}

fn from_id(url: &str) -> Outcome {
    let mut options = EventSourceOptions::new(url)?;
    options.last_event_id = "10".to_owned();
    let told = read(options, Network::default())?;
    same("the events", &told.messages, &vec![number(11), number(12)])?;
    over(&told)
}

fn kept_alive(url: &str) -> Outcome {
    let mut options = EventSourceOptions::new(url)?;
    options.comments = Comments::Report;
    options.reconnect = Reconnect::Never;
    let told = read(options, Network::default())?;
    same("the events", &told.messages, &(1..=5).map(number).collect::<Vec<_>>())?;
    // One each 50 ms for a second and a half; a busy machine has fewer.
    holds(&format!("{} comments", told.comments.len()), told.comments.len() >= 3)
}

fn headers(url: &str) -> Outcome {
    let mut options = EventSourceOptions::new(url)?;
    options.headers.push(("Authorization".to_owned(), "Bearer roe".to_owned()));
    options.last_event_id = "鮭 7".to_owned();
    options.reconnect = Reconnect::Never;
    let told = read(options, Network::default())?;
    let data = &told.messages.first().ok_or("no event")?.data;
    for wanted in [
        r#""accept":"text/event-stream""#,
        r#""cache-control":"no-cache""#,
        r#""authorization":"Bearer roe""#,
        // Node reads headers as ISO 8859-1.
        "\"last-event-id\":\"é®\u{ad} 7\"",
    ] {
        holds(&format!("{wanted} is not in {data}"), data.contains(wanted))?;
    }
    holds("we accept a content coding", !data.contains("accept-encoding"))
}

fn completions(url: &str) -> Outcome {
    let mut options = EventSourceOptions::new(url)?;
    options.method = "POST".to_owned();
    options.headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
    options.headers.push(("Authorization".to_owned(), "Bearer roe".to_owned()));
    options.body = Some(r#"{"prompt":"wild salmon 鮭","stream":true}"#.into());
    options.reconnect = Reconnect::Never;
    let told = read(options, Network::default())?;
    same("the error", &told.error, &None)?;
    let data: Vec<&str> = told.messages.iter().map(|message| &*message.data).collect();
    let wanted = [
        r#"{"delta": "wild", "by": "Bearer roe"}"#,
        r#"{"delta": "salmon", "by": "Bearer roe"}"#,
        r#"{"delta": "\u9bad", "by": "Bearer roe"}"#,
        "[DONE]",
    ];
    same("the events", &data, &wanted)
}
