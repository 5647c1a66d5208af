//! Choosing cases by their ids.

/// Whether a pattern fits an id. A pattern without `*` is a prefix; each `*` stands for any characters.
#[must_use]
pub fn matches(pattern: &str, id: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return id.starts_with(pattern) };
    let Some(mut left) = id.strip_prefix(head) else { return false };
    let parts: Vec<&str> = rest.split('*').collect();
    let (last, middle) = parts.split_last().expect("a split has at least one part");
    for part in middle {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        assert!(matches("close/", "close/code-1000"));
        assert!(matches("*/code-*", "close/code-1000"));
        assert!(matches("close/*-1000", "close/code-1000"));
        assert!(!matches("close/*-1000", "close/code-1000-late"));
        assert!(!matches("code", "close/code-1000"));
    }
}
