//! Text that is checked once and shared by its clones.

use core::fmt;
use core::ops::Deref;
use core::str::Utf8Error;
use std::sync::Arc;

use bytes::Bytes;

/// Text whose clones share it: one message for all recipients.
///
/// ```
/// use sockeye_axum::ws::Utf8Bytes;
///
/// let text = Utf8Bytes::from("salmon");
/// assert_eq!(text, "salmon");
/// assert_eq!((text.len(), text.clone().as_str()), (6, "salmon"));
/// ```
#[derive(Clone)]
pub struct Utf8Bytes(Text);

#[derive(Clone)]
enum Text {
    Static(&'static str),
    Shared(Arc<String>),
}

impl Utf8Bytes {
    /// The text of a literal, without an allocation.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Text::Static(text))
    }

    /// The text itself, if nobody shares it.
    pub(super) fn into_string(self) -> Result<String, Self> {
        match self.0 {
            Text::Static(_) => Err(self),
            Text::Shared(text) => Arc::try_unwrap(text).map_err(|text| Self(Text::Shared(text))),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Static(text) => text,
            Text::Shared(text) => text,
        }
    }
}

impl Deref for Utf8Bytes {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<[u8]> for Utf8Bytes {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<str> for Utf8Bytes {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Default for Utf8Bytes {
    fn default() -> Self {
        Self::from_static("")
    }
}

impl From<String> for Utf8Bytes {
    fn from(text: String) -> Self {
        Self(Text::Shared(Arc::new(text)))
    }
}

impl From<&str> for Utf8Bytes {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<&String> for Utf8Bytes {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl TryFrom<Bytes> for Utf8Bytes {
    type Error = Utf8Error;

    fn try_from(bytes: Bytes) -> Result<Self, Utf8Error> {
        core::str::from_utf8(&bytes).map(Self::from)
    }
}

impl TryFrom<Vec<u8>> for Utf8Bytes {
    type Error = Utf8Error;

    fn try_from(bytes: Vec<u8>) -> Result<Self, Utf8Error> {
        String::from_utf8(bytes).map(Self::from).map_err(|error| error.utf8_error())
    }
}

/// The bytes of the text, which are shared, too.
impl From<Utf8Bytes> for Bytes {
    fn from(text: Utf8Bytes) -> Self {
        match text.0 {
            Text::Static(text) => Self::from_static(text.as_bytes()),
            Text::Shared(_) => Self::from_owner(text),
        }
    }
}

impl PartialEq<str> for Utf8Bytes {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<String> for Utf8Bytes {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Utf8Bytes {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq for Utf8Bytes {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Utf8Bytes {}

impl fmt::Display for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// Shows the length only: messages are the users' own.
impl fmt::Debug for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Utf8Bytes({} bytes)", self.len())
    }
}
