//! Properties of every input. proptest, the fuzz targets and the corpus replay call them.
//!
//! Every function panics on a violation. The oracle may index: it is no wire code.
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod fuzz;

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::{
    Comments, Config, Error, Event, EventId, EventName, Item, Limits, Parser, text_prefix,
};

/// An item that outlives its parser.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owned {
    Event(String, String, String),
    Retry(u64),
    Comment(String),
    Failed(Error),
}

/// The result of a connection.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    items: Vec<Owned>,
    last_event_id: String,
}

/// The parser agrees with the plain reading of the standard, however the input is cut.
///
/// `cuts` are lengths of chunks, used in a circle; none or zeros only means one chunk.
pub fn agrees_with_oracle(input: &[u8], cuts: &[u8]) {
    let (comments, limits) = (Comments::Report, Limits::default());
    let expected = oracle(input);
    assert_eq!(run(input, &[], comments, limits), expected, "whole");
    assert_eq!(run(input, &[1], comments, limits), expected, "byte by byte");
    assert_eq!(run(input, cuts, comments, limits), expected, "cut by {cuts:?}");
    for cuts in [&[], &[1][..], cuts] {
        let mixed = run_by(mixed_next, input, cuts, comments, limits);
        assert_eq!(mixed, expected, "text where it is text, cut by {cuts:?}");
    }
    let silent = run(input, cuts, Comments::Skip, limits);
    let spoken = expected.items.iter().filter(|item| !matches!(item, Owned::Comment(_)));
    assert!(silent.items.iter().eq(spoken), "skipped comments change nothing else");
}

/// Under a limit too, the cut makes no difference, and the parser holds no more than the limit.
pub fn stays_within_limit(input: &[u8], cuts: &[u8], bytes_held_max: usize) {
    let limits = Limits { bytes_held_max };
    for comments in [Comments::Report, Comments::Skip] {
        let whole = run(input, &[], comments, limits);
        assert_eq!(run(input, &[1], comments, limits), whole, "byte by byte");
        assert_eq!(run(input, cuts, comments, limits), whole, "cut by {cuts:?}");
        let mixed = run_by(mixed_next, input, cuts, comments, limits);
        assert_eq!(mixed, whole, "text where it is text, cut by {cuts:?}");
        let unlimited = run(input, &[], comments, Limits::default());
        let failed = matches!(whole.items.last(), Some(Owned::Failed(Error::TooLarge)));
        let before = whole.items.len().saturating_sub(usize::from(failed));
        assert!(unlimited.items.starts_with(&whole.items[..before]), "right until it fails");
        assert!(failed || whole == unlimited, "the limit is no filter");
    }
}

/// The parser reads each encoded event back as it was.
pub fn round_trips(name: &str, id: &str, retry_ms: u64, data: &str, comment: &str) {
    let lines: Vec<&str> = split_lines(data);
    let event = Event {
        name: EventName::new(name).ok(),
        id: EventId::new(id).ok(),
        retry_ms: Some(retry_ms),
        data: Some(data),
    };
    assert_eq!(event.name.is_none(), name.contains(['\r', '\n']));
    assert_eq!(event.id.is_none(), id.contains(['\r', '\n', '\0']));
    let mut out = Vec::new();
    crate::encode_comment(comment, &mut out);
    event.encode(&mut out);
    event.encode(&mut out);
    let mut expected: Vec<Owned> =
        split_lines(comment).into_iter().map(|line| Owned::Comment(line.to_string())).collect();
    let named = event.name.map_or("", EventName::as_str);
    let event_type = if named.is_empty() { "message" } else { named };
    let last_event_id = event.id.map_or("", EventId::as_str);
    for _ in 0..2 {
        expected.push(Owned::Retry(retry_ms));
        expected.push(Owned::Event(event_type.into(), lines.join("\n"), last_event_id.into()));
    }
    let outcome = run(&out, &[], Comments::Report, Limits::default());
    assert_eq!(outcome.items, expected);
}

fn run(input: &[u8], cuts: &[u8], comments: Comments, limits: Limits) -> Outcome {
    run_by(|parser, chunk| Ok(parser.next(chunk)?.map(own)), input, cuts, comments, limits)
}

/// The next item by the other methods: as text as far as the chunk is text, then as bytes; the data owned every other
/// time.
fn mixed_next(parser: &mut Parser, chunk: &mut &[u8]) -> Result<Option<Owned>, Error> {
    let text = text_prefix(chunk);
    let mut rest = text;
    let item = if text.len().is_multiple_of(2) {
        parser.next_text(&mut rest).map(|item| item.map(own))
    } else {
        parser.next_text_owned(&mut rest).map(|item| item.map(own))
    };
    *chunk = if item.is_ok() { &chunk[text.len() - rest.len()..] } else { &[] };
    match item? {
        None if !chunk.is_empty() => Ok(parser.next_owned(chunk)?.map(own)),
        item => Ok(item),
    }
}

fn run_by(
    mut next: impl FnMut(&mut Parser, &mut &[u8]) -> Result<Option<Owned>, Error>,
    input: &[u8],
    cuts: &[u8],
    comments: Comments,
    limits: Limits,
) -> Outcome {
    let mut parser = Parser::new(Config { limits, comments });
    let mut items = Vec::new();
    let mut rest = input;
    let mut sizes = cuts.iter().cycle();
    let only_empty = cuts.iter().all(|&size| size == 0);
    while !rest.is_empty() {
        let size = if only_empty { rest.len() } else { sizes.next().map_or(0, |&s| s.into()) };
        let (mut chunk, tail) = rest.split_at(size.min(rest.len()));
        rest = tail;
        loop {
            let result = next(&mut parser, &mut chunk);
            let held = parser.bytes_held();
            assert!(held <= limits.bytes_held_max, "{held} bytes held");
            match result {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(parser.next(&mut &b"data: x\n\n"[..]), Err(error), "until reset");
                    items.push(Owned::Failed(error));
                    rest = &[];
                    break;
                }
            }
        }
        assert!(chunk.is_empty(), "all input is consumed");
    }
    parser.finish();
    Outcome { items, last_event_id: parser.last_event_id().to_string() }
}

fn own<D: AsRef<str>>(item: Item<'_, D>) -> Owned {
    match item {
        Item::Event(event) => Owned::Event(
            event.event_type.into(),
            event.data.as_ref().into(),
            event.last_event_id.into(),
        ),
        Item::Retry(ms) => Owned::Retry(ms),
        Item::Comment(text) => Owned::Comment(text.into()),
    }
}

/// The standard, word by word: decode all of the stream, cut it into lines, take one after the
/// other. Slow and plain, and sharing no code with the parser.
fn oracle(input: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(input);
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
    let mut lines = split_lines(text);
    // The last one has no line end: the stream ends inside it.
    lines.pop();
    let (mut items, mut last_event_id) = (Vec::new(), String::new());
    let (mut data, mut event_type, mut id) = (String::new(), String::new(), String::new());
    for line in lines {
        if line.is_empty() {
            last_event_id.clone_from(&id);
            if let Some(data) = data.strip_suffix('\n') {
                let event_type = if event_type.is_empty() { "message" } else { &event_type };
                items.push(Owned::Event(event_type.into(), data.into(), last_event_id.clone()));
            }
            data.clear();
            event_type.clear();
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => items.push(Owned::Comment(value.into())),
            "event" => event_type = value.into(),
            "data" => data = data + value + "\n",
            "id" if !value.contains('\0') => id = value.into(),
            "retry" if !value.is_empty() && value.chars().all(|c| c.is_ascii_digit()) => {
                items.push(Owned::Retry(value.parse().unwrap_or(u64::MAX)));
            }
            _ => {}
        }
    }
    Outcome { items, last_event_id }
}

/// CRLF, LF and CR end a line. What follows the last of them is a line too, perhaps an empty one.
fn split_lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\r', '\n']) {
        lines.push(&rest[..at]);
        let end = if rest[at..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[at + end..];
    }
    lines.push(rest);
    lines
}
