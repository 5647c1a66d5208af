//! The parser's memory: what it allocates, keeps and frees.

use alloc::vec::Vec;

use super::*;

fn read(parser: &mut Parser, stream: &[u8], chunk_bytes: usize) -> usize {
    let mut events = 0;
    for mut chunk in stream.chunks(chunk_bytes) {
        while parser.next(&mut chunk).unwrap().is_some() {
            events += 1;
        }
    }
    events
}

fn capacities(parser: &Parser) -> [usize; 5] {
    parser.buffers.capacities()
}

/// The five strings are all that the parser can have on the heap: capacity zero is the proof
/// that nothing was allocated.
#[test]
fn borrowed_events_allocate_nothing() {
    let stream = b": c\nevent: t\ndata: token\n\nunknown\ndata: \xE2\x82\xAC\r\n\r\n".repeat(1000);
    let mut parser = Parser::default();
    assert_eq!(read(&mut parser, &stream, stream.len()), 2000);
    assert_eq!(capacities(&parser), [0; 5]);
}

#[test]
fn buffers_are_reused() {
    let stream = b"id: 42\nevent: t\ndata: one\ndata: two\n\n".repeat(1000);
    let mut parser = Parser::default();
    read(&mut parser, &stream[..400], 7);
    let warm = capacities(&parser);
    assert_eq!(read(&mut parser, &stream[400..], 7), 990);
    assert_eq!(capacities(&parser), warm);
}

#[test]
fn a_huge_event_is_given_back() {
    let stream = [b"data: ".as_slice(), &Vec::from([b'x'; 1 << 20]), b"\n\n"].concat();
    let mut parser = Parser::default();
    assert_eq!(read(&mut parser, &stream, 1000), 1);
    read(&mut parser, b"data: x\n", 100);
    assert!(capacities(&parser).iter().sum::<usize>() <= 64 << 10);
}
