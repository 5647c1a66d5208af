//! The bounds on the memory that a peer can make the parser hold.
//!
//! [sse:limit-while-arriving] [sse:limit-skipped] [sse:limit-borrowed]

use sockeye_sse::{Comments, Config, Error, Item, Limits, Parser};

fn parser(bytes_held_max: usize, comments: Comments) -> Parser {
    let mut limits = Limits::default();
    limits.bytes_held_max = bytes_held_max;
    Parser::new(Config { limits, comments })
}

/// Feeds chunks of the given size; the number of events, and the bytes fed when it failed.
fn run(parser: &mut Parser, input: &[u8], size: usize) -> Result<usize, usize> {
    let (mut events, mut fed) = (0, 0);
    for mut chunk in input.chunks(size) {
        fed += chunk.len();
        loop {
            match parser.next(&mut chunk) {
                Ok(Some(_)) => events += 1,
                Ok(None) => break,
                Err(Error::TooLarge) => return Err(fed),
                Err(other) => panic!("{other}"),
            }
        }
    }
    Ok(events)
}

#[test]
fn the_limit_is_exact_however_the_event_arrives() {
    let blocks: &[(&str, usize)] = &[
        ("data: 12345\n\n", 6),
        ("data: 12\ndata: 45\n\n", 6),
        ("event: 123\ndata: 5\n\n", 5),
        ("data: 5\nevent: 123\n\n", 5),
        ("event: 12345\nevent: 1\ndata\n\n", 5),
        ("id: 123\ndata\n\n", 4),
        ("data\n\n", 1),
        ("data: \u{20ac}\n\n", 4),
    ];
    for &(block, needed) in blocks {
        for size in [1, 2, 5, 100] {
            let enough = run(&mut parser(needed, Comments::Skip), block.as_bytes(), size);
            assert_eq!(enough, Ok(1), "{block:?} in {size}");
            let short = run(&mut parser(needed - 1, Comments::Skip), block.as_bytes(), size);
            assert!(short.is_err(), "{block:?} in {size}");
        }
    }
}

#[test]
fn a_line_that_never_ends_fails_while_it_arrives() {
    let x = [b"data: ".as_slice(), &[b'x'; 10_000]].concat();
    assert_eq!(run(&mut parser(1000, Comments::Skip), &x, 1), Err(6 + 1001));
    let bad = [b"data: ".as_slice(), &[0xFF; 10_000]].concat();
    assert_eq!(run(&mut parser(1000, Comments::Skip), &bad, 1), Err(6 + 334), "one is three");
    let id = [b"id: ".as_slice(), &[b'x'; 10_000]].concat();
    assert_eq!(run(&mut parser(1000, Comments::Skip), &id, 1), Err(4 + 1001));
}

#[test]
fn what_is_passed_over_costs_nothing() {
    for start in ["", ":", "unknown: ", "data", "retry: ", "retry: 1"] {
        let line = [start.as_bytes(), &[b'7'; 100_000], b"\n\n"].concat();
        for size in [1, 1000, line.len()] {
            let mut parser = parser(0, Comments::Skip);
            assert!(run(&mut parser, &line, size).is_ok(), "{start:?}");
            assert_eq!(parser.bytes_held(), 0, "{start:?}");
        }
    }
    let comment = [b": ".as_slice(), &[b'x'; 10]].concat();
    assert!(run(&mut parser(9, Comments::Report), &comment, 1).is_err(), "reported ones do");
}

#[test]
fn a_failed_parser_stays_failed_until_reset() {
    let mut parser = parser(3, Comments::Skip);
    let mut input: &[u8] = b"id: 7\n\ndata: 12345\n\ndata: a\n\n";
    assert_eq!(parser.next(&mut input), Err(Error::TooLarge));
    assert!(input.is_empty(), "the rest is discarded");
    let mut more: &[u8] = b"data\n\n";
    assert_eq!(parser.next(&mut more), Err(Error::TooLarge));
    parser.reset();
    assert_eq!(parser.last_event_id(), "7");
    let mut more: &[u8] = b"data: a\n\n";
    assert!(matches!(parser.next(&mut more), Ok(Some(Item::Event(event))) if event.data == "a"));
}

/// Quadratic work would need minutes here.
#[test]
fn work_is_linear_at_one_byte_chunks() {
    let mut input = b"data: ".to_vec();
    input.resize(8 << 20, b'x');
    input.extend_from_slice(b"\n\n");
    assert_eq!(run(&mut Parser::default(), &input, 1), Ok(1));
}
