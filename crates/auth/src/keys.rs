//! The API keys of back ends: a table of hashes and identities.

use core::fmt;

use ring::digest::{SHA256, digest};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::{Identity, KeyId, Limits, Misuse, Refusal, UnixTime};

/// The fewest bytes of a key that is configured as text: 128 bits in base64url.
const BYTES_MIN: usize = 22;

/// The API keys, each with its identity. Only their SHA-256 hashes are kept.
pub struct Keys {
    limits: Limits,
    keys: Vec<Key>,
}

/// An API key.
struct Key {
    name: String,
    hash: [u8; 32],
    id: KeyId,
    allows: Identity,
}

impl Keys {
    /// No key yet.
    pub const fn new(limits: Limits) -> Self {
        Self { limits, keys: Vec::new() }
    }

    /// Adds a key that the configuration has as text. The identity's user becomes `key:<name>`. Set
    /// its `ends_ms` for a key that expires.
    ///
    /// # Errors
    /// [`Misuse`]: a key that is too short, too long or unfit for a header, an invalid name, a
    /// second key of the same text or name, or too many keys.
    pub fn add_text(&mut self, name: &str, key: &str, allows: Identity) -> Result<(), Misuse> {
        if key.len() < BYTES_MIN {
            return Err(Misuse::SecretTooShort { bytes_min: BYTES_MIN });
        }
        if key.len() > self.limits.key_bytes_max || !key.bytes().all(|it| it.is_ascii_graphic()) {
            return Err(Misuse::KeyText);
        }
        self.add(name, sha256(key), allows)
    }

    /// Adds a key of which the configuration has the SHA-256, as 64 hexadecimal digits. Only a
    /// key of at least 128 random bits is safe to store so: the hash is a fast one.
    ///
    /// # Errors
    /// As for [`add_text`](Self::add_text); [`Misuse::KeyHash`] if that is no hash.
    pub fn add_sha256(&mut self, name: &str, hash: &str, allows: Identity) -> Result<(), Misuse> {
        let hash = unhex(hash).ok_or(Misuse::KeyHash)?;
        self.add(name, hash, allows)
    }

    /// The SHA-256 of a key as [`add_sha256`](Self::add_sha256) takes it, for the configuration.
    pub fn hash(key: &str) -> String {
        sha256(key).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The identity of a key.
    ///
    /// The time does not depend on which bytes match. Only a key above the bound on its length is
    /// refused earlier.
    ///
    /// # Errors
    /// [`Refusal::KeyUnknown`], also for a key that has expired.
    pub fn identify(&self, key: &str, now: UnixTime) -> Result<&Identity, Refusal> {
        // [auth:key-length]
        if key.len() > self.limits.key_bytes_max {
            return Err(Refusal::KeyUnknown);
        }
        let hash = sha256(key);
        let (mut found, mut at) = (Choice::from(0), 0_u32);
        for (index, key) in (0_u32..).zip(&self.keys) {
            // [auth:key-compare]
            let same = key.hash.ct_eq(&hash);
            at.conditional_assign(&index, same);
            found |= same;
        }
        let key = self.keys.get(at as usize).ok_or(Refusal::KeyUnknown)?;
        if !bool::from(found) || key.allows.has_ended(now) {
            return Err(Refusal::KeyUnknown);
        }
        Ok(&key.allows)
    }

    /// The ID of a key. A stream stores it, and [`by_id`](Self::by_id) finds the identity again.
    pub fn id(key: &str) -> KeyId {
        id(&sha256(key))
    }

    // [auth:key-still-there]
    /// The identity of the key with that ID now; `None` if it is no longer configured, or has
    /// ended.
    pub fn by_id(&self, wanted: KeyId, now: UnixTime) -> Option<&Identity> {
        let key = self.keys.iter().find(|key| key.id == wanted)?;
        Some(&key.allows).filter(|identity| !identity.has_ended(now))
    }

    fn add(&mut self, name: &str, hash: [u8; 32], mut allows: Identity) -> Result<(), Misuse> {
        if self.keys.len() == self.limits.keys_max {
            return Err(Misuse::TooManyKeys);
        }
        if self.keys.iter().any(|key| key.name == name || key.hash == hash) {
            return Err(Misuse::DuplicateKey);
        }
        crate::identity::user(name, &self.limits)?;
        allows.user = Some(format!("{}{name}", crate::identity::KEY_PREFIX));
        self.keys.push(Key { name: name.to_owned(), hash, id: id(&hash), allows });
        Ok(())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys.iter().map(|key| (&key.name, &key.allows));
        f.debug_map().entries(keys).finish()
    }
}

fn id(hash: &[u8; 32]) -> KeyId {
    KeyId::of("api key", &[hash])
}

pub(crate) fn sha256(text: &str) -> [u8; 32] {
    let hash = digest(&SHA256, text.as_bytes());
    hash.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Action, Grants};
    use sockeye_hub::ChannelName;

    const KEY: &str = "sk_live_0123456789abcdefghij";
    /// `printf %s sk_live_other_key_of_a_back_end | sha256sum`
    const OTHER: &str = "sk_live_other_key_of_a_back_end";
    const OTHER_SHA256: &str = "6bd428229e3189559a35eacea225b7c36effdb130a72c23a45e1c46beccf682a";

    fn at(ms: u64) -> UnixTime {
        UnixTime::from_millis(ms)
    }

    fn publisher() -> Identity {
        Identity { publish: Grants::everything(), ..Identity::anonymous() }
    }

    /// [auth:key-compare]
    #[test]
    fn a_key_is_known_by_its_text_or_its_hash() {
        let mut keys = Keys::new(Limits::default());
        assert_eq!(keys.identify(KEY, at(0)), Err(Refusal::KeyUnknown), "none is configured");
        keys.add_text("back", KEY, publisher()).unwrap();
        keys.add_sha256("other", OTHER_SHA256, Identity::anonymous()).unwrap();
        assert_eq!(Keys::hash(OTHER), OTHER_SHA256);
        let back = keys.identify(KEY, at(0)).unwrap();
        assert_eq!(back.user.as_deref(), Some("key:back"));
        assert!(back.allows(Action::Publish, ChannelName::new("a:b").unwrap(), at(0)));
        assert!(!back.allows(Action::Subscribe, ChannelName::new("a:b").unwrap(), at(0)));
        assert_eq!(keys.identify(OTHER, at(0)).unwrap().user.as_deref(), Some("key:other"));
        let longer = format!("{KEY}x");
        for wrong in ["", &KEY[1..], &KEY[..KEY.len() - 1], &longer, OTHER_SHA256, "back"] {
            assert_eq!(keys.identify(wrong, at(0)), Err(Refusal::KeyUnknown), "{wrong}");
        }
    }

    /// [auth:key-length]
    #[test]
    fn keys_are_bounded_and_may_end() {
        let limits = Limits { keys_max: 2, key_bytes_max: 40, ..Limits::default() };
        let mut keys = Keys::new(limits);
        let long = "k".repeat(41);
        assert_eq!(keys.add_text("long", &long, publisher()), Err(Misuse::KeyText));
        let hash: String = sha256(&long).iter().map(|byte| format!("{byte:02X}")).collect();
        keys.add_sha256("long", &hash, publisher()).unwrap();
        assert_eq!(keys.identify(&long, at(0)), Err(Refusal::KeyUnknown), "never looked at");

        let until = Identity { ends_ms: Some(5), ..publisher() };
        keys.add_text("short-lived", KEY, until).unwrap();
        assert!(keys.identify(KEY, at(4)).is_ok());
        assert_eq!(keys.identify(KEY, at(5)), Err(Refusal::KeyUnknown));
        assert_eq!(keys.add_text("more", OTHER, publisher()), Err(Misuse::TooManyKeys));
    }

    /// [auth:key-still-there]
    #[test]
    fn who_came_by_a_key_is_known_by_it_not_by_its_name() {
        let mut keys = Keys::new(Limits::default());
        let until = Identity { ends_ms: Some(5), ..publisher() };
        keys.add_text("back", KEY, until).unwrap();
        let came_by = Keys::id(KEY);
        assert_eq!(keys.by_id(came_by, at(4)), Some(keys.identify(KEY, at(4)).unwrap()));
        assert_eq!(keys.by_id(came_by, at(5)), None);
        let mut rotated = Keys::new(Limits::default());
        rotated.add_text("back", OTHER, publisher()).unwrap();
        assert_eq!(rotated.by_id(came_by, at(0)), None);
        assert!(rotated.by_id(Keys::id(OTHER), at(0)).is_some());
        // Nothing to come in with, nor to find the key by.
        assert_ne!(format!("{came_by:?}"), format!("{:?}", Keys::id(OTHER)));
        assert_eq!(format!("{came_by:?}").len(), "KeyId(0000…)".len());
    }

    #[test]
    fn what_cannot_be_a_key_is_not_configured() {
        let mut keys = Keys::new(Limits::default());
        keys.add_text("back", KEY, publisher()).unwrap();
        let mut refused = |name: &str, key: &str| keys.add_text(name, key, publisher()).err();
        assert_eq!(refused("b", "short"), Some(Misuse::SecretTooShort { bytes_min: BYTES_MIN }));
        assert_eq!(refused("b", "twenty-two bytes and spaces"), Some(Misuse::KeyText));
        assert_eq!(refused("b", "zw\u{f6}lf boxk\u{e4}mpfer, viktor"), Some(Misuse::KeyText));
        assert_eq!(refused("back", OTHER), Some(Misuse::DuplicateKey));
        assert_eq!(refused("again", KEY), Some(Misuse::DuplicateKey));
        assert_eq!(refused("a\nb", OTHER), Some(Misuse::User));
        for bad in ["", "00", &"g".repeat(64), &"0".repeat(65), &"\u{e9}".repeat(32)] {
            assert_eq!(keys.add_sha256("c", bad, publisher()), Err(Misuse::KeyHash), "{bad}");
        }
    }
}
