//! sockeye-http1 with a bump allocator.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::hint::black_box;

use sockeye_http::{Date, Status};
use sockeye_http1::{
    Body, HeadEnd, HeaderStorage, Limits, RequestHead, Response, ResponseHead, chunked,
};
use sockeye_nostd::{expect, program};
use static_alloc::Bump;

#[global_allocator]
static HEAP: Bump<[u8; 1 << 16]> = Bump::uninit();

program!(run);

fn run() -> Option<()> {
    let limits = Limits::DEFAULT;
    let received = black_box(b"GET /a?b=c HTTP/1.1\r\nHost: hub.example\r\n\r\nrest");
    let len = HeadEnd::new().find(received, &limits).ok()??;
    let mut storage = HeaderStorage::new();
    let head = RequestHead::parse(received.get(..len)?, &mut storage, &limits).ok()?;
    expect(head.path() == "/a" && head.authority() == Some("hub.example"))?;

    let mut out = Vec::new();
    Response::new(Status::OK).date(Date::from_unix(0)).write(Body::Bytes(b"hello"), &mut out);
    let len = HeadEnd::new().find(&out, &limits).ok()??;
    let mut storage = HeaderStorage::new();
    let head = ResponseHead::parse(out.get(..len)?, &mut storage, &limits).ok()?;
    expect(head.status() == Status::OK)?;

    let mut coded = Vec::new();
    chunked::encode(b"hello", &mut coded);
    coded.extend_from_slice(chunked::LAST);
    let mut decoder = chunked::Decoder::new(chunked::Limits::DEFAULT);
    let mut input = &coded[..];
    while decoder.next(&mut input).ok()?.is_some() {}
    expect(decoder.is_complete())
}
