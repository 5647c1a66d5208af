//! The request-target in its four forms (RFC 9112 §3.2).

use sockeye_http::{Method, Target};

/// Takes a request-target apart; `None` if the method does not allow it.
pub(crate) fn parse<'b>(method: Method<'_>, target: &'b str) -> Option<Target<'b>> {
    if method == Method::CONNECT {
        return Target::connect(target);
    }
    if target == "*" {
        // [rfc9112:3.2.4-asterisk-form-options]
        return (method == Method::OPTIONS).then_some(Target::ASTERISK);
    }
    if target.starts_with('/') {
        return Target::origin(target);
    }
    let (scheme, rest) = target.split_once("://")?;
    let (authority, path_and_query) =
        rest.split_at_checked(rest.find(['/', '?']).unwrap_or(rest.len()))?;
    Target::absolute(scheme, authority, path_and_query)
}
