//! An event that lies whole in the input is lent from there: no copy, nothing held.

use sockeye_sse::{Item, MessageEvent, Parser};

/// Whether the text lies in the input, rather than in a buffer of the parser.
fn lies_in(text: &str, input: &[u8]) -> bool {
    input.as_ptr_range().contains(&text.as_ptr())
}

fn only_event<'a, 'b: 'a>(parser: &'a mut Parser, input: &mut &'b [u8]) -> MessageEvent<'a> {
    match parser.next(input) {
        Ok(Some(Item::Event(event))) => event,
        other => panic!("{other:?} is no event"),
    }
}

#[test]
fn one_data_line_is_borrowed_with_its_event_type() {
    let blocks: &[&str] = &[
        "data: token\n\n",
        "data:token\r\n\r\n",
        "data: token\r\r",
        "event: t\ndata: token\n\n",
        "data: token\nevent: t\n\n",
        ": comment\nunknown: x\nevent: t\ndata: token\n\n",
        "event: other\nevent: t\ndata: token\n\n",
        "data: \u{20ac}\n\n",
    ];
    for block in blocks {
        let mut parser = Parser::default();
        let input = block.as_bytes();
        let mut rest = input;
        let event = only_event(&mut parser, &mut rest);
        assert!(lies_in(event.data, input), "{block:?}");
        assert!(event.event_type == "message" || lies_in(event.event_type, input), "{block:?}");
        assert_eq!(parser.bytes_held(), 0, "{block:?}");
    }
}

#[test]
fn everything_else_is_buffered() {
    let blocks: &[(&[u8], &str)] = &[
        (b"data: a\ndata: b\n\n", "a\nb"),
        (b"data: a\nretry: 1\ndata: b\n\n", "a\nb"),
        (b"data: \xFF\n\n", "\u{FFFD}"),
    ];
    for (block, data) in blocks {
        let mut parser = Parser::default();
        let mut input = *block;
        if block.contains(&b'1') {
            assert_eq!(parser.next(&mut input), Ok(Some(Item::Retry(1))));
        }
        let event = only_event(&mut parser, &mut input);
        assert_eq!(event.data, *data);
        assert!(!lies_in(event.data, block));
    }
}

/// The halves of an event in two chunks, and a whole one behind them in the second chunk.
#[test]
fn a_cut_event_does_not_spoil_the_next() {
    let mut parser = Parser::default();
    let (mut first, second): (&[u8], &[u8]) = (b"data: a", b"b\n\ndata: c\n\n");
    assert_eq!(parser.next(&mut first), Ok(None));
    let mut rest = second;
    let event = only_event(&mut parser, &mut rest);
    assert_eq!(event.data, "ab");
    assert!(!lies_in(event.data, second));
    let event = only_event(&mut parser, &mut rest);
    assert_eq!(event.data, "c");
    assert!(lies_in(event.data, second));
}
