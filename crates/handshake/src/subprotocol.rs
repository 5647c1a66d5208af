//! The subprotocols that a client offers (RFC 6455 §4.1 (10), §4.2.2 (5), §11.3.4).

use alloc::vec::Vec;
use sockeye_http::grammar::token;

/// The subprotocols that one request may offer. They are compared pairwise.
pub(crate) const SUBPROTOCOLS_MAX: usize = 32;

/// The subprotocols among the list elements of all `Sec-WebSocket-Protocol` lines, in order:
/// tokens, no two the same, no empty element. Nothing if these rules are broken or there are too
/// many.
pub(crate) fn parse<'b>(elements: impl Iterator<Item = &'b [u8]>) -> Option<Vec<&'b str>> {
    let mut offered = Vec::new();
    for element in elements {
        // [rfc6455:4.1-subprotocol-token]: an empty element is no token.
        let name = token(element)?;
        // [rfc6455:4.1-subprotocol-unique]
        if offered.contains(&name) || offered.len() == SUBPROTOCOLS_MAX {
            return None;
        }
        offered.push(name);
    }
    Some(offered)
}

/// The first of `supported` that is among `offered`.
pub(crate) fn choose<'b>(offered: &[&'b str], supported: &[&str]) -> Option<&'b str> {
    // [rfc6455:4.2.2-subprotocol-offered]: case matters, and what was not offered is not chosen.
    supported.iter().find_map(|&one| offered.iter().copied().find(|&name| name == one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn parsed<'b>(elements: &[&'b str]) -> Option<Vec<&'b str>> {
        parse(elements.iter().map(|element| element.as_bytes()))
    }

    /// [rfc6455:4.1-subprotocol-token], [rfc6455:4.1-subprotocol-unique]
    #[test]
    fn offers_are_unique_tokens() {
        assert_eq!(parsed(&[]), Some([].into()));
        assert_eq!(parsed(&["chat", "superchat"]), Some(["chat", "superchat"].into()));
        assert_eq!(parsed(&["a", "A"]), Some(["a", "A"].into()));
        let refused: [&[&str]; 7] =
            [&[""], &["a", ""], &["", "a"], &["a", "a"], &["a", "b", "a"], &["a b"], &["\"a\""]];
        for elements in refused {
            assert_eq!(parsed(elements), None, "{elements:?}");
        }
    }

    #[test]
    fn the_count_is_bounded() {
        let names: Vec<_> = (0..=SUBPROTOCOLS_MAX).map(|n| format!("p{n}")).collect();
        let names: Vec<&str> = names.iter().map(|name| &**name).collect();
        assert!(parsed(&names[1..]).is_some());
        assert_eq!(parsed(&names), None);
    }

    /// [rfc6455:4.2.2-subprotocol-offered]
    #[test]
    fn the_servers_order_decides() {
        assert_eq!(choose(&["a", "b", "c"], &["c", "b"]), Some("c"));
        assert_eq!(choose(&["a", "b"], &["c", "b"]), Some("b"));
        assert_eq!(choose(&["a"], &["A"]), None);
        assert_eq!(choose(&[], &["a"]), None);
        assert_eq!(choose(&["a"], &[]), None);
    }
}
