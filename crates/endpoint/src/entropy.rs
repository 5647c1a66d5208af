//! The source of random bits: masking keys, nonces of handshakes, jitter of waits.

use sockeye_websocket::MaskKey;

/// `N` bytes that nobody can guess.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// 64 random bits.
#[must_use]
pub fn bits() -> u64 {
    u64::from_le_bytes(bytes())
}

/// Masking keys, fetched many at a time.
pub(crate) fn masks() -> impl FnMut() -> MaskKey + Send + use<> {
    let mut keys = [0; 256];
    let mut used = keys.len();
    move || {
        if used == keys.len() {
            keys = bytes();
            used = 0;
        }
        let key = keys[used..].first_chunk().copied().expect("a multiple of four");
        used += 4;
        MaskKey::new(key)
    }
}

/// The system's generator, which is opened once and never waits.
#[cfg(unix)]
fn fill(bytes: &mut [u8]) {
    use std::fs::File;
    use std::io::Read;
    use std::sync::LazyLock;

    static SOURCE: LazyLock<File> =
        LazyLock::new(|| File::open("/dev/urandom").expect("every Unix system has /dev/urandom"));
    (&*SOURCE).read_exact(bytes).expect("the system's entropy, once opened, does not end");
}

/// The standard library's hash maps have keys from the system's generator; a keyed hash of nothing, with a new key each
/// time, is as hard to guess.
#[cfg(not(unix))]
fn fill(bytes: &mut [u8]) {
    use std::hash::{BuildHasher, Hasher, RandomState};

    for chunk in bytes.chunks_mut(8) {
        let random = RandomState::new().build_hasher().finish().to_le_bytes();
        chunk.copy_from_slice(&random[..chunk.len()]);
    }
}
