//! Removes credentials from a target before it is logged.

use std::borrow::Cow;

/// Parameters whose value is a secret.
const SECRETS: [&str; 5] = ["ticket", "token", "access_token", "api_key", "apikey"];
/// Parameters whose value has a proof behind its `~`.
const CURSORS: [&str; 3] = ["cursor", "last_event_id", "lastEventId"];

/// A request's target, or a text that contains one, without its secrets: `/v1/sse?ticket=…`.
///
/// Other places of secrets (`Authorization`, `Cookie`, `Sec-WebSocket-Protocol`, `Last-Event-ID`)
/// do not belong in logs at all. `query_token` is that of [`Taken`](crate::Taken).
pub fn redacted<'a>(target: &'a str, query_token: Option<&str>) -> Cow<'a, str> {
    let Some((path, query)) = target.split_once('?') else { return Cow::Borrowed(target) };
    let mut out = String::with_capacity(target.len());
    out.push_str(path);
    let mut before = '?';
    for pair in query.split('&') {
        out.push(before);
        before = '&';
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // [auth:redaction]
        let is = |other: &&str| name.eq_ignore_ascii_case(other);
        if SECRETS.iter().any(is) || query_token.iter().any(is) || name.contains('%') {
            out.push_str(name.split('%').next().unwrap_or_default());
            out.push_str("=…");
        } else if CURSORS.iter().any(is) {
            let shown = value.split(['~', '%']).next().unwrap_or_default();
            let rest = if shown.len() == value.len() { "" } else { "…" };
            out.extend([name, "=", shown, rest]);
        } else {
            out.push_str(pair);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [auth:redaction]
    #[test]
    fn secrets_of_a_target_are_not_shown() {
        let shown = [
            ("/v1/sse", "/v1/sse"),
            ("/v1/sse?channel=a&channel=b:c", "/v1/sse?channel=a&channel=b:c"),
            ("/v1/sse?ticket=SECRET&channel=a", "/v1/sse?ticket=…&channel=a"),
            ("/v1/sse?channel=a&Access_Token=SECRET=SECRET", "/v1/sse?channel=a&Access_Token=…"),
            ("/v1/sse?%74icket=SECRET", "/v1/sse?=…"),
            ("/v1/sse?auth=SECRET&token", "/v1/sse?auth=…&token=…"),
            ("/v1/poll?cursor=1a-b", "/v1/poll?cursor=1a-b"),
            ("/v1/poll?cursor=1a-b~SECRET~SECRET", "/v1/poll?cursor=1a-b…"),
            ("/v1/poll?lastEventId=1a-b%7eSECRET", "/v1/poll?lastEventId=1a-b…"),
            ("/a?b?ticket=x&ticket=SECRET", "/a?b?ticket=x&ticket=…"),
            ("?", "?"),
        ];
        for (target, wanted) in shown {
            assert_eq!(redacted(target, Some("auth")), wanted);
        }
    }
}
