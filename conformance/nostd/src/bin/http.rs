//! sockeye-http with a bump allocator.
#![no_std]
#![no_main]

extern crate alloc;

use core::hint::black_box;

use sockeye_http::{HeaderLine, Headers, Method, QueryPairs, RequestHead, Status, Target};
use sockeye_nostd::{expect, program};
use static_alloc::Bump;

#[global_allocator]
static HEAP: Bump<[u8; 1 << 12]> = Bump::uninit();

program!(run);

fn run() -> Option<()> {
    let lines = [HeaderLine { name: b"Accept", value: black_box(b"a, \"b, c\" ,d") }];
    let target = Target::origin(black_box("/a?b=c%20d"))?.with_host(Some("hub.example"));
    let head = RequestHead::new(Method::from_bytes(b"GET")?, target, Headers::new(&lines));
    expect(head.path() == "/a" && head.authority() == Some("hub.example"))?;
    expect(head.headers().elements("accept").count() == 3)?;
    let (name, value) = QueryPairs::new(head.query()?).next()?;
    expect(name == "b" && value == "c d" && Status::OK.reason() == "OK")
}
