//! HTTP/1.1: requests in, answers out, one at a time.

use sockeye_http::{Method, Status};
use sockeye_http1::{Error, HeaderStorage, Persistence, RequestHead, Response};
use sockeye_http2::Sniffed;
use sockeye_reactor::Key;

use crate::answer::Wording;
use crate::app::App;
use crate::cause::CloseCause;
use crate::connection::{Connection, Phase, Single};
use crate::context::Context;
use crate::http2::input;
use crate::key::StreamKey;
use crate::request::{Bound, Refused};
use crate::request_reader::whole_body;
use crate::responses::{add, content};
use crate::serve::{Asked, serve};
use crate::state::Core;
use crate::stream::Kind;
use crate::websocket;

/// Takes in bytes for the requests on `key`, and answers requests until the connection's share of the
/// turn is used up, or too many bytes wait for the peer.
pub(crate) fn receive<A: App>(core: &mut Core, app: &mut A, key: Key, mut bytes: &[u8]) {
    loop {
        let requests = core.connections.get_mut(key).and_then(Connection::requests);
        let Some((requests, _)) = requests else { return };
        requests.take_in(core::mem::take(&mut bytes), core.now);
        if requests.may_be_http2() && core.http2.is_some() {
            match requests.sniff() {
                // [server:http2-upgrade-ignored] No request changes the version.
                Sniffed::Other => {}
                Sniffed::Undecided => return,
                // [server:http2-prior-knowledge]
                Sniffed::Http2 => {
                    let (mut input, used) = requests.take_input();
                    input::begin(core, key);
                    return input::receive(core, app, key, &mut input[used..]);
                }
            }
        }
        let received = if requests.is_in_head() {
            receive_head(core, app, key)
        } else {
            receive_body(core, app, key)
        };
        if let Err(error) = received {
            return refuse(core, app, key, error.status(), &error.to_string());
        }
        let next = core.connections.get(key).is_some_and(|it| it.may_go_on(&core.limits));
        if core.budget.share_is_spent() || !next {
            return;
        }
    }
}

/// Looks for a head. A request that is complete and in one piece is answered from the input buffer. If
/// the body is chunked or incomplete, the head is kept until the body is there.
fn receive_head<A: App>(core: &mut Core, app: &mut A, key: Key) -> Result<(), Error> {
    let Some(connection) = core.connections.get_mut(key) else { return Ok(()) };
    let Some((requests, outbox)) = connection.requests() else { return Ok(()) };
    let (input, used) = requests.take_input();
    let Some(found) = requests.find_head(&input[used..], &core.limits)? else {
        requests.put_back(input, used);
        return Ok(());
    };
    let (bytes, rest) = input[used..].split_at(found.len());
    let used = used + bytes.len();
    let mut storage = HeaderStorage::new();
    let head = RequestHead::of(found, &mut storage, &core.limits.http)?;
    if let Some(body) = whole_body(head.body(), rest, core.limits.body_bytes_max) {
        let used = used + body.len();
        serve(core, app, key, Asked::Http1(&head), body);
        go_on_with(core, app, key, input, used);
        return Ok(());
    }
    let (out, alone) = (outbox.tail(&mut core.pool), rest.is_empty());
    let expected = requests.expect_body((&head, bytes), alone, (core.now, &core.limits), out);
    requests.put_back(input, used);
    expected.and_then(|()| receive_body(core, app, key))
}

/// Looks for the end of a body whose head was kept.
fn receive_body<A: App>(core: &mut Core, app: &mut A, key: Key) -> Result<(), Error> {
    let Some(connection) = core.connections.get_mut(key) else { return Ok(()) };
    let Some((requests, _)) = connection.requests() else { return Ok(()) };
    let Some(request) = requests.take_body(&core.limits)? else { return Ok(()) };
    let (input, used) = requests.take_input();
    let mut storage = HeaderStorage::new();
    let head = RequestHead::parse(&request.head, &mut storage, &core.limits.http)?;
    serve(core, app, key, Asked::Http1(&head), &request.body);
    go_on_with(core, app, key, input, used);
    Ok(())
}

/// Passes on the bytes behind a request, which took the first `used` bytes of `input`. They go to the
/// next request, or to the stream that the answer opened.
fn go_on_with<A: App>(core: &mut Core, app: &mut A, key: Key, mut input: Vec<u8>, used: usize) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    // [rfc9112:9.6-nothing-after-close]
    let Phase::Single(Single { requests, stream }) = &mut connection.phase else { return };
    let opened = stream.as_ref().map(|of| (&of.kind, StreamKey::new(of.id, key)));
    match (requests, opened) {
        (Some(requests), None) => {
            // The time of the next request begins with its first byte, which may be here.
            requests.go_on(core.now);
            if used < input.len() {
                requests.put_back(input, used);
            }
        }
        (Some(requests), Some((Kind::Held(_), _))) if used < input.len() => {
            requests.put_back(input, used);
        }
        // A client must not send before it has seen the 101 (RFC 6455 §4.1). Frames that it sent
        // nevertheless are taken like later ones.
        (_, Some((Kind::WebSocket(_), stream))) => {
            websocket::receive(core, app, stream, &mut input[used..]);
        }
        (_, Some((Kind::Tunnel(_), stream))) if used < input.len() => {
            app.on_bytes(stream, &input[used..], &mut Context { core });
        }
        (_, Some((Kind::Events(_) | Kind::Held(_) | Kind::Tunnel(_), _)) | None) => {}
    }
}

/// Answers with `status` in the application's words, or else in a fixed text. Then it ends the connection,
/// because the start of a next request is not known. The answer repeats no bytes of the peer.
pub(crate) fn refuse<A: App>(core: &mut Core, app: &mut A, key: Key, status: Status, reason: &str) {
    let requests = core.connections.get_mut(key).and_then(Connection::requests);
    let Some((requests, outbox)) = requests else { return };
    core.stats.refused += 1;
    let mut storage = HeaderStorage::new();
    let head = requests.head();
    let head = head.map(|head| RequestHead::parse(head, &mut storage, &core.limits.http));
    let head = head.and_then(Result::ok);
    let bounded = (status == Status::CONTENT_TOO_LARGE)
        .then(|| format!("the body is over {} bytes", core.limits.body_bytes_max));
    let reason = bounded.as_deref().unwrap_or(reason);
    // [server:refusal-words]
    let bound = bounded.is_some().then_some(Bound::Body);
    let refused = Refused { status, reason, head: head.as_deref(), stream: None, bound };
    let wording = app.refusal(&refused);
    let wording = wording.unwrap_or_else(|| Wording::text(status.reason()));
    let body = content(head.is_some_and(|head| head.method() == Method::HEAD), &wording.body);
    let response = Response::new(status).date(core.date).connection(Persistence::Close);
    add(response, &wording.headers).write(body, outbox.tail(&mut core.pool));
    core.close_gracefully(key, CloseCause::Ended);
}
