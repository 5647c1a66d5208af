//! The answers on a branch that open a stream, and refusals.

use sockeye_handshake::{Reject, Terms as Agreed, decide_connect};
use sockeye_http::{HeaderName, HeaderValue, Method, RequestHead, Status};
use sockeye_http2::{EndStream, FieldBlock};
use sockeye_reactor::Key;

use crate::answer::{EventStream, Reply, Upgrade, Wording};
use crate::app::App;
use crate::branches::{add, answer, send_head, send_whole};
use crate::events_head;
use crate::framing::Framing;
use crate::opening::{self, OpenedStream};
use crate::request::{Bound, Opened, Refused};
use crate::state::Core;

const SUPPORTED: (HeaderName<'static>, HeaderValue<'static>) =
    (HeaderName::from_static("Sec-WebSocket-Version"), HeaderValue::from_static("13"));

/// Answers the branch `key` with `status` in the application's words, or else in a fixed text.
pub(crate) fn refuse<A: App>(
    core: &mut Core,
    app: &mut A,
    key: Key,
    status: Status,
    reason: &str,
    (is_head, head): (bool, Option<&RequestHead<'_, '_>>),
) {
    // [server:refusal-words]
    let bound = match status {
        Status::CONTENT_TOO_LARGE => Some(Bound::Body),
        Status::REQUEST_HEADER_FIELDS_TOO_LARGE => Some(Bound::Http2Fields),
        _ => None,
    };
    let wording = app.refusal(&Refused { status, reason, head, stream: None, bound });
    let Wording { headers, body } = wording.unwrap_or_else(|| Wording::text(status.reason()));
    answer(core, key, is_head, &Reply { status, headers, body }, &[]);
}

/// Decides an opening handshake by CONNECT (RFC 8441), answers it, and opens the stream if it was in
/// order. A request without CONNECT opens none.
pub(crate) fn open_web_socket<'b, A: App>(
    core: &mut Core,
    app: &mut A,
    key: Key,
    (head, is_connect): (&RequestHead<'_, 'b>, bool),
    upgrade: &Upgrade,
) -> Option<OpenedStream<'b>> {
    let decided = match is_connect {
        true => opening::decide_with(upgrade, |policy| decide_connect(head, policy)),
        false => Err(Reject::Upgrade),
    };
    let agreed = match decided {
        Ok(agreed) => agreed,
        Err(reject) => {
            refuse_upgrade(core, app, key, head, reject);
            return None;
        }
    };
    let (params, extensions) = opening::negotiate(agreed.offers(), upgrade);
    let mut fields = FieldBlock::new().date(core.date);
    let subprotocol = agreed.subprotocol().and_then(|it| HeaderValue::new(it).ok());
    if let Some(subprotocol) = subprotocol {
        fields = fields.field(Agreed::PROTOCOL, subprotocol);
    }
    if !extensions.is_empty()
        && let Ok(extensions) = HeaderValue::new(extensions.as_str())
    {
        fields = fields.field(Agreed::EXTENSIONS, extensions);
    }
    // [server:upgrade-headers]
    fields = add(fields, upgrade.headers.iter().filter(|header| !header.is_handshakes()));
    // [server:http2-web-socket]
    send_head(core, key, Status::OK, &fields, EndStream::No);
    let (kind, compressed) = opening::web_socket_kind(&core.limits, upgrade, params);
    let opened = Opened::WebSocket { subprotocol: agreed.subprotocol(), compressed };
    Some((core.begin_stream(key, kind)?, opened))
}

/// Refuses a handshake in the application's words, or else in the handshake's own. A status that asks for
/// `Upgrade` has no meaning here.
fn refuse_upgrade<A: App>(
    core: &mut Core,
    app: &mut A,
    key: Key,
    head: &RequestHead<'_, '_>,
    reject: Reject,
) {
    let status = match reject.status() {
        Status::UPGRADE_REQUIRED => Status::BAD_REQUEST,
        status => status,
    };
    let reason = match reject {
        Reject::Upgrade => "a WebSocket is opened by CONNECT here",
        _ => &*reject.to_string(),
    };
    let refused = Refused { status, reason, head: Some(head), stream: None, bound: None };
    let wording = app.refusal(&refused);
    let Wording { headers, body } = wording.unwrap_or_else(|| Wording {
        body: reason.to_owned().into_bytes().into(),
        ..Wording::text("")
    });
    core.stats.refused += 1;
    let mut fields = add(FieldBlock::new().date(core.date), &headers);
    if reject == Reject::VersionUnsupported {
        fields = fields.field(SUPPORTED.0, SUPPORTED.1);
    }
    fields = fields.content_length(body.len() as u64);
    let is_head = head.method() == Method::HEAD;
    send_whole(core, key, (status, &fields), if is_head { &[] } else { &body });
}

/// Sends the head of an event stream, and opens the stream unless the request was HEAD.
pub(crate) fn open_event_stream(
    core: &mut Core,
    key: Key,
    is_head: bool,
    stream: &EventStream,
) -> Option<OpenedStream<'static>> {
    if is_head {
        let fields = add(FieldBlock::new().date(core.date), events_head::headers(stream));
        send_whole(core, key, (Status::OK, &fields), &[]);
        return None;
    }
    events_head::send_on_http2(core, key, (stream, &[]));
    let kind = events_head::begin_body(core, key, Framing::Bare, stream)?;
    Some((core.begin_stream(key, kind)?, Opened::EventStream))
}
