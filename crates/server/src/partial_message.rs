//! A message that arrives in parts, and the memory in which it is put together.

use sockeye_reactor::{Pool, Time};
use sockeye_websocket::{Assembler, Kind, Message, MessageError};

/// The least memory that a message in progress is given.
const HELD_BYTES_MIN: usize = 64;
/// A message of this length or more is put together in memory that the loop keeps warm, if there is
/// some. An application that sends such a message on sends it by reference.
pub(crate) const LARGE_BYTES_MIN: usize = 32 * 1024;
/// Memory that is kept with the spare between two messages.
const SPARE_BYTES_MAX: usize = 2 * LARGE_BYTES_MIN;
/// The least space that is worth a read straight into the message. Such a read cannot bring the bytes
/// behind the message, so a short one would only add a system call.
const DIRECT_BYTES_MIN: usize = 16 * 1024;
/// The most bytes that one such read brings. It is more than a read into the loop's buffer may bring,
/// because the bytes of an unfinished message cost no work but the read.
const DIRECT_BYTES_MAX: usize = 512 * 1024;

/// A message that arrives in parts.
pub(crate) struct PartialMessage {
    /// When its first part came.
    pub(crate) since: Time,
    /// Puts it together if it is compressed.
    pub(crate) assembler: Assembler,
    /// The bytes that arrived of an uncompressed message; behind them, what the memory held before.
    memory: Vec<u8>,
    arrived: usize,
    bytes_max: u64,
    compressed: bool,
}

impl PartialMessage {
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

    /// Takes the next part of a message that is not compressed.
    ///
    /// The peer has announced `missing` more bytes. The announcement only chooses among buffers that
    /// are there already. A buffer grows with the bytes that arrived, and by a quarter at the least, so
    /// that copying stays linear. [rfc6455:10.4-bytes-held]
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
        if let Some(space) = self.memory.get_mut(self.arrived..len) {
            space.copy_from_slice(part);
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

    /// Where to read the next bytes of the frame in progress to, of which `missing` are announced. Only
    /// warm memory has room: no memory is made for bytes that have not arrived.
    pub(crate) fn read_space(&mut self, missing: u64) -> Option<&mut [u8]> {
        let missing = usize::try_from(missing).unwrap_or(usize::MAX).min(DIRECT_BYTES_MAX);
        let space = self.memory.get_mut(self.arrived..)?;
        let len = missing.min(space.len());
        (len >= DIRECT_BYTES_MIN && !self.compressed).then(|| &mut space[..len])
    }

    /// The first `len` bytes of [`PartialMessage::read_space`], into which they were read.
    pub(crate) fn fresh(&mut self, len: usize) -> &mut [u8] {
        &mut self.memory[self.arrived..][..len]
    }

    /// Adds those `len` bytes to the message.
    pub(crate) fn adopt(&mut self, len: usize) {
        self.arrived += len;
    }

    /// Takes the memory of a whole message, and its length.
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

/// Gives the bytes of a whole message their type.
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

    use super::{DIRECT_BYTES_MAX, DIRECT_BYTES_MIN, LARGE_BYTES_MIN, PartialMessage};

    const ANNOUNCED: u64 = 1 << 40;

    fn begun(bytes_max: u64) -> PartialMessage {
        let mut partial = PartialMessage::new();
        partial.begin(Time::from_millis(1), bytes_max, false);
        partial
    }

    #[test]
    fn what_is_announced_takes_no_memory() {
        let (mut pool, mut partial) = (Pool::new(), begun(u64::MAX));
        for part in [1, 99, 10_000, 1, 50_000, 100_000] {
            partial.append(&vec![7; part], ANNOUNCED, &mut pool).expect("within the bound");
            let held = partial.memory.capacity();
            assert!(held <= partial.arrived + partial.arrived / 4 + 64, "{held}");
            assert_eq!(partial.read_space(ANNOUNCED), None, "no room is made before bytes arrive");
        }
        assert_eq!(partial.take(), (vec![7; 160_101], 160_101));
    }

    #[test]
    fn warm_memory_is_read_into_and_comes_back() {
        let mut pool = Pool::new();
        pool.keep_memory(vec![9; 2 * DIRECT_BYTES_MAX]);
        let mut partial = begun(u64::MAX);
        partial.append(&[1; 10], ANNOUNCED, &mut pool).expect("within the bound");
        assert_eq!(partial.read_space(ANNOUNCED).map(|space| space.len()), Some(DIRECT_BYTES_MAX));
        assert_eq!(partial.read_space(20_000).map(|space| space.len()), Some(20_000));
        assert_eq!(partial.read_space(DIRECT_BYTES_MIN as u64 - 1), None);
        partial.read_space(20_000).expect("there is room").fill(2);
        assert!(partial.fresh(20_000).iter().all(|byte| *byte == 2));
        partial.adopt(20_000);
        partial.append(&[3; 10], 0, &mut pool).expect("within the bound");
        let (memory, len) = partial.take();
        assert_eq!((len, memory.len()), (20_020, 2 * DIRECT_BYTES_MAX));
        assert_eq!(memory[..len], [vec![1; 10], vec![2; 20_000], vec![3; 10]].concat());
        partial.keep(memory);
        assert_eq!(partial.memory.capacity(), 0, "large memory is not the spare's");
        partial.begin(Time::from_millis(1), u64::MAX, true);
        assert_eq!(partial.read_space(ANNOUNCED), None, "compressed bytes are no message yet");
    }

    #[test]
    fn a_message_has_its_bound_and_a_small_one_its_own_memory() {
        let mut pool = Pool::new();
        pool.keep_memory(vec![9; LARGE_BYTES_MIN]);
        let mut partial = begun(100);
        partial.append(&[1; 60], 40, &mut pool).expect("within the bound");
        assert!(partial.memory.capacity() < LARGE_BYTES_MIN, "warm memory is for large ones");
        assert_eq!(partial.append(&[1; 41], 0, &mut pool), Err(MessageError::TooBig));
    }
}
