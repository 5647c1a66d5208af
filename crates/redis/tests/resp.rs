//! Replies, at their bounds.

use sockeye_redis::resp::{self, ARRAY_ELEMENTS_MAX, Element, Extent, LINE_BYTES_MAX, RespError};

fn first(input: &[u8]) -> Result<Option<Element<'_>>, RespError> {
    resp::next(&mut &*input)
}

#[test]
fn elements() {
    assert_eq!(first(b"+OK\r\n"), Ok(Some(Element::Status("OK"))));
    assert_eq!(first(b"-ERR why\r\n"), Ok(Some(Element::Error("ERR why"))));
    assert_eq!(first(b":-12\r\n"), Ok(Some(Element::Number(-12))));
    assert_eq!(first(b"$4\r\na\r\nb\r\n"), Ok(Some(Element::Bulk(b"a\r\nb"))));
    assert_eq!(first(b"$0\r\n\r\n"), Ok(Some(Element::Bulk(b""))));
    assert_eq!(first(b"*2\r\n"), Ok(Some(Element::Array(2))));
    assert_eq!(first(b"$-1\r\n"), Ok(Some(Element::Nil)));
    assert_eq!(first(b"*-1\r\n"), Ok(Some(Element::Nil)));
}

#[test]
fn what_is_wrong_is_named() {
    assert_eq!(first(b"HTTP/1.1 400"), Err(RespError::Type(b'H')));
    assert_eq!(first(b"\r\n"), Err(RespError::Type(b'\r')));
    assert_eq!(first(b"$-2\r\n"), Err(RespError::Number));
    assert_eq!(first(b"$+1\r\n"), Err(RespError::Number));
    assert_eq!(first(b":\r\n"), Err(RespError::Number));
    assert_eq!(first(b"+\xff\r\n"), Err(RespError::NotText));
    assert_eq!(first(b"$1\r\nab\r"), Err(RespError::End));
}

#[test]
fn bounds() {
    let line = |bytes| [b"+".to_vec(), vec![b'a'; bytes], b"\r\n".to_vec()].concat();
    assert!(matches!(first(&line(LINE_BYTES_MAX - 1)), Ok(Some(Element::Status(_)))));
    assert_eq!(first(&line(LINE_BYTES_MAX)), Err(RespError::LineTooLong));
    let array = |elements: usize| format!("*{elements}\r\n").into_bytes();
    assert!(matches!(first(&array(ARRAY_ELEMENTS_MAX)), Ok(Some(Element::Array(_)))));
    assert_eq!(first(&array(ARRAY_ELEMENTS_MAX + 1)), Err(RespError::ArrayTooLong));
    // As soon as the length has arrived, and not when its bytes have.
    assert_eq!(Extent::new(100).look(b"$101\r\n"), Err(RespError::TooLong));
    assert_eq!(Extent::new(100).look(b"*34\r\n"), Err(RespError::TooLong));
    assert_eq!(Extent::new(100).look(b"*30\r\n"), Ok(None));
    assert_eq!(Extent::new(5).look(b"+OK\r\n"), Ok(Some(5)));
    assert_eq!(Extent::new(4).look(b"+OK\r\n"), Err(RespError::TooLong));
}
