//! Channel names, and patterns over them.

use core::fmt;

/// Longest name or pattern, in bytes.
const BYTES_MAX: usize = 200;

/// Most segments of a pattern, not counting a last `>`.
pub(crate) const PATTERN_SEGMENTS_MAX: usize = 16;

/// Most `*` in a pattern. With the number of segments it bounds the nodes that the pattern tree
/// visits for a name.
const PATTERN_STARS_MAX: usize = 3;

/// The name of a channel: 1 to 200 bytes of `[A-Za-z0-9_.:~@/-]`, in segments that `:` separates.
///
/// No segment is empty. The first segment is the namespace, whose [`Settings`](crate::Settings)
/// apply. Names that begin with `$` are [reserved](Self::reserved) for the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelName<'a>(&'a str);

impl<'a> ChannelName<'a> {
    /// Checks a name that clients may use.
    ///
    /// # Errors
    /// [`NameError`] says what is wrong with it.
    pub fn new(name: &'a str) -> Result<Self, NameError> {
        check(name)?;
        Ok(Self(name))
    }

    /// Checks a reserved name, for example `$presence:room:7`: `$`, then a name as for clients.
    ///
    /// # Errors
    /// [`NameError`] says what is wrong with it.
    pub fn reserved(name: &'a str) -> Result<Self, NameError> {
        if name.len() > BYTES_MAX {
            return Err(NameError::TooLong);
        }
        let rest = name.strip_prefix('$').ok_or_else(|| not_allowed(name))?;
        Self::new(rest).map(|_| Self(name)).map_err(|error| error.further(1))
    }

    /// The name.
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The first segment.
    pub fn namespace(self) -> &'a str {
        namespace(self.0)
    }
}

/// A pattern over channel names: `*` stands for exactly one segment, a last `>` for one or more.
///
/// A wildcard is a whole segment. No wildcard matches a first segment that begins with `$`. A
/// pattern has at most 16 segments before a last `>`, and at most 3 of them are `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern<'a>(&'a str);

impl<'a> Pattern<'a> {
    /// Checks a pattern, which has at least one wildcard.
    ///
    /// # Errors
    /// [`NameError`] says what is wrong with it.
    pub fn new(pattern: &'a str) -> Result<Self, NameError> {
        let front = pattern.strip_suffix(":>").or_else(|| (pattern == ">").then_some("*"));
        check_segments(front.unwrap_or(pattern))?;
        if pattern.len() > BYTES_MAX {
            return Err(NameError::TooLong);
        }
        let wild = front.is_some() || pattern.split(':').any(|segment| segment == "*");
        if !wild {
            return Err(NameError::NoWildcard);
        }
        // [hub:pattern-shape]
        let before_rest = pattern.strip_suffix('>').unwrap_or(pattern).split_terminator(':');
        if before_rest.clone().count() > PATTERN_SEGMENTS_MAX {
            return Err(NameError::ManySegments);
        }
        if before_rest.filter(|segment| *segment == "*").count() > PATTERN_STARS_MAX {
            return Err(NameError::ManyStars);
        }
        Ok(Self(pattern))
    }

    /// The pattern.
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The namespace of all channels that it matches; `None` if the first segment is a wildcard.
    pub fn namespace(self) -> Option<&'a str> {
        Some(namespace(self.0)).filter(|first| !matches!(*first, "*" | ">"))
    }

    /// Whether it matches a channel.
    pub fn matches(self, channel: ChannelName<'_>) -> bool {
        matches(self.0, channel.0)
    }
}

/// The target of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target<'a> {
    /// One channel.
    Channel(ChannelName<'a>),
    /// All channels that match, also future ones.
    Pattern(Pattern<'a>),
}

impl<'a> Target<'a> {
    /// Checks a text: as a pattern if it has a wildcard, else as a channel name.
    ///
    /// # Errors
    /// [`NameError`] says what is wrong with it.
    pub fn new(text: &'a str) -> Result<Self, NameError> {
        match Pattern::new(text) {
            Ok(pattern) => Ok(Self::Pattern(pattern)),
            Err(NameError::NoWildcard) => ChannelName::new(text).map(Self::Channel),
            Err(error) => Err(error),
        }
    }

    /// The name or the pattern.
    pub const fn as_str(self) -> &'a str {
        match self {
            Self::Channel(name) => name.as_str(),
            Self::Pattern(pattern) => pattern.as_str(),
        }
    }
}

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// An empty segment, or an empty name.
    EmptySegment,
    /// More than 200 bytes.
    TooLong,
    /// A character that names may not have, a wildcard that is not a whole segment, or a reserved `$`.
    NotAllowed {
        /// The first one.
        found: char,
        /// The bytes before it.
        at: usize,
    },
    /// A pattern without a wildcard.
    NoWildcard,
    /// A pattern with more than 16 segments before a last `>`.
    ManySegments,
    /// A pattern with more than three `*`.
    ManyStars,
}

impl NameError {
    /// The same error in a text that has so many bytes more at its beginning.
    fn further(self, bytes: usize) -> Self {
        match self {
            Self::NotAllowed { found, at } => Self::NotAllowed { found, at: at + bytes },
            Self::EmptySegment
            | Self::TooLong
            | Self::NoWildcard
            | Self::ManySegments
            | Self::ManyStars => self,
        }
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptySegment => "a segment is empty (: stands between two segments)",
            Self::TooLong => "it is longer than 200 bytes",
            Self::NotAllowed { found, at } => {
                let byte = at + 1;
                return write!(f, "{found:?} at byte {byte} is not allowed (allowed: {ALLOWED})");
            }
            Self::NoWildcard => "a pattern needs a wildcard, * or >",
            Self::ManySegments => "a pattern has at most 16 segments before a last >",
            Self::ManyStars => "a pattern has at most three *",
        })
    }
}

impl core::error::Error for NameError {}

pub(crate) fn namespace(name: &str) -> &str {
    name.bytes().position(|byte| byte == b':').map_or(name, |end| &name[..end])
}

/// Whether a valid pattern matches a valid name.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    // [hub:reserved-names]
    if name.starts_with('$') {
        return false;
    }
    let (mut pattern, mut name) = (pattern.split(':'), name.split(':'));
    loop {
        match (pattern.next(), name.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(wanted), Some(segment)) if wanted == segment => {}
            (Some(_) | None, _) => return false,
        }
    }
}

/// Checks a name in one pass. Every publication's name is checked here.
fn check(name: &str) -> Result<(), NameError> {
    if name.len() > BYTES_MAX {
        return Err(NameError::TooLong);
    }
    let mut before = b':';
    for byte in name.bytes() {
        match byte {
            b':' if before == b':' => return Err(NameError::EmptySegment),
            b':' => {}
            byte if !PLAIN[usize::from(byte)] => return Err(not_allowed(name)),
            _ => {}
        }
        before = byte;
    }
    if before == b':' { Err(NameError::EmptySegment) } else { Ok(()) }
}

/// Names the first character that a bad name may not have.
#[cold]
fn not_allowed(name: &str) -> NameError {
    let is_plain = |it: char| u8::try_from(it).is_ok_and(|byte| PLAIN[usize::from(byte)]);
    let found = name.char_indices().find(|(_, it)| *it != ':' && !is_plain(*it));
    let (at, found) = found.or_else(|| name.char_indices().next()).unwrap_or((0, '$'));
    NameError::NotAllowed { found, at }
}

/// Checks a pattern without its last `>`: as a name in which `*` may be a segment.
fn check_segments(pattern: &str) -> Result<(), NameError> {
    if pattern.len() > BYTES_MAX {
        return Err(NameError::TooLong);
    }
    let mut before = 0;
    pattern.split(':').try_for_each(|segment| {
        if segment != "*" {
            check(segment).map_err(|error| error.further(before))?;
        }
        before += segment.len() + 1;
        Ok(())
    })
}

/// The characters of names, for people.
const ALLOWED: &str = "A-Z a-z 0-9 _ . : ~ @ / -";

/// The bytes that segments may have.
const PLAIN: [bool; 256] = {
    let plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.~@/-";
    let (mut bytes, mut at) = ([false; 256], 0);
    while at < plain.len() {
        bytes[plain[at] as usize] = true;
        at += 1;
    }
    bytes
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let long = "a".repeat(200);
        for good in ["a", "chat:room-7", "~u@x.y/z_:0", &long] {
            assert_eq!(ChannelName::new(good).map(ChannelName::as_str), Ok(good));
        }
        assert_eq!(ChannelName::new(&format!("{long}a")), Err(NameError::TooLong));
        for empty in ["", ":", "a:", ":a", "a::b"] {
            assert_eq!(ChannelName::new(empty), Err(NameError::EmptySegment), "{empty}");
        }
        for (bad, found, at) in [
            ("a b c", ' ', 1),
            ("ä", 'ä', 0),
            ("*", '*', 0),
            ("a:>", '>', 2),
            ("$x", '$', 0),
            ("aä\0", 'ä', 1),
            ("a:b\0", '\0', 3),
            ("a,b", ',', 1),
            ("a:b*", '*', 3),
        ] {
            assert_eq!(ChannelName::new(bad), Err(NameError::NotAllowed { found, at }), "{bad}");
        }
        let told = NameError::NotAllowed { found: ' ', at: 1 }.to_string();
        assert_eq!(told, "' ' at byte 2 is not allowed (allowed: A-Z a-z 0-9 _ . : ~ @ / -)");
        for char in (0..=0xFF).map(char::from).filter(|char| *char != ':') {
            let plain = char.is_ascii_alphanumeric() || "_.~@/-".contains(char);
            assert_eq!(ChannelName::new(&char.to_string()).is_ok(), plain, "{char:?}");
        }
        assert_eq!(ChannelName::new("chat:7").map(ChannelName::namespace), Ok("chat"));
        assert_eq!(ChannelName::new("chat").map(ChannelName::namespace), Ok("chat"));
    }

    #[test]
    fn reserved_names() {
        assert!(ChannelName::reserved("$meta:a").is_ok());
        assert!(ChannelName::reserved(&format!("${}", "a".repeat(199))).is_ok());
        assert_eq!(
            ChannelName::reserved(&format!("${}", "a".repeat(200))),
            Err(NameError::TooLong)
        );
        let not_allowed = |found, at| Err(NameError::NotAllowed { found, at });
        assert_eq!(ChannelName::reserved("meta"), not_allowed('m', 0));
        assert_eq!(ChannelName::reserved("$$a"), not_allowed('$', 1));
        assert_eq!(ChannelName::reserved("$"), Err(NameError::EmptySegment));
    }

    #[test]
    fn patterns() {
        for good in [">", "*", "a:*", "*:b", "a:*:c:>", "a:>"] {
            assert_eq!(Pattern::new(good).map(Pattern::as_str), Ok(good));
        }
        for bad in ["a*", "a:b>", ">:a", "a:>:b", "$a:*", "**", ">>", "*:b>:*:>"] {
            let at = bad.trim_start_matches("*:").find(['*', '>', '$']).expect("one of them");
            let at = if bad.starts_with("*:") { at + 2 } else { at };
            let found = char::from(bad.as_bytes()[at]);
            assert_eq!(Pattern::new(bad), Err(NameError::NotAllowed { found, at }), "{bad}");
        }
        assert_eq!(Pattern::new("a:b"), Err(NameError::NoWildcard));
        assert_eq!(Pattern::new(":>"), Err(NameError::EmptySegment));
        assert_eq!(Pattern::new(&format!("{}:>", "a".repeat(199))), Err(NameError::TooLong));
        assert_eq!(Pattern::new("a:*").map(Pattern::namespace), Ok(Some("a")));
        assert_eq!(Pattern::new("*:a").map(Pattern::namespace), Ok(None));
        assert_eq!(Pattern::new(">").map(Pattern::namespace), Ok(None));
    }

    /// [hub:pattern-shape]
    #[test]
    fn patterns_have_few_segments_and_stars() {
        let deep = "a:".repeat(15);
        for good in ["*:*:*", "*:*:*:>", &format!("{deep}*"), &format!("{deep}*:>")] {
            assert!(Pattern::new(good).is_ok(), "{good}");
        }
        for bad in [format!("a:{deep}*"), format!("a:{deep}a:>"), format!("*:{deep}*:*:*")] {
            assert_eq!(Target::new(&bad), Err(NameError::ManySegments), "{bad}");
        }
        for bad in ["*:*:*:*", "*:*:*:*:>", "a:*:*:b:*:*"] {
            assert_eq!(Target::new(bad), Err(NameError::ManyStars), "{bad}");
        }
        assert!(
            Target::new(&format!("{deep}{deep}a")).is_ok(),
            "a name may be as deep as it likes"
        );
    }

    /// [hub:reserved-names]
    #[test]
    fn matching() {
        let yes = [("*", "a"), (">", "a"), (">", "a:b"), ("a:*", "a:b"), ("a:>", "a:b:c")];
        let more = [("*:b", "a:b"), ("a:*:c", "a:b:c"), ("*:>", "a:b")];
        for (pattern, name) in yes.into_iter().chain(more) {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        let no = [("*", "a:b"), ("a:*", "a"), ("a:>", "a"), ("a:*", "b:c"), ("a:*", "a:b:c")];
        for (pattern, name) in no.into_iter().chain([("*:>", "a"), (">", "$a"), ("*:b", "$a:b")]) {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
