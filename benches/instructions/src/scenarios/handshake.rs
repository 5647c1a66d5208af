//! A request head, the decision, the response.

use std::hint::black_box;

use sockeye_handshake::{Extensions, Origins, Policy, decide};
use sockeye_http1::{HeadEnd, HeaderStorage, Limits, RequestHead};

use crate::counting::counted;
use crate::inputs::{browser_head, small_head};

const HANDSHAKES: u64 = 200;
const POLICY: Policy<'_> = Policy { subprotocols: &[], origins: Origins::Any };

pub(super) fn small() -> Vec<u8> {
    small_head("/chat")
}

pub(super) fn browser() -> Vec<u8> {
    browser_head("/live/socket?vsn=2.0.0&token=0123456789abcdef")
}

pub(super) fn complete(head: fn() -> Vec<u8>) -> u64 {
    let (head, mut out) = (head(), Vec::new());
    answer(&head, &mut out);
    counted(|| {
        for _ in 0..HANDSHAKES {
            out.clear();
            answer(black_box(&head), &mut out);
        }
    });
    assert!(out.starts_with(b"HTTP/1.1 101 "));
    HANDSHAKES
}

fn answer(head: &[u8], out: &mut Vec<u8>) {
    let limits = &Limits::DEFAULT;
    let head = HeadEnd::new().find_request(head, limits).expect("legal").expect("complete");
    let mut storage = HeaderStorage::new();
    let request = RequestHead::of(head, &mut storage, limits).expect("legal");
    let accept = decide(&request, &POLICY).expect("it is one");
    accept.write_response(&Extensions::default(), &[], out).expect("nothing is reserved");
}
