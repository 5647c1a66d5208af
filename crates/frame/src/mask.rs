//! The masking key and the XOR that it stands for (RFC 6455 §5.3).

/// The four bytes with which a client masks one frame's payload (RFC 6455 §5.3).
///
/// A client draws a fresh key for every frame from a source that nobody who chooses
/// payloads can predict (§10.3); this crate holds no entropy, so the key is always an
/// argument and has no default. On receipt every key is legal, zero included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MaskKey([u8; 4]);

impl MaskKey {
    /// Takes the key's bytes in wire order.
    #[must_use]
    pub const fn new(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The key's bytes in wire order.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 4] {
        self.0
    }

    /// The key as a payload byte at `offset` meets it.
    #[inline]
    fn at(self, offset: u64) -> u32 {
        // A rotation in memory order, whatever the machine's endianness.
        let bits = ((offset & 3) as u32).wrapping_mul(8);
        u32::from_le_bytes(self.0).rotate_right(bits)
    }
}

/// Masks or unmasks `payload`, whose first byte is byte `offset` of the frame's payload.
///
/// The operation is its own inverse, and any cut of a payload gives the same bytes as the
/// whole, as long as each part comes with its offset.
///
/// # Examples
///
/// ```
/// use sockeye_frame::{MaskKey, apply_mask};
///
/// let key = MaskKey::new([0x37, 0xfa, 0x21, 0x3d]);
/// let mut payload = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
/// apply_mask(&mut payload[..2], key, 0);
/// apply_mask(&mut payload[2..], key, 2);
/// assert_eq!(&payload, b"Hello");
/// ```
#[inline]
pub fn apply_mask(payload: &mut [u8], key: MaskKey, offset: u64) {
    // [rfc6455:5.3-mask-transform]
    let key = key.at(offset);
    if payload.len() >= 32 {
        mask_lanes::<32>(payload, key);
    } else if payload.len() >= 16 {
        mask_lanes::<16>(payload, key);
    } else if payload.len() >= 8 {
        mask_lanes::<8>(payload, key);
    } else if payload.len() >= 4 {
        mask_lanes::<4>(payload, key);
    } else {
        for (byte, key) in payload.iter_mut().zip(key.to_le_bytes()) {
            *byte ^= key;
        }
    }
}

/// Masks `N` bytes at a time. The last lane is read before the others are written and
/// written after them, so it may overlap its neighbour: no length has a byte-wise tail.
#[inline]
fn mask_lanes<const N: usize>(payload: &mut [u8], key: u32) {
    let Some(&last) = payload.last_chunk::<N>() else {
        return;
    };
    let lead = payload.len() as u64 & 3;
    let last_key = MaskKey(key.to_le_bytes()).at(lead);
    for lane in payload.as_chunks_mut::<N>().0 {
        *lane = xor(*lane, key);
    }
    if let Some(lane) = payload.last_chunk_mut::<N>() {
        *lane = xor(last, last_key);
    }
}

#[inline]
fn xor<const N: usize>(mut lane: [u8; N], key: u32) -> [u8; N] {
    // `N` is a multiple of four, so the words cover the lane.
    for word in lane.as_chunks_mut::<4>().0 {
        *word = (u32::from_le_bytes(*word) ^ key).to_le_bytes();
    }
    lane
}
