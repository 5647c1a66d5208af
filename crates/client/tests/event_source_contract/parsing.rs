//! Streams in pieces: fields, marks, comments, line ends.

use std::time::Duration;

use crate::event_source_contract::{Told, check, data, event};

/// Pieces that are parts of a text, and what comes of them.
type Row<'r> = (&'r str, &'r [&'r [u8]], Vec<Told>);

fn check_rows(rows: &[Row<'_>]) {
    for (name, pieces, expected) in rows {
        let pieces = pieces.iter().map(|piece| piece.to_vec()).collect();
        check(name, pieces, Duration::ZERO, expected);
    }
}

#[test]
fn fields() {
    check_rows(&[
        ("one piece", &[b"data: one\n\n"], vec![data("one")]),
        ("two pieces", &[b"data: o", b"ne\n\n"], vec![data("one")]),
        ("two events in a piece", &[b"data: a\n\ndata: b\n\n"], vec![data("a"), data("b")]),
        (
            "a piece in two events",
            &[b"data: a", b"b\n\ndata:", b" c\n\n"],
            vec![data("ab"), data("c")],
        ),
        ("two lines", &[b"data: a\ndata:b\n\n"], vec![data("a\nb")]),
        ("no data", &[b"data:\n\n"], vec![data("")]),
        ("no colon", &[b"data\n\ndata\ndata\n\n"], vec![data(""), data("\n")]),
        ("a type", &[b"event: news\ndata: a\n\n"], vec![event("news", "a", "")]),
        ("an ID", &[b"id: 7\ndata: a\n\n"], vec![event("message", "a", "7")]),
        ("both", &[b"event: news\nid: 7\ndata: a\n\n"], vec![event("news", "a", "7")]),
        ("data first", &[b"data: a\nid: 7\nevent: news\n\n"], vec![event("news", "a", "7")]),
        ("a NUL in an ID", &[b"id: 7\x008\ndata: a\n\n"], vec![data("a")]),
        (
            "an ID stays",
            &[b"id: 7\ndata: a\n\n", b"data: b\n\n"],
            vec![event("message", "a", "7"), event("message", "b", "7")],
        ),
        (
            "an empty ID is none",
            &[b"id: 7\ndata: a\n\n", b"id:\ndata: b\n\n"],
            vec![event("message", "a", "7"), data("b")],
        ),
        ("unknown fields", &[b"colour: red\ndata: a\nDATA: b\n\n"], vec![data("a")]),
        ("no space", &[b"event:news\ndata:a\n\n"], vec![event("news", "a", "")]),
        ("one space of two", &[b"event:  news\ndata:  a\n\n"], vec![event(" news", " a", "")]),
        ("characters", &["data: Zürich €\n\n".as_bytes()], vec![data("Zürich €")]),
    ]);
}

#[test]
fn characters_byte_by_byte() {
    let text = "data: Zürich €, 東京, 🦀\n\n";
    let pieces = text.bytes().map(|byte| vec![byte]).collect();
    check("slowly", pieces, Duration::from_millis(10), &[data("Zürich €, 東京, 🦀")]);
}

#[test]
fn large_events() {
    let mib = |count: usize| -> Vec<u8> {
        (0..count << 20).map(|at| b"abcdefghijklmnopqrstuvwxyz"[at * at % 26]).collect()
    };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("letters");
    let five = mib(5);
    let whole = [b"data: ", &five[..], b"\n\n"].concat();
    check("5 MiB", vec![whole], Duration::ZERO, &[data(text(&five))]);
    let ten = mib(10);
    let (first, second) = ten.split_at(5 << 20);
    let pieces = vec![[b"data: ", first].concat(), [second, b"\n\n"].concat()];
    check("10 MiB in two", pieces, Duration::ZERO, &[data(text(&ten))]);
}

#[test]
fn many_events_keep_their_order() {
    let stream: String = (0..1000).map(|number| format!("data: {number}\n\n")).collect();
    let expected: Vec<Told> = (0..1000).map(|number| data(number.to_string())).collect();
    check("1000", vec![stream.into_bytes()], Duration::ZERO, &expected);
}

#[test]
fn byte_order_marks() {
    const MARK: &[u8] = b"\xEF\xBB\xBF";
    let marked = |rest: &[u8]| [MARK, rest].concat();
    check_rows(&[
        ("none", &[b"data: a\n\n"], vec![data("a")]),
        ("one", &[&marked(b"data: a\n\n")], vec![data("a")]),
        ("all fields", &[&marked(b"id: 7\nevent: e\ndata: a\n\n")], vec![event("e", "a", "7")]),
        ("two events", &[&marked(b"data: a\n\ndata: b\n\n")], vec![data("a"), data("b")]),
        ("two lines", &[&marked(b"data: a\ndata: b\n\n")], vec![data("a\nb")]),
        ("no data", &[&marked(b"data\n\n")], vec![data("")]),
        ("a comment", &[&marked(b":c\ndata: a\n\n")], vec![Told::Comment("c".into()), data("a")]),
        ("in two", &[b"\xEF\xBB", b"\xBFdata: a\n\n"], vec![data("a")]),
        ("in three", &[b"\xEF", b"\xBB", b"\xBF", b"data: a\n\n"], vec![data("a")]),
        ("in data", &[&marked(b"data: \xEF\xBB\xBFa\n\n")], vec![data("\u{FEFF}a")]),
        ("later", &[b"data: a\n\n", b"data:\xEF\xBB\xBF\n\n"], vec![data("a"), data("\u{FEFF}")]),
        ("later, of a name", &[b"data: a\n\n", &marked(b"data: b\n\n")], vec![data("a")]),
    ]);
}

#[test]
fn comments() {
    let comment = |text: &str| Told::Comment(text.to_owned());
    check_rows(&[
        ("one, without a blank line", &[b":here\n"], vec![comment("here")]),
        ("two", &[b":a\n", b": b\n"], vec![comment("a"), comment("b")]),
        ("before an event", &[b":a\n", b"data: b\n\n"], vec![comment("a"), data("b")]),
        ("in an event", &[b"data: b\n:a\n\n"], vec![comment("a"), data("b")]),
        ("after an event", &[b"data: b\n\n", b":a\n"], vec![data("b"), comment("a")]),
        ("empty", &[b":\n\n:\n"], vec![comment(""), comment("")]),
    ]);
}

/// Each shape with each line end, whole and in pieces of one and two bytes.
#[test]
fn line_ends() {
    let shapes: [(&str, Vec<Told>); 6] = [
        ("data: a\n\n", vec![data("a")]),
        ("data: a\n\ndata: b\ndata: c\n\n", vec![data("a"), data("b\nc")]),
        ("data:\ndata: b\ndata: c\n\n", vec![data("\nb\nc")]),
        ("data: a\ndata\ndata: c\n\n", vec![data("a\n\nc")]),
        ("data: a\n\n\ndata: b\n\n", vec![data("a"), data("b")]),
        ("data: a\n\n\n\ndata: b\n\n\n", vec![data("a"), data("b")]),
    ];
    for (shape, expected) in shapes {
        for end in ["\n", "\r", "\r\n"] {
            let text = shape.replace('\n', end);
            for size in [1, 2, text.len()] {
                let pieces = text.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
                let name = format!("{text:?} by {size}");
                check(&name, pieces, Duration::from_millis(1), &expected);
            }
        }
    }
    check_rows(&[(
        "a CRLF in two pieces",
        &[b"data: a\r", b"\ndata: b\r", b"\n\r\ndata: c\r", b"\n", b"\r", b"\n"],
        vec![data("a\nb"), data("c")],
    )]);
}
