//! A complete request, whichever version of HTTP carried it: the application answers it.

use sockeye_http::{self as http, Method, Status, host};
use sockeye_http1::{Persistence, RequestHead};
use sockeye_reactor::Key;

use crate::answer::{Answer, EventStream, Reply, Wording};
use crate::app::App;
use crate::budget::REQUEST_UNITS;
use crate::context::Context;
use crate::framing::Framing;
use crate::http2::answers;
use crate::listener::Standing;
use crate::opening::OpenedStream;
use crate::request::{Refused, Request};
use crate::state::Core;
use crate::stream::Terms;
use crate::{drain, opening, responses};

/// A request as its version of HTTP has carried it.
#[derive(Clone, Copy)]
pub(crate) enum Asked<'a, 'h, 'b> {
    Http1(&'a RequestHead<'h, 'b>),
    Http2 {
        head: &'a http::RequestHead<'h, 'b>,
        /// It came by CONNECT with `:protocol`.
        is_connect: bool,
    },
}

impl<'a, 'h, 'b> Asked<'a, 'h, 'b> {
    fn head(self) -> &'a http::RequestHead<'h, 'b> {
        match self {
            Self::Http1(head) => head,
            Self::Http2 { head, .. } => head,
        }
    }

    fn terms(self) -> Terms {
        match self {
            Self::Http1(head) => Terms::of(head),
            // A stream ends with its response, and no other request follows on it.
            Self::Http2 { head, .. } => Terms {
                is_head: head.method() == Method::HEAD,
                persistence: Persistence::Persist,
                framing: Framing::Bare,
            },
        }
    }
}

/// Has the application answer a complete request on `key`, and carries the answer out.
pub(crate) fn serve<A: App>(
    core: &mut Core,
    app: &mut A,
    key: Key,
    asked: Asked<'_, '_, '_>,
    body: &[u8],
) {
    let (listener, peer) = core.client(key, asked.head());
    core.budget.spend(REQUEST_UNITS);
    if !core.hosts.is_empty() && is_misdirected(core, key, asked.head()) {
        return misdirect(core, app, key, asked);
    }
    core.stats.requests += 1;
    let request = Request { head: asked.head(), body, peer, listener };
    let answer = app.on_request(&request, &mut Context { core });
    let (opened, pending) = match answer {
        Answer::Reply(reply) => {
            return responses::write_reply(core, key, asked.terms(), &reply, &[]);
        }
        Answer::WebSocket(upgrade, pending) => {
            let opened = match asked {
                Asked::Http1(head) => opening::web_socket(core, app, key, head, &upgrade),
                Asked::Http2 { head, is_connect } => {
                    answers::open_web_socket(core, app, key, (head, is_connect), &upgrade)
                }
            };
            (opened, pending)
        }
        Answer::EventStream(stream, pending) => {
            (open_event_stream(core, key, asked, &stream), pending)
        }
        Answer::Hold(hold, pending) => (opening::held(core, key, asked.terms(), hold), pending),
        Answer::Tunnel(pending) => {
            let opened = match asked {
                Asked::Http1(_) => opening::tunnel(core, key),
                Asked::Http2 { head, .. } => {
                    let reason = "a stream of HTTP/2 carries no other protocol";
                    let of = (head.method() == Method::HEAD, Some(head));
                    answers::refuse(core, app, key, Status::NOT_IMPLEMENTED, reason, of);
                    None
                }
            };
            (opened, pending)
        }
    };
    let Some((stream, opened)) = opened else {
        return app.on_unopened(pending, &mut Context { core });
    };
    app.on_open(stream, pending, &opened, &mut Context { core });
    // A trunk has the deadlines of its requests only. [server:http2-stream-deadlines]
    if matches!(asked, Asked::Http2 { .. }) {
        core.arm(key);
    }
    // A stream that opens during a drain is told at once, by the means of its kind: a browser's
    // EventSource never tries again after a status other than 200.
    if core.draining {
        drain::dismiss(core, app, stream);
    }
}

/// Opens an event stream.
fn open_event_stream(
    core: &mut Core,
    key: Key,
    asked: Asked<'_, '_, '_>,
    stream: &EventStream,
) -> Option<OpenedStream<'static>> {
    match asked {
        Asked::Http1(head) => opening::event_stream(core, key, head, stream),
        Asked::Http2 { .. } => answers::open_event_stream(core, key, asked.terms().is_head, stream),
    }
}

/// Whether the request `head` on `key` is for a host that its connection does not serve. A trusted proxy speaks for all
/// hosts. [rfc9110:7.4-misdirected]
fn is_misdirected(core: &Core, key: Key, head: &http::RequestHead<'_, '_>) -> bool {
    let Some(connection) = core.connections.get(key) else { return false };
    match connection.peer.standing() {
        Standing::Proxy | Standing::Forwarding => return false,
        Standing::Client | Standing::Announcing => {}
    }
    let socket = core.branch(key).map_or(key, |branch| branch.trunk);
    let (hosts, authority) = (core.hosts.of(socket), head.authority());
    hosts.zip(authority).is_some_and(|(hosts, authority)| !hosts.has(host(authority)))
}

/// Answers the request on `key` with 421. The connection goes on with requests for hosts that it serves.
#[cold]
fn misdirect<A: App>(core: &mut Core, app: &mut A, key: Key, asked: Asked<'_, '_, '_>) {
    let status = Status::MISDIRECTED_REQUEST;
    let reason = "the certificate of this connection is not good for that host";
    // [server:refusal-words]
    let refused = Refused { status, reason, head: Some(asked.head()), stream: None, bound: None };
    let wording = app.refusal(&refused);
    let Wording { headers, body } = wording.unwrap_or_else(|| Wording::text(status.reason()));
    responses::write_reply(core, key, asked.terms(), &Reply { status, headers, body }, &[]);
}
