//! The parts of a certificate that its owner needs: names and validity (RFC 5280 §4.1, §4.2.1.6).
//!
//! Verification of peers is the work of rustls. This reader looks at the server's own certificates.

use std::net::IpAddr;

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, constructed: the version of a certificate.
const VERSION: u8 = 0xA0;
/// `[3]`, constructed: the extensions.
const EXTENSIONS: u8 = 0xA3;
/// `[2]`: a dNSName of a subjectAltName.
const DNS_NAME: u8 = 0x82;
/// `[7]`: an iPAddress of a subjectAltName.
const IP_ADDRESS: u8 = 0x87;
/// 2.5.29.17
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1D, 0x11];

/// Names and validity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// DNS names in lower case; the first label may be `*`.
    pub(crate) names: Vec<String>,
    pub(crate) addresses: Vec<IpAddr>,
    /// Seconds since 1970.
    pub(crate) not_before: u64,
    /// Seconds since 1970.
    pub(crate) not_after: u64,
}

/// Elements of DER, one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Elements<'d>(pub(crate) &'d [u8]);

impl<'d> Elements<'d> {
    fn next(&mut self) -> Option<(u8, &'d [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut len = usize::from(first & 0x7F);
        if first & 0x80 != 0 {
            // Four bytes of length are more than any certificate has.
            let digits = rest.get(..len).filter(|digits| (1..=4).contains(&digits.len()))?;
            rest = &rest[len..];
            len = digits.iter().fold(0, |len, digit| len << 8 | usize::from(*digit));
        }
        let content = rest.get(..len)?;
        self.0 = &rest[len..];
        Some((tag, content))
    }

    /// The content of the next element, which has to have this tag.
    pub(crate) fn take(&mut self, wanted: u8) -> Option<Self> {
        let (tag, content) = self.next()?;
        (tag == wanted).then_some(Self(content))
    }

    /// The content of the next element if it has this tag; otherwise it stays.
    fn take_if(&mut self, wanted: u8) -> Option<Self> {
        let mut ahead = *self;
        let content = ahead.take(wanted)?;
        *self = ahead;
        Some(content)
    }
}

/// Reads a certificate; `None` if it is none.
pub(crate) fn facts(der: &[u8]) -> Option<Facts> {
    let mut certificate = Elements(der).take(SEQUENCE)?;
    let mut tbs = certificate.take(SEQUENCE)?;
    let _ = tbs.take_if(VERSION);
    // Serial number, signature's algorithm, issuer.
    for _ in 0..3 {
        tbs.next()?;
    }
    let mut validity = tbs.take(SEQUENCE)?;
    let (not_before, not_after) = (time(validity.next()?)?, time(validity.next()?)?);
    let (mut names, mut addresses) = (Vec::new(), Vec::new());
    while let Some((tag, content)) = tbs.next() {
        if tag == EXTENSIONS {
            (names, addresses) = alt_names(Elements(content))?;
        }
    }
    Some(Facts { names, addresses, not_before, not_after })
}

fn alt_names(mut extensions: Elements<'_>) -> Option<(Vec<String>, Vec<IpAddr>)> {
    let mut all = extensions.take(SEQUENCE)?;
    let (mut names, mut addresses) = (Vec::new(), Vec::new());
    while let Some(mut extension) = all.take_if(SEQUENCE) {
        if extension.take(OID)?.0 != SUBJECT_ALT_NAME {
            continue;
        }
        // A boolean may say that it is critical.
        while let Some((tag, content)) = extension.next() {
            if tag == OCTET_STRING {
                let mut alternatives = Elements(content).take(SEQUENCE)?;
                while let Some((tag, name)) = alternatives.next() {
                    match tag {
                        DNS_NAME => names.push(str::from_utf8(name).ok()?.to_ascii_lowercase()),
                        IP_ADDRESS => addresses.push(address(name)?),
                        _ => {}
                    }
                }
            }
        }
    }
    Some((names, addresses))
}

/// An iPAddress (RFC 5280 §4.2.1.6).
fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

/// Seconds since 1970 of a UTCTime or GeneralizedTime (RFC 5280 §4.1.2.5).
fn time((tag, text): (u8, &[u8])) -> Option<u64> {
    let number = |digits: &[u8]| {
        let text = str::from_utf8(digits).ok().filter(|it| it.bytes().all(|b| b.is_ascii_digit()));
        text?.parse::<u64>().ok()
    };
    let (year, rest) = match tag {
        UTC_TIME => {
            let year = number(text.get(..2)?)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        GENERALIZED_TIME => (number(text.get(..4)?)?, text.get(4..)?),
        _ => return None,
    };
    let (&b'Z', digits) = rest.split_last()? else { return None };
    let parts: Vec<u64> = digits.chunks(2).map(number).collect::<Option<_>>()?;
    let [month @ 1..=12, day @ 1..=31, hour @ 0..=23, minute @ 0..=59, second @ 0..=60] = parts[..]
    else {
        return None;
    };
    // Before 1970 everything has expired.
    let days = days_since_1970(year, month, day).unwrap_or(0);
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days of the Gregorian calendar, in years that begin in March.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::{GENERALIZED_TIME, UTC_TIME, facts, time};

    const GOOD: &[u8] = include_bytes!("../../client/tests/certificates/good.der");

    #[test]
    fn dates_are_seconds() {
        let table: [(u8, &[u8], Option<u64>); 9] = [
            (UTC_TIME, b"700101000000Z", Some(0)),
            (UTC_TIME, b"000301000000Z", Some(951_868_800)),
            (UTC_TIME, b"000229235959Z", Some(951_868_799)),
            (UTC_TIME, b"491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, b"500101000000Z", Some(0)),
            (GENERALIZED_TIME, b"20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, b"99991231235959Z", Some(253_402_300_799)),
            (UTC_TIME, b"7001010000Z", None),
            (UTC_TIME, b"701301000000Z", None),
        ];
        for (tag, text, seconds) in table {
            assert_eq!(time((tag, text)), seconds, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn names_are_read_and_cut_certificates_are_none() {
        let good = facts(GOOD).expect("a certificate");
        assert_eq!(good.names, ["localhost"]);
        assert!(good.not_before < good.not_after);
        for len in 0..GOOD.len() {
            assert_eq!(facts(&GOOD[..len]), None, "{len}");
        }
    }

    /// Whatever the bytes are, nothing panics.
    #[test]
    fn changed_bytes_are_survived() {
        for at in 0..GOOD.len() {
            for byte in [0, 0x30, 0x7F, 0x80, 0x84, 0xFF] {
                let mut changed = GOOD.to_vec();
                changed[at] = byte;
                let _ = facts(&changed);
            }
        }
    }
}
