//! Versions of the protocol (RFC 6455 §4.3, §4.4, §11.6).

use sockeye_http1::ResponseHead;

/// The one version there is a standard for.
pub(crate) const SUPPORTED: u8 = 13;

/// Reads a version: a number from 0 to 255, without leading zeros.
pub(crate) fn parse(text: &[u8]) -> Option<u8> {
    // [rfc6455:4.3-version-grammar]: the standard library would let `+13` and `013` pass.
    match text {
        [] | [b'0', _, ..] => None,
        digits => digits.iter().try_fold(0_u8, |number, digit| {
            let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
            number.checked_mul(10)?.checked_add(digit)
        }),
    }
}

/// The versions of the protocol that a server names when it refuses ours, in its order, over all
/// `Sec-WebSocket-Version` lines of the response. Elements that are no versions are left out.
///
/// A server refuses with 426 and this header (RFC 6455 §4.2.2 permits other statuses). A client
/// that speaks one of the versions may try again with it.
///
/// # RFC
///
/// RFC 6455 §4.4.
pub fn supported_versions<'h>(head: &ResponseHead<'h, '_>) -> impl Iterator<Item = u8> + use<'h> {
    // [rfc6455:4.4-versions-over-lines]
    head.headers().tokens("sec-websocket-version").map(str::as_bytes).filter_map(parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [rfc6455:4.3-version-grammar]
    #[test]
    fn versions_are_numbers_of_one_byte() {
        for version in 0..=u8::MAX {
            assert_eq!(parse(alloc::format!("{version}").as_bytes()), Some(version));
        }
        for text in ["", "013", "00", "+13", "-13", "13 ", "1.3", "256", "999", "0x0d", "13,8"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
