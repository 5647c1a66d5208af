//! Stable IDs of keys: a stream stores the ID of the key that admitted it.

use core::fmt;

use ring::digest::{Context, SHA256};

/// The name of a key, the same in each process. It grants nothing: it tells later whether the key
/// is still configured.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 32]);

impl KeyId {
    /// The ID of a key of this kind, which consists of these parts.
    pub(crate) fn of(kind: &str, parts: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        for part in [b"sockeye key id".as_slice(), kind.as_bytes()].iter().chain(parts) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let hash = context.finish();
        Self(hash.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}
