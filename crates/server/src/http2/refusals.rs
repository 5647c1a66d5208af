//! Requests that are refused below the application, as HTTP/1.1 refuses them. [server:http2-refusals]

use sockeye_http::{HeaderLine, Headers, Status};
use sockeye_http1::Error;
use sockeye_http2::FieldBuffer;
use sockeye_reactor::Key;

use super::answers::refuse;
use crate::app::App;
use crate::limits::Limits;
use crate::state::Core;
use crate::trunk::Branch;

/// The rule of both versions that a head breaks.
pub(super) fn broken_rule(
    fields: &FieldBuffer,
    lines: &[HeaderLine<'_>],
    limits: &Limits,
) -> Option<Error> {
    // [rfc9112:3-target-too-long]
    if fields.target_is_over(limits.http.target_bytes_max) {
        return Some(Error::TargetTooLong);
    }
    // [rfc9110:10.1.1-unknown-expectation]
    let mut expectations = Headers::new(lines).elements("Expect");
    let is_known = expectations.all(|it| it.eq_ignore_ascii_case(b"100-continue"));
    (!is_known).then_some(Error::Expectation)
}

/// Refuses a request whose head is complete: the application can tell whose it is.
pub(super) fn refuse_request<A: App>(
    core: &mut Core,
    app: &mut A,
    branch: Key,
    status: Status,
    reason: &str,
    fields: &FieldBuffer,
) {
    let lines = fields.lines();
    let head = fields.request(&lines).ok();
    // [rfc9110:9.3.2-head-like-get] An answer with content would be malformed (RFC 9113 §8.1.1).
    refuse(core, app, branch, status, reason, (fields.is_head(), head.as_ref()));
}

/// Refuses a head that is over its bounds. Some of its fields are missing.
pub(super) fn too_large<A: App>(core: &mut Core, app: &mut A, branch: Key, fields: &FieldBuffer) {
    let of = (fields.is_head(), None);
    if fields.target_is_over(core.limits.http.target_bytes_max) {
        let error = Error::TargetTooLong;
        return refuse(core, app, branch, error.status(), &error.to_string(), of);
    }
    let Some(Branch { trunk, .. }) = core.branch(branch) else { return };
    // The bounds of the connection, which are older than those of a reload.
    let Some(bounds) = core.trunk(trunk).map(|it| it.protocol.limits().fields) else { return };
    let reason =
        format!("the head is over {} bytes or {} fields", bounds.list_bytes_max, bounds.fields_max);
    let status = Status::REQUEST_HEADER_FIELDS_TOO_LARGE;
    refuse(core, app, branch, status, &reason, of);
}

/// Refuses a request for the length of its content.
pub(super) fn content_too_large<A: App>(
    core: &mut Core,
    app: &mut A,
    branch: Key,
    fields: &FieldBuffer,
) {
    let reason = format!("the body is over {} bytes", core.limits.body_bytes_max);
    refuse_request(core, app, branch, Status::CONTENT_TOO_LARGE, &reason, fields);
}

/// The content of the request on `branch` did not come in time.
pub(crate) fn content_is_late<A: App>(core: &mut Core, app: &mut A, branch: Key) {
    let Some(content) = core.take_content(branch) else { return };
    let reason = "the body did not come in time";
    refuse_request(core, app, branch, Status::REQUEST_TIMEOUT, reason, &content.fields);
}
