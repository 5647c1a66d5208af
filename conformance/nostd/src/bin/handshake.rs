//! sockeye-handshake with a bump allocator.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::hint::black_box;

use sockeye_handshake::{Challenge, ClientRequest, Extensions, Origins, Policy, decide};
use sockeye_http1::{HeaderStorage, Limits, RequestHead, ResponseHead};
use sockeye_nostd::{expect, program};
use static_alloc::Bump;

#[global_allocator]
static HEAP: Bump<[u8; 1 << 16]> = Bump::uninit();

program!(run);

fn run() -> Option<()> {
    let challenge = Challenge::new(black_box(*b"the sample nonce"));
    let ask = ClientRequest { subprotocols: &["chat"], ..ClientRequest::new("example.com", "/") };
    let mut request = Vec::new();
    challenge.write_request(&ask, &mut request).ok()?;

    let mut storage = HeaderStorage::new();
    let head = RequestHead::parse(&request, &mut storage, &Limits::DEFAULT).ok()?;
    let policy = Policy { subprotocols: &["chat"], origins: Origins::SameHost };
    let mut response = Vec::new();
    decide(&head, &policy).ok()?.write_response(&Extensions::new(), &[], &mut response).ok()?;

    let mut storage = HeaderStorage::new();
    let head = ResponseHead::parse(&response, &mut storage, &Limits::DEFAULT).ok()?;
    let accepted = challenge.verify(&head, &ask).ok()?;
    expect(accepted.subprotocol == Some("chat"))
}
