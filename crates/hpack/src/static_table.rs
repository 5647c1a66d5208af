//! The static table (appendix A), and the index of a name in it.

/// The number of entries. Index 62 is the first of the dynamic table.
pub(crate) const LEN: usize = 61;

/// Name and value of the entries with index 1, 2, …
#[rustfmt::skip]
const ENTRIES: [(&str, &str); LEN] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// The buckets of the index.
const BUCKETS: usize = 64;

/// The first entry of each bucket, and the entry behind each entry in its bucket; 0 is none. Of the
/// entries with one name only the first is here. The others follow it in the table.
static INDEX: ([u8; BUCKETS], [u8; LEN + 1]) = index();

/// Returns the entry with this index, if the index is one of the static table.
pub(crate) fn entry(index: usize) -> Option<(&'static [u8], &'static [u8])> {
    let (name, value) = ENTRIES.get(index.checked_sub(1)?)?;
    Some((name.as_bytes(), value.as_bytes()))
}

/// Where a field stands in the static table.
#[derive(Clone, Copy)]
pub(crate) enum Found {
    /// Name and value.
    Field(u8),
    /// The name with another value.
    Name(u8),
    /// Neither.
    Nothing,
}

/// Looks a field up. The case of the name does not matter.
#[expect(clippy::indexing_slicing, reason = "the index holds indices of entries")]
#[expect(clippy::arithmetic_side_effects, reason = "LEN fits a byte")]
pub(crate) const fn find(name: &[u8], value: &[u8]) -> Found {
    let mut at = INDEX.0[bucket(name)];
    while at != 0 {
        let found = ENTRIES[at as usize - 1].0.as_bytes();
        if is_equal_in_lower_case(name, found) {
            return find_value(found, at, value);
        }
        at = INDEX.1[at as usize];
    }
    Found::Nothing
}

/// Looks for the value among the entries with the same name, of which `first` is the first.
#[expect(clippy::indexing_slicing, reason = "compared with LEN")]
#[expect(clippy::arithmetic_side_effects, reason = "LEN fits a byte")]
const fn find_value(name: &[u8], first: u8, value: &[u8]) -> Found {
    let mut at = first;
    while at as usize <= LEN && is_equal(ENTRIES[at as usize - 1].0.as_bytes(), name) {
        if is_equal(ENTRIES[at as usize - 1].1.as_bytes(), value) {
            return Found::Field(at);
        }
        at += 1;
    }
    Found::Name(first)
}

/// Returns the bucket of a name: 52 names lie in 64 buckets, at most two in one.
#[expect(clippy::indexing_slicing, reason = "a name that is not empty has a last byte")]
#[expect(clippy::arithmetic_side_effects, reason = "a length does not fill 64 bits")]
const fn bucket(name: &[u8]) -> usize {
    if name.is_empty() {
        return 0;
    }
    let first = name[0].to_ascii_lowercase() as usize;
    let last = name[name.len() - 1].to_ascii_lowercase() as usize;
    (name.len() % BUCKETS * 22 + first * 7 + last) % BUCKETS
}

#[expect(clippy::indexing_slicing, reason = "buckets and entries are counted")]
#[expect(clippy::arithmetic_side_effects, reason = "LEN fits a byte")]
#[expect(clippy::cast_possible_truncation, reason = "LEN fits a byte")]
const fn index() -> ([u8; BUCKETS], [u8; LEN + 1]) {
    let (mut first, mut next) = ([0; BUCKETS], [0; LEN + 1]);
    let mut at = LEN;
    while at > 0 {
        let name = ENTRIES[at - 1].0.as_bytes();
        let is_first = at == 1 || !is_equal(ENTRIES[at - 2].0.as_bytes(), name);
        if is_first {
            next[at] = first[bucket(name)];
            first[bucket(name)] = at as u8;
        }
        at -= 1;
    }
    (first, next)
}

/// Whether a name is equal to one that is in lower case.
#[expect(clippy::indexing_slicing, reason = "the lengths are equal")]
#[expect(clippy::arithmetic_side_effects, reason = "counts up to a length")]
const fn is_equal_in_lower_case(name: &[u8], lower: &[u8]) -> bool {
    if name.len() != lower.len() {
        return false;
    }
    let mut at = 0;
    while at < name.len() {
        if name[at].to_ascii_lowercase() != lower[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Compares in constants, where `==` cannot.
#[expect(clippy::indexing_slicing, reason = "the lengths are equal")]
#[expect(clippy::arithmetic_side_effects, reason = "counts up to a length")]
const fn is_equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_found() {
        for at in 1..=LEN {
            let (name, value) = entry(at).expect("an entry");
            assert!(matches!(find(name, value), Found::Field(found) if usize::from(found) == at));
            let upper = name.to_ascii_uppercase();
            let Found::Name(first) = find(&upper, b"another value") else {
                panic!("{at} is not found by its name");
            };
            assert_eq!(entry(usize::from(first)).expect("an entry").0, name);
        }
        assert!(entry(0).is_none() && entry(LEN + 1).is_none());
        assert!(matches!(find(b"", b""), Found::Nothing));
        assert!(matches!(find(b"x-other", b""), Found::Nothing));
    }

    #[test]
    fn buckets_are_short() {
        let longest = (0..BUCKETS).map(|bucket| {
            let mut at = INDEX.0[bucket];
            let mut len = 0;
            while at != 0 {
                at = INDEX.1[usize::from(at)];
                len += 1;
            }
            len
        });
        assert!(longest.max() <= Some(2));
    }
}
