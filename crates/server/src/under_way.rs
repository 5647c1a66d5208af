//! A message that arrives in parts, and the memory in which it is put together.

use sockeye_reactor::{Pool, Time};
use sockeye_websocket::{Assembler, Kind, Message, MessageError};

/// The least memory that a message under way is given.
const HELD_BYTES_MIN: usize = 64;
/// From here on a message is put together in memory that a loop keeps warm, if there is some, and
/// is passed on where it lies.
pub(crate) const LARGE_BYTES_MIN: usize = 32 * 1024;
/// Memory that is kept with the spare between two messages.
const SPARE_BYTES_MAX: usize = 2 * LARGE_BYTES_MIN;
/// Room for which a read straight to it is worth a read that does not see what comes behind it.
const DIRECT_BYTES_MIN: usize = 16 * 1024;
/// Most bytes of such a read: the share of a connection in one turn, of bytes which nobody looks at.
const DIRECT_BYTES_MAX: usize = 512 * 1024;

/// A message that arrives in parts.
pub(crate) struct UnderWay {
    /// When its first part came.
    pub(crate) since: Time,
    /// Puts it together if it is compressed.
    pub(crate) assembler: Assembler,
    /// What arrived of it otherwise, and then what the memory held before.
    memory: Vec<u8>,
    arrived: usize,
    bytes_max: u64,
    compressed: bool,
}

impl UnderWay {
    pub(crate) fn new() -> Self {
        Self {
            since: Time::NEVER,
            assembler: Assembler::new(0),
            memory: Vec::new(),
            arrived: 0,
            bytes_max: 0,
            compressed: false,
        }
    }

    /// A message begins.
    pub(crate) fn begin(&mut self, now: Time, bytes_max: u64, compressed: bool) {
        (self.since, self.bytes_max, self.compressed) = (now, bytes_max, compressed);
        self.assembler.set_message_bytes_max(bytes_max);
        self.arrived = 0;
    }

    /// Takes the next part of a message that is not compressed. `missing` more bytes are announced:
    /// memory that is warm already may be chosen by that, but whatever was announced, it grows by
    /// what arrived, and by a quarter at least, so that copying stays linear.
    /// [rfc6455:10.4-bytes-held]
    pub(crate) fn append(
        &mut self,
        part: &[u8],
        missing: u64,
        pool: &mut Pool,
    ) -> Result<(), MessageError> {
        let len = self.arrived.saturating_add(part.len());
        if len as u64 > self.bytes_max {
            return Err(MessageError::TooBig);
        }
        let wanted = usize::try_from(missing).unwrap_or(usize::MAX).saturating_add(len);
        if self.arrived == 0 && wanted >= LARGE_BYTES_MIN && wanted > self.memory.len() {
            self.memory = pool.take_memory(wanted).unwrap_or_default();
        }
        if let Some(room) = self.memory.get_mut(self.arrived..len) {
            room.copy_from_slice(part);
        } else {
            self.memory.truncate(self.arrived);
            if len > self.memory.capacity() {
                self.memory.reserve_exact(part.len().max(self.arrived / 4).max(HELD_BYTES_MIN));
            }
            self.memory.extend_from_slice(part);
        }
        self.arrived = len;
        Ok(())
    }

    /// Where the next bytes of the frame under way, of which `missing` are announced, may be read
    /// to. There is room only in warm memory: none is made for what has not arrived.
    pub(crate) fn room(&mut self, missing: u64) -> Option<&mut [u8]> {
        let missing = usize::try_from(missing).unwrap_or(usize::MAX).min(DIRECT_BYTES_MAX);
        let room = self.memory.get_mut(self.arrived..)?;
        let len = missing.min(room.len());
        (len >= DIRECT_BYTES_MIN && !self.compressed).then(|| &mut room[..len])
    }

    /// The first `len` bytes of [`UnderWay::room`], into which they were read.
    pub(crate) fn fresh(&mut self, len: usize) -> &mut [u8] {
        &mut self.memory[self.arrived..][..len]
    }

    /// They belong to the message.
    pub(crate) fn adopt(&mut self, len: usize) {
        self.arrived += len;
    }

    /// The memory of a message that is whole, and its length.
    pub(crate) fn take(&mut self) -> (Vec<u8>, usize) {
        (core::mem::take(&mut self.memory), core::mem::take(&mut self.arrived))
    }

    /// Keeps a little memory for the next message.
    pub(crate) fn keep(&mut self, memory: Vec<u8>) {
        if memory.capacity() <= SPARE_BYTES_MAX {
            self.memory = memory;
        }
        if self.assembler.bytes_held() > SPARE_BYTES_MAX {
            self.assembler.release();
        }
    }
}

/// Types the bytes of a whole message.
pub(crate) fn typed(kind: Kind, bytes: &[u8]) -> Result<Message<'_>, MessageError> {
    match kind {
        Kind::Binary => Ok(Message::Binary(bytes)),
        Kind::Text => {
            core::str::from_utf8(bytes).map(Message::Text).map_err(|_| MessageError::InvalidUtf8)
        }
    }
}

#[cfg(test)]
mod tests {
    use sockeye_reactor::{Pool, Time};
    use sockeye_websocket::MessageError;

    use super::{DIRECT_BYTES_MAX, DIRECT_BYTES_MIN, LARGE_BYTES_MIN, UnderWay};

    const ANNOUNCED: u64 = 1 << 40;

    fn begun(bytes_max: u64) -> UnderWay {
        let mut under_way = UnderWay::new();
        under_way.begin(Time::from_millis(1), bytes_max, false);
        under_way
    }

    #[test]
    fn what_is_announced_takes_no_memory() {
        let (mut pool, mut under_way) = (Pool::new(), begun(u64::MAX));
        for part in [1, 99, 10_000, 1, 50_000, 100_000] {
            under_way.append(&vec![7; part], ANNOUNCED, &mut pool).expect("within the bound");
            let held = under_way.memory.capacity();
            assert!(held <= under_way.arrived + under_way.arrived / 4 + 64, "{held}");
            assert_eq!(under_way.room(ANNOUNCED), None, "no room is made before bytes arrive");
        }
        assert_eq!(under_way.take(), (vec![7; 160_101], 160_101));
    }

    #[test]
    fn warm_memory_is_read_into_and_comes_back() {
        let mut pool = Pool::new();
        pool.keep_memory(vec![9; 2 * DIRECT_BYTES_MAX]);
        let mut under_way = begun(u64::MAX);
        under_way.append(&[1; 10], ANNOUNCED, &mut pool).expect("within the bound");
        assert_eq!(under_way.room(ANNOUNCED).map(|room| room.len()), Some(DIRECT_BYTES_MAX));
        assert_eq!(under_way.room(20_000).map(|room| room.len()), Some(20_000));
        assert_eq!(under_way.room(DIRECT_BYTES_MIN as u64 - 1), None);
        under_way.room(20_000).expect("there is room").fill(2);
        assert!(under_way.fresh(20_000).iter().all(|byte| *byte == 2));
        under_way.adopt(20_000);
        under_way.append(&[3; 10], 0, &mut pool).expect("within the bound");
        let (memory, len) = under_way.take();
        assert_eq!((len, memory.len()), (20_020, 2 * DIRECT_BYTES_MAX));
        assert_eq!(memory[..len], [vec![1; 10], vec![2; 20_000], vec![3; 10]].concat());
        under_way.keep(memory);
        assert_eq!(under_way.memory.capacity(), 0, "large memory is not the spare's");
        under_way.begin(Time::from_millis(1), u64::MAX, true);
        assert_eq!(under_way.room(ANNOUNCED), None, "compressed bytes are no message yet");
    }

    #[test]
    fn a_message_has_its_bound_and_a_small_one_its_own_memory() {
        let mut pool = Pool::new();
        pool.keep_memory(vec![9; LARGE_BYTES_MIN]);
        let mut under_way = begun(100);
        under_way.append(&[1; 60], 40, &mut pool).expect("within the bound");
        assert!(under_way.memory.capacity() < LARGE_BYTES_MIN, "warm memory is for large ones");
        assert_eq!(under_way.append(&[1; 41], 0, &mut pool), Err(MessageError::TooBig));
    }
}
