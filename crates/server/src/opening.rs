//! The answers that open a stream.

use sockeye_deflate::{EXTENSION_NAME, Params, Session, accept_offer};
use sockeye_handshake::{Extensions, Origins as Allowed, Policy, Reject, decide};
use sockeye_http1::RequestHead;
use sockeye_reactor::Key;
use sockeye_websocket::{Compression, Config, Connection as Protocol, Role};

use crate::answer::{EventStream, Header, Hold, Origins, Upgrade, Wording};
use crate::app::App;
use crate::cause::CloseCause;
use crate::events_head;
use crate::key::StreamKey;
use crate::limits::Limits;
use crate::request::{Opened, Refused};
use crate::state::Core;
use crate::stream::{HeldRequest, Kind, Terms, Tunnel, WebSocketStream};

/// A stream that was opened, and how.
pub(crate) type OpenedStream<'o> = (StreamKey, Opened<'o>);

/// Opens a stream of `kind`, whose first bytes are in the outbox of `key`.
#[inline]
fn open(core: &mut Core, key: Key, kind: Kind) -> Option<StreamKey> {
    let stream = core.begin_stream(key, kind)?;
    core.mark_dirty(key);
    Some(stream)
}

/// Decides an opening handshake, answers it, and opens the stream if it was in order.
pub(crate) fn web_socket<'b, A: App>(
    core: &mut Core,
    app: &mut A,
    key: Key,
    head: &RequestHead<'_, 'b>,
    upgrade: &Upgrade,
) -> Option<OpenedStream<'b>> {
    let accept = match decide_with(upgrade, |policy| decide(head, policy)) {
        Ok(accept) => accept,
        Err(reject) => {
            refuse_upgrade(core, app, key, head, reject);
            return None;
        }
    };
    let connection = core.connections.get_mut(key)?;
    let out = connection.outbox.tail(&mut core.pool);
    let (params, extensions) = negotiate(accept.offers(), upgrade);
    // [server:upgrade-headers]
    let headers = upgrade.headers.iter().filter(|header| !header.is_handshakes());
    let headers: Vec<_> = headers.map(Header::parts).collect();
    accept.write_response(&extensions, &headers, out).expect("offered, and not reserved");
    let (kind, compressed) = web_socket_kind(&core.limits, upgrade, params);
    let opened = Opened::WebSocket { subprotocol: accept.subprotocol(), compressed };
    Some((open(core, key, kind)?, opened))
}

/// The WebSocket that was agreed on, and whether its messages may be compressed.
pub(crate) fn web_socket_kind(
    limits: &Limits,
    upgrade: &Upgrade,
    params: Option<Params>,
) -> (Kind, bool) {
    let compression =
        if params.is_some() { Compression::PerMessageDeflate } else { Compression::Off };
    let mut limits = limits.websocket;
    if let Some(bytes_max) = upgrade.message_bytes_max {
        limits.message_bytes_max = limits.message_bytes_max.min(bytes_max);
    }
    let protocol = Protocol::server(&Config { limits, compression });
    let session = params.map(|params| Box::new(Session::new(Role::Server, params)));
    let kind = Kind::WebSocket(WebSocketStream::new(protocol, session));
    (kind, compression == Compression::PerMessageDeflate)
}

/// Refuses a handshake in the application's words, or else the handshake's own.
fn refuse_upgrade<A: App>(
    core: &mut Core,
    app: &mut A,
    key: Key,
    head: &RequestHead<'_, '_>,
    reject: Reject,
) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    core.stats.refused += 1;
    let (status, reason) = (reject.status(), &*reject.to_string());
    let refused = Refused { status, reason, head: Some(head), stream: None, bound: None };
    let (wording, out) = (app.refusal(&refused), connection.outbox.tail(&mut core.pool));
    match &wording {
        // [server:refusal-words]
        Some(Wording { headers, body }) => {
            let headers: Vec<_> = headers.iter().map(Header::parts).collect();
            reject.write_worded_response(Some(core.date), &headers, body, out);
        }
        None => reject.write_response(Some(core.date), out),
    }
    core.close_gracefully(key, CloseCause::Finished);
}

/// Has the handshake decide by the policy of `upgrade`.
pub(crate) fn decide_with<T>(
    upgrade: &Upgrade,
    decide: impl FnOnce(&Policy<'_>) -> Result<T, Reject>,
) -> Result<T, Reject> {
    let subprotocols = upgrade.subprotocols;
    let list: Vec<&str>;
    let origins = match &upgrade.origins {
        Origins::Any => Allowed::Any,
        Origins::SameHost => Allowed::SameHost,
        Origins::List(origins) => {
            list = origins.iter().map(String::as_str).collect();
            Allowed::List(&list)
        }
    };
    decide(&Policy { subprotocols, origins })
}

/// Takes the first offer of permessage-deflate that suits (RFC 7692 §5.1).
pub(crate) fn negotiate(offers: &Extensions, upgrade: &Upgrade) -> (Option<Params>, Extensions) {
    let Some(config) = &upgrade.compression else { return (None, Extensions::new()) };
    let agreed = offers
        .iter()
        .filter(|offer| offer.name() == EXTENSION_NAME)
        .find_map(|offer| accept_offer(offer.params(), config));
    let Some(params) = agreed else { return (None, Extensions::new()) };
    let mut text = Vec::new();
    params.write_response(&mut text);
    (agreed, Extensions::parse([&*text]).expect("our own answer is well formed"))
}

/// Writes the head of an event stream, and opens the stream unless the request was HEAD.
pub(crate) fn event_stream(
    core: &mut Core,
    key: Key,
    head: &RequestHead<'_, '_>,
    stream: &EventStream,
) -> Option<OpenedStream<'static>> {
    let Terms { is_head, framing, .. } = Terms::of(head);
    events_head::write_on_http1(core, key, framing, (stream, &[]));
    if is_head {
        core.close_gracefully(key, CloseCause::Finished);
        return None;
    }
    let kind = events_head::begin_body(core, key, framing, stream)?;
    Some((open(core, key, kind)?, Opened::EventStream))
}

/// Holds the request that has just come.
pub(crate) fn held(
    core: &mut Core,
    key: Key,
    terms: Terms,
    hold: Hold,
) -> Option<OpenedStream<'static>> {
    let until = core.now + hold.hold_ms.min(core.limits.hold_ms);
    let request = HeldRequest::new(terms, until, hold.headers);
    // Nothing was written yet.
    Some((core.begin_stream(key, Kind::Held(request))?, Opened::Held))
}

/// Hands the connection to the application. The request that has just come is the last that the
/// server understands here. [server:tunnel-verbatim]
pub(crate) fn tunnel(core: &mut Core, key: Key) -> Option<OpenedStream<'static>> {
    let kind = Kind::Tunnel(Tunnel { wrote: core.now });
    Some((open(core, key, kind)?, Opened::Tunnel))
}
