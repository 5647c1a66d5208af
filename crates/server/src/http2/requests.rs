//! Complete requests of HTTP/2 become those of HTTP/1.1 for the application.

use sockeye_http::{HeaderLine, Headers, Method, RequestHead, Status};
use sockeye_http2::FieldBuffer;
use sockeye_reactor::Key;

use super::answers::refuse;
use super::refusals;
use crate::app::App;
use crate::serve::{Asked, serve};
use crate::state::Core;

/// The lines that a WebSocket's request has on HTTP/1.1 and not here. With them, and with `Host`, a request
/// looks the same to the application.
const UPGRADE_LINES: [HeaderLine<'static>; 2] = [
    HeaderLine { name: b"upgrade", value: b"websocket" },
    HeaderLine { name: b"connection", value: b"upgrade" },
];

/// Hands a complete request to the application.
pub(super) fn serve_fields<A: App>(
    core: &mut Core,
    app: &mut A,
    branch: Key,
    fields: &FieldBuffer,
    body: &[u8],
) {
    let mut lines = fields.lines();
    let protocol = fields.protocol();
    // [server:http2-refusals]
    if let Some(error) = refusals::broken_rule(fields, &lines, &core.limits) {
        return refusals::refuse_request(
            core,
            app,
            branch,
            error.status(),
            &error.to_string(),
            fields,
        );
    }
    // [server:http2-malformed]
    let Ok(head) = fields.request(&lines) else {
        let of = (fields.is_head(), None);
        return refuse(core, app, branch, Status::BAD_REQUEST, "the target is malformed", of);
    };
    let has_host = head.headers().all("Host").next().is_some();
    let (mut method, target) = (head.method(), head.target().without_scheme());
    match (method, protocol) {
        // [server:http2-web-socket] To the application the request is that of HTTP/1.1. The token is that of
        // `Upgrade`, whose case does not count (RFC 9110 §7.8): gateways pass it on as it came.
        (Method::CONNECT, Some(token)) if token.eq_ignore_ascii_case("websocket") => {
            method = Method::GET;
            lines.extend(UPGRADE_LINES);
        }
        // [rfc8441:unknown-protocol] RFC 9220 §3.
        (Method::CONNECT, _) => {
            let reason = "only WebSockets are opened by CONNECT";
            return refuse(
                core,
                app,
                branch,
                Status::NOT_IMPLEMENTED,
                reason,
                (false, Some(&head)),
            );
        }
        _ => {}
    }
    if let (false, Some(host)) = (has_host, target.authority()) {
        lines.push(HeaderLine { name: b"host", value: host.as_bytes() });
    }
    let head = &RequestHead::new(method, target, Headers::new(&lines));
    let is_connect = protocol.is_some();
    serve(core, app, branch, Asked::Http2 { head, is_connect }, body);
}
