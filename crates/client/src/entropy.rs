//! The source of random bits for masking keys, nonces of handshakes, and jitter of waits.

use core::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use sockeye_websocket::MaskKey;

/// Where unpredictable bits come from.
///
/// The masking keys of a WebSocket client must be unpredictable to whoever chooses the payloads (RFC 6455
/// §10.3), so a source that can be guessed is for tests only.
#[derive(Clone)]
pub struct Entropy(Arc<Fill>);

/// Fills what it is given.
type Fill = dyn Fn(&mut [u8]) + Send + Sync;

impl Entropy {
    /// The system's own, `/dev/urandom`, which is opened once.
    ///
    /// # Errors
    /// What the system says if it cannot be opened.
    pub fn system() -> io::Result<Self> {
        let source = File::open("/dev/urandom")?;
        Ok(Self(Arc::new(move |bytes| {
            (&source).read_exact(bytes).expect("the system's entropy, once opened, does not end");
        })))
    }

    /// A source of the caller's. It fills what it is given.
    pub fn from_fn(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(fill))
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        bytes
    }

    /// 64 random bits.
    pub fn bits(&self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    /// Masking keys, fetched many at a time.
    pub(crate) fn masks(&self) -> impl FnMut() -> MaskKey + Send + use<> {
        let source = self.clone();
        let mut keys = [0; 256];
        let mut used = keys.len();
        move || {
            if used == keys.len() {
                keys = source.bytes();
                used = 0;
            }
            let key = keys[used..].first_chunk().copied().expect("a multiple of four");
            used += 4;
            MaskKey::new(key)
        }
    }
}

/// Shows nothing of what is to come.
impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entropy").finish_non_exhaustive()
    }
}
