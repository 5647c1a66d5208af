//! The opening handshake.

use std::hint::black_box;

use sockeye_handshake::{Origins, Policy, accept_key, decide};
use sockeye_http1::{HeadEnd, HeaderStorage, Limits, RequestHead};

use crate::Group;
use crate::inputs::{SMALL_HEAD, browser_head};

const KEY: &[u8] = b"dGhlIHNhbXBsZSBub25jZQ==";
const POLICY: Policy<'_> = Policy { subprotocols: &[], origins: Origins::Any };

pub(super) fn groups() -> Vec<Group> {
    let key = Group::new("accept key", KEY.len())
        .row("sockeye-handshake", |units| repeat(units, || accept_key(black_box(KEY))))
        .row("tungstenite", |units| {
            use tungstenite::handshake::derive_accept_key;
            repeat(units, || derive_accept_key(black_box(KEY)));
        });
    let browser_head = browser_head("/live/socket?vsn=2.0.0&token=0123456789abcdef").leak();
    vec![key, group("small", SMALL_HEAD), group("browser", browser_head)]
}

fn group(name: &str, head: &'static [u8]) -> Group {
    Group::new(format!("request head, {name}, {} B", head.len()), head.len())
        .row("sockeye-http1", move |units| repeat(units, || parse(black_box(head))))
        .row("sockeye-http1 and the decision", move |units| {
            repeat(units, || upgrade(black_box(head)));
        })
        .row("httparse", move |units| repeat(units, || bare(black_box(head))))
        .row("tungstenite", move |units| repeat(units, || tungstenite(black_box(head))))
}

fn repeat<T>(units: u64, work: impl Fn() -> T) {
    for _ in 0..units {
        black_box(work());
    }
}

/// Finds the end and parses; gives something that depends on the whole.
fn parse(head: &[u8]) -> usize {
    let len = HeadEnd::new().find(head, &Limits::DEFAULT).expect("legal").expect("complete");
    let mut storage = HeaderStorage::new();
    let request = RequestHead::parse(&head[..len], &mut storage, &Limits::DEFAULT).expect("legal");
    black_box(request.path());
    black_box(request.headers()).len()
}

/// The same, then the whole of RFC 6455 §4.2.1 and the accept key.
fn upgrade(head: &[u8]) -> bool {
    let mut storage = HeaderStorage::new();
    let len = HeadEnd::new().find(head, &Limits::DEFAULT).expect("legal").expect("complete");
    let request = RequestHead::parse(&head[..len], &mut storage, &Limits::DEFAULT).expect("legal");
    black_box(decide(&request, &POLICY)).is_ok()
}

fn bare(head: &[u8]) -> usize {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    assert!(request.parse(head).expect("legal").is_complete());
    black_box(request.path);
    black_box(request.headers).len()
}

/// Parses into the `http` crate's types, and answers.
fn tungstenite(head: &[u8]) -> bool {
    use tungstenite::handshake::machine::TryParse;
    use tungstenite::handshake::server::{Request, create_response};
    let (_, request) = Request::try_parse(head).expect("legal").expect("complete");
    black_box(create_response(&request)).is_ok()
}
