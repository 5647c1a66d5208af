//! A client and a server talk over a `Vec`: one request that trickles in, one chunked answer.
//!
//! Run with `cargo run -p sockeye-http1 --example one_exchange`.

use sockeye_http::{Date, HeaderName, HeaderValue, QueryPairs, Status};
use sockeye_http1::chunked::{self, Decoder, Event};
use sockeye_http1::{
    Body, Error, HeadEnd, HeaderStorage, Limits, RequestHead, RequestWriter, Response,
    ResponseFraming, ResponseHead,
};

const CONTENT_TYPE: HeaderName<'_> = HeaderName::from_static("Content-Type");
const TEXT: HeaderValue<'_> = HeaderValue::from_static("text/plain; charset=utf-8");

/// Answers once the head is complete; `None` means that more bytes are needed.
fn serve(head_end: &mut HeadEnd, received: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let limits = Limits::DEFAULT;
    let Some(end) = head_end.find(received, &limits)? else { return Ok(None) };
    let mut storage = HeaderStorage::new();
    let head = RequestHead::parse(&received[..end], &mut storage, &limits)?;

    let mut out = Vec::new();
    Response::new(Status::OK)
        .header(CONTENT_TYPE, TEXT)
        .date(Date::from_unix(784_111_777))
        .connection(head.connection())
        .write(Body::Chunked, &mut out);
    for (name, value) in QueryPairs::new(head.query().unwrap_or_default()) {
        chunked::encode(format!("{name} is {value}\n").as_bytes(), &mut out);
    }
    out.extend_from_slice(chunked::LAST);
    Ok(Some(out))
}

/// Reads a whole answer and returns its body.
fn read_answer(received: &[u8]) -> Result<Vec<u8>, Error> {
    let limits = Limits::DEFAULT;
    let end = HeadEnd::for_response().find(received, &limits)?.ok_or(Error::HeadBoundary)?;
    let (head, mut rest) = received.split_at(end);
    let mut storage = HeaderStorage::new();
    let head = ResponseHead::parse(head, &mut storage, &limits)?;
    println!("{} {}", head.status(), head.reason());
    assert_eq!(head.body("GET"), ResponseFraming::Chunked);

    let mut decoder = Decoder::new(chunked::Limits::DEFAULT);
    let mut body = Vec::new();
    while let Some(Event::Data(piece)) = decoder.next(&mut rest)? {
        body.extend_from_slice(piece);
    }
    assert!(decoder.is_complete());
    Ok(body)
}

/// Sends a request byte by byte, and shows the answer.
fn main() -> Result<(), Box<dyn core::error::Error>> {
    let mut request = Vec::new();
    RequestWriter::new("GET", "/?name=J%C3%B6rg&room=lobby", "hub.example")?
        .write(Body::Empty, &mut request);

    let mut head_end = HeadEnd::new();
    for len in 0..=request.len() {
        if let Some(answer) = serve(&mut head_end, &request[..len])? {
            println!("complete after {len} of {} bytes", request.len());
            print!("{}", String::from_utf8(read_answer(&answer)?)?);
        }
    }

    // What is not HTTP is refused at its first byte, and the error knows its answer.
    let error = serve(&mut HeadEnd::new(), b"\x16\x03\x01").unwrap_err();
    println!("{} {}: {error}", error.status(), error.status().reason());
    Ok(())
}
