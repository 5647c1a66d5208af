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
    match payload.len() {
        0..4 => {
            for (byte, key) in payload.iter_mut().zip(key.to_le_bytes()) {
                *byte ^= key;
            }
        }
        4..8 => mask_ends::<4>(payload, key),
        8..16 => mask_ends::<8>(payload, key),
        16..32 => mask_ends::<16>(payload, key),
        32..64 => mask_ends::<32>(payload, key),
        64..128 => mask_ends::<64>(payload, key),
        // Not wider: for processors with AVX-512 the compiler then gathers the words one by one.
        128.. => mask_lanes::<32>(payload, key),
    }
}

/// Masks `N` to `2 * N` bytes: the first `N` and the last, which may overlap. Both are read before
/// either is written, so the middle is masked once.
#[inline]
fn mask_ends<const N: usize>(payload: &mut [u8], key: u32) {
    let (Some(&first), Some(&last)) = (payload.first_chunk::<N>(), payload.last_chunk::<N>())
    else {
        return;
    };
    let at_end = key_at_end(key, payload.len());
    if let Some(lane) = payload.first_chunk_mut::<N>() {
        *lane = xor(first, key);
    }
    if let Some(lane) = payload.last_chunk_mut::<N>() {
        *lane = xor(last, at_end);
    }
}

/// Masks `N` bytes at a time. The last lane is read before the others are written and
/// written after them, so it may overlap its neighbour: no length has a byte-wise tail.
#[inline(never)]
fn mask_lanes<const N: usize>(payload: &mut [u8], key: u32) {
    let Some(&last) = payload.last_chunk::<N>() else {
        return;
    };
    let at_end = key_at_end(key, payload.len());
    for lane in payload.as_chunks_mut::<N>().0 {
        *lane = xor(*lane, key);
    }
    if let Some(lane) = payload.last_chunk_mut::<N>() {
        *lane = xor(last, at_end);
    }
}

/// Moves the payload behind the first `from` bytes to the front and unmasks it, in one pass. What the move leaves at the end has
/// no meaning.
pub(crate) fn move_unmasked(mut bytes: &mut [u8], from: usize, key: MaskKey) {
    // [rfc6455:5.3-mask-transform]
    let word = key.at(0);
    // A lane is read before it is written over, and the next ones lie behind it. The key fits each: lanes are multiples of four.
    while let Some(&lane) = bytes.get(from..).and_then(<[u8]>::first_chunk::<MOVED_BYTES>) {
        let Some((to, rest)) = core::mem::take(&mut bytes).split_first_chunk_mut() else { return };
        *to = xor(lane, word);
        bytes = rest;
    }
    let len = bytes.len().saturating_sub(from);
    bytes.copy_within(from.min(bytes.len()).., 0);
    if let Some(payload) = bytes.get_mut(..len) {
        apply_mask(payload, key, 0);
    }
}

/// Bytes that are moved at a time.
const MOVED_BYTES: usize = 32;

/// The key as the first byte of a lane at the end of `len` bytes meets it; lanes are multiples of
/// four long.
#[inline]
fn key_at_end(key: u32, len: usize) -> u32 {
    MaskKey(key.to_le_bytes()).at(len as u64)
}

#[inline]
fn xor<const N: usize>(mut lane: [u8; N], key: u32) -> [u8; N] {
    // `N` is a multiple of four, so the words cover the lane.
    for word in lane.as_chunks_mut::<4>().0 {
        *word = (u32::from_le_bytes(*word) ^ key).to_le_bytes();
    }
    lane
}
