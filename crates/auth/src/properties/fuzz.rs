//! The properties as fuzz targets: bytes read as the arguments of each.

use super::{
    credentials_are_pieces, der_is_read_without_a_fault, keys_are_read_without_a_fault,
    signed_tokens_are_read, targets_are_redacted, tickets_are_ours_or_refused,
    tokens_are_ours_or_refused,
};

/// A name, which is also that of a corpus, and what is done to its inputs.
pub type Target = (&'static str, fn(&[u8]));

/// The targets for this crate.
pub const TARGETS: &[Target] = &[("auth_token", auth_token), ("auth_request", auth_request)];

/// What it is, `t` token, `s` header and claims to sign, `k` PEM and JWK, `d` DER; then that, two
/// of them parted by a byte 0xFF.
pub fn auth_token(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    let mut parts = data.splitn(2, |&byte| byte == 0xFF);
    let [first, second] = [(); 2].map(|()| parts.next().unwrap_or_default());
    let text = String::from_utf8_lossy;
    match kind {
        b't' => tokens_are_ours_or_refused(&text(data)),
        b's' => signed_tokens_are_read(first, second),
        b'k' => keys_are_read_without_a_fault(&text(first), &text(second)),
        b'd' => der_is_read_without_a_fault(data),
        _ => {}
    }
}

/// `Authorization`, subprotocols, cookies, origin, query, ticket and cursor, parted by bytes 0xFF.
pub fn auth_request(data: &[u8]) {
    let mut parts = data.splitn(7, |&byte| byte == 0xFF);
    let parts = [(); 7].map(|()| String::from_utf8_lossy(parts.next().unwrap_or_default()));
    let [authorization, protocols, cookie, origin, query, ticket, cursor] = &parts;
    credentials_are_pieces([authorization, protocols, cookie, origin], query);
    targets_are_redacted(query);
    targets_are_redacted(&format!("/v1/sse?{query}"));
    tickets_are_ours_or_refused(ticket, cursor);
}
