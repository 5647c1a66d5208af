//! State that survives a connection, and the effects of a chunk's end.

use sockeye_sse::{Comments, Config, End, Item, Parser};

use crate::support::{feed, read};

fn data(parser: &mut Parser, mut chunk: &[u8]) -> Vec<String> {
    let mut events = Vec::new();
    feed(parser, &mut chunk, &mut events);
    events.into_iter().map(|event| event.data).collect()
}

/// [html:9.2.5-cr-ends-line-now] [html:9.2.5-crlf-across-chunks]
#[test]
fn a_cr_at_the_chunk_end_dispatches_at_once() {
    let mut parser = Parser::default();
    assert_eq!(data(&mut parser, b"data: a\r\n\r"), ["a"]);
    assert!(data(&mut parser, b"").is_empty(), "an empty chunk changes nothing");
    assert!(data(&mut parser, b"\n").is_empty(), "the LF belongs to the CR");
    assert_eq!(data(&mut parser, b"data: b\n\r"), ["b"]);
    assert_eq!(data(&mut parser, b"data: c\r\r"), ["c"]);
}

/// [html:9.2.5-crlf-across-chunks] A blank line at the start of a connection changes nothing but
/// this: the byte order mark behind it is none, and spoils the name.
#[test]
fn a_cr_does_not_reach_the_next_connection() {
    let mut parser = Parser::default();
    for end in [Parser::reset, |parser: &mut Parser| assert_eq!(parser.finish(), End::Clean)] {
        assert_eq!(data(&mut parser, b"data: a\r\r"), ["a"]);
        end(&mut parser);
        assert!(data(&mut parser, b"\n\xEF\xBB\xBFdata: b\n\n").is_empty());
        end(&mut parser);
    }
}

/// [html:9.2.5-bom-once] Once per connection, split anywhere.
#[test]
fn each_connection_may_begin_with_a_mark() {
    let mut parser = Parser::default();
    for _ in 0..2 {
        let chunks: [&[u8]; 5] = [b"\xEF", b"\xBB", b"", b"\xBF", b"data: a\n\n"];
        assert_eq!(read(&mut parser, chunks).len(), 1);
        let twice: [&[u8]; 2] =
            [b"\xEF\xBB\xBF\xEF\xBB\xBFdata: a\n\n", b"\xEF\xBB\xBFdata: a\n\n"];
        assert_eq!(read(&mut parser, twice).len(), 0, "a second mark belongs to the name");
    }
}

/// [html:9.2.6-id-buffer-carried] [html:9.2.6-dispatch-id-first] [html:9.2.6-field-id]
#[test]
fn the_last_event_id_lives_on() {
    let mut parser = Parser::default();
    assert!(data(&mut parser, b"id: 7\n").is_empty());
    assert_eq!(parser.last_event_id(), "", "it waits for the blank line");
    assert!(data(&mut parser, b"\n").is_empty());
    assert_eq!(parser.last_event_id(), "7", "a block of only an id counts");
    assert!(data(&mut parser, b"id: 8\ndata: x").is_empty());
    assert_eq!(parser.finish(), End::Truncated);
    assert_eq!(parser.last_event_id(), "7");
    let events = read(&mut parser, [b"data: y\n\n".as_slice()]);
    assert_eq!(events[0].last_event_id, "7");
    parser.set_last_event_id("41");
    let events = read(&mut parser, [b"data: y\n\n".as_slice()]);
    assert_eq!(events[0].last_event_id, "41");
}

/// It does not grow for an `id` that waits for its blank line, or that the end of a connection drops.
#[test]
fn the_version_grows_when_the_last_event_id_is_set() {
    let mut parser = Parser::default();
    let mut versions = vec![parser.last_event_id_version()];
    for (chunk, is_set) in [
        (&b"id: 7\ndata: x\n"[..], false),
        (b"\n", true),
        (b"data: y\n\nevent: z\ndata: y\n\n", false),
        (b"id: 7\n\n", true),
        (b"id: \0\n\n", false),
        (b"id", false),
        (b"\n\n", true),
    ] {
        data(&mut parser, chunk);
        versions.push(parser.last_event_id_version());
        let [.., before, now] = versions[..] else { unreachable!("two were pushed") };
        assert_eq!(now > before, is_set, "{chunk:?}");
    }
    let before = parser.last_event_id_version();
    data(&mut parser, b"id: 8\n");
    let _: End = parser.finish();
    assert_eq!(parser.last_event_id_version(), before);
    parser.set_last_event_id("9");
    assert!(parser.last_event_id_version() > before);
}

/// [html:9.2.6-retry-at-line-end] [html:9.2.6-retry-clamp]
#[test]
fn retry_counts_when_its_line_ends() {
    let mut parser = Parser::default();
    let mut chunk: &[u8] = b"data: a\nretry: 5";
    assert_eq!(parser.next(&mut chunk), Ok(None));
    assert_eq!(parser.reconnection_ms(), None);
    let mut chunk: &[u8] = b"00\r";
    assert_eq!(parser.next(&mut chunk), Ok(Some(Item::Retry(500))));
    assert_eq!(data(&mut parser, b"\ndata: b\n\n"), ["a\nb"], "the block goes on");
    let mut chunk: &[u8] = b"retry: 18446744073709551616\n";
    assert_eq!(parser.next(&mut chunk), Ok(Some(Item::Retry(u64::MAX))));
    let _: End = parser.finish();
    assert_eq!(parser.reconnection_ms(), Some(u64::MAX));
}

/// [html:9.2.6-eof-discards]
#[test]
fn finish_says_whether_something_was_cut_off() {
    let table: &[(&[u8], End)] = &[
        (b"", End::Clean),
        (b"\xEF\xBB\xBF", End::Clean),
        (b"\xEF\xBB", End::Truncated),
        (b": comment\n", End::Clean),
        (b": comm", End::Truncated),
        (b"data: a\n\n", End::Clean),
        (b"data: a\r\r", End::Clean),
        (b"data: a\n", End::Truncated),
        (b"event: a\n", End::Truncated),
        (b"id: 1\n", End::Truncated),
        (b"data: a\n\nd", End::Truncated),
    ];
    for &(mut bytes, expected) in table {
        let (mut parser, context) = (Parser::default(), bytes);
        while parser.next(&mut bytes).unwrap().is_some() {}
        assert_eq!(parser.finish(), expected, "{context:?}");
        assert_eq!(data(&mut parser, b"data: next\n\n"), ["next"], "{context:?}");
    }
}

/// [html:9.2.6-comment] On request, also where it would be in the way of a block.
#[test]
fn comments_are_reported_on_request() {
    let config = Config { comments: Comments::Report, ..Config::default() };
    for size in [1, 3, 100] {
        let mut parser = Parser::new(config);
        let mut seen = Vec::new();
        for mut chunk in b":\n: a\ndata: x\n:b\xFF\ndata: y\n\n".chunks(size) {
            while let Some(item) = parser.next(&mut chunk).unwrap() {
                seen.push(match item {
                    Item::Comment(text) => text.to_string(),
                    Item::Event(event) => event.data.to_string(),
                    Item::Retry(_) => panic!("no retry"),
                });
            }
        }
        assert_eq!(seen, ["", "a", "b\u{FFFD}", "x\ny"]);
    }
}

/// [html:9.2.6-field-event] Also when the lines come in chunks of their own, so that each of them is
/// borrowed first and copied at the chunk's end.
#[test]
fn the_last_event_field_wins_over_chunks() {
    let mut parser = Parser::default();
    for (last, expected) in [("event: b\n", "b"), ("event\n", "message"), ("event:\n", "message")] {
        let chunks = ["event: a\n", last, "data\n", "\n"].map(str::as_bytes);
        assert_eq!(read(&mut parser, chunks)[0].event_type, expected);
    }
}

/// Events called `open` and `error` are events.
#[test]
fn the_names_of_state_changes_are_nothing_special() {
    let mut parser = Parser::default();
    let events = read(&mut parser, [b"event: error\ndata\n\nevent: open\ndata\n\n".as_slice()]);
    assert_eq!(events.iter().map(|e| &e.event_type[..]).collect::<Vec<_>>(), ["error", "open"]);
}
