//! `Accept-Encoding`: the content codings that a client takes (RFC 9110 §12.5.3).

use crate::Headers;

/// Elements of the header that are looked at; later ones count as missing.
const ELEMENTS_MAX: usize = 64;

/// How much a client wants a response in gzip, and one without a coding.
///
/// # Examples
/// ```
/// use sockeye_http::{AcceptEncoding, HeaderLine, Headers};
/// let lines = [HeaderLine { name: b"Accept-Encoding", value: b"br, gzip;q=0.8" }];
/// assert!(AcceptEncoding::of(Headers::new(&lines)).wants_gzip());
/// assert!(!AcceptEncoding::of(Headers::new(&[])).wants_gzip());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptEncoding {
    gzip: Weight,
    identity: Weight,
}

/// A weight in thousandths (RFC 9110 §12.4.2). Zero is a refusal.
type Weight = u16;

impl AcceptEncoding {
    /// A client that takes no coding.
    pub const IDENTITY: Self = Self { gzip: 0, identity: 1_000 };

    /// Reads the header. A request without it gets no coding: such a client is often too simple for one.
    ///
    /// Elements that are not well formed count as missing.
    #[must_use]
    pub fn of(headers: Headers<'_, '_>) -> Self {
        let (mut gzip, mut identity, mut others) = (None, None, None);
        for element in headers.elements("Accept-Encoding").take(ELEMENTS_MAX) {
            let Some((coding, weight)) = parse(element) else { continue };
            let place = match coding {
                // RFC 9110 §8.4.1.3: a recipient takes both names.
                _ if is(coding, b"gzip") || is(coding, b"x-gzip") => &mut gzip,
                _ if is(coding, b"identity") => &mut identity,
                b"*" => &mut others,
                _ => continue,
            };
            // The most favourable of several elements for one coding counts.
            *place = (*place).max(Some(weight));
        }
        Self {
            // [rfc9110:12.5.3-any-other] `*` is for the codings that are not named.
            gzip: gzip.or(others).unwrap_or(0),
            // [rfc9110:12.5.3-identity] It is taken unless it is refused, also by `*`.
            identity: identity.or_else(|| others.filter(|weight| *weight == 0)).unwrap_or(1),
        }
    }

    /// Whether a response that may be compressed goes in gzip: it is taken, and no less wanted than one
    /// without a coding.
    #[must_use]
    pub const fn wants_gzip(self) -> bool {
        // [rfc9110:12.5.3-weight]
        self.gzip > 0 && self.gzip >= self.identity
    }
}

fn is(coding: &[u8], name: &[u8]) -> bool {
    coding.eq_ignore_ascii_case(name)
}

/// A coding and its weight.
fn parse(element: &[u8]) -> Option<(&[u8], Weight)> {
    let mut parts = element.splitn(2, |byte| *byte == b';');
    let coding = parts.next()?.trim_ascii_end();
    let Some(parameter) = parts.next() else { return Some((coding, 1_000)) };
    let [b'q' | b'Q', b'=', value @ ..] = parameter.trim_ascii() else { return None };
    Some((coding, weight(value)?))
}

/// RFC 9110 §12.4.2: 0 to 1 with up to three digits behind the point.
fn weight(value: &[u8]) -> Option<Weight> {
    let (whole, digits) = match value {
        [whole] | [whole, b'.'] => (whole, &[][..]),
        [whole, b'.', digits @ ..] if digits.len() <= 3 => (whole, digits),
        _ => return None,
    };
    let mut thousandths = match whole {
        b'0' => 0,
        b'1' => 1_000,
        _ => return None,
    };
    for (digit, place) in digits.iter().zip([100, 10, 1]) {
        let digit = char::from(*digit).to_digit(10).and_then(|it| Weight::try_from(it).ok())?;
        thousandths = digit.saturating_mul(place).saturating_add(thousandths);
    }
    (thousandths <= 1_000).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HeaderLine;

    /// Of one line for each value.
    fn of(values: &[&str]) -> AcceptEncoding {
        let lines: alloc::vec::Vec<_> = values
            .iter()
            .map(|value| HeaderLine { name: b"accept-encoding", value: value.as_bytes() })
            .collect();
        AcceptEncoding::of(Headers::new(&lines))
    }

    /// [rfc9110:12.5.3-weight] [rfc9110:12.5.3-any-other] [rfc9110:12.5.3-identity]
    #[test]
    fn gzip_is_wanted_where_it_is_taken_and_no_less_wanted() {
        for value in [
            "gzip",
            "GZip",
            "x-gzip",
            "gzip, deflate, br, zstd",
            "br;q=1, gzip;q=0.001",
            "*",
            "gzip;q=1.000",
            "gzip ; Q=0.5",
            "identity;q=0.5, gzip;q=0.5",
            "identity;q=0, gzip;q=0.1",
            "br;q=0, *;q=0.3",
            "gzip;q=0, x-gzip",
            ",,gzip,",
            "deflate, gzip;q=1.0, *;q=0.5",
            "identity;q=0, *",
        ] {
            assert!(of(&[value]).wants_gzip(), "{value}");
        }
        for value in [
            "",
            "identity",
            "br",
            "gzip;q=0",
            "gzip;q=0.000",
            "gzip;q=0, *",
            "*;q=0",
            "gzipped",
            "identity, gzip;q=0.9",
            "gzip;q=2",
            "gzip;q=0.0001",
            "gzip;q=1.001",
            "gzip;q=-1",
            "gzip;level=9",
            "gzip;q",
            "gzip;",
            "gzip gzip",
            "\"gzip\"",
            "gzip;q=.5",
            "gzip;q=0.a",
        ] {
            assert!(!of(&[value]).wants_gzip(), "{value}");
        }
        assert!(of(&["br", "gzip"]).wants_gzip(), "several lines are one list");
    }

    #[test]
    fn a_long_list_is_read_up_to_its_bound() {
        let long = "br,".repeat(ELEMENTS_MAX);
        assert!(!of(&[&(long.clone() + "gzip")]).wants_gzip());
        assert!(of(&[&alloc::format!("{}gzip", &long[3..])]).wants_gzip());
    }
}
