//! The last bytes of plaintext that one direction carried: all the state a connection has.

use alloc::vec::Vec;
use core::fmt;

use crate::WindowBits;

/// The bytes that a sender keeps.
///
/// A sender may refer to less than the negotiated window, and a larger one gains little: a kilobyte of
/// JSON takes 392 bytes with 1 KiB, 378 with 4 KiB, and 474 with none. Every byte of the window costs
/// the deflater time whenever another connection was served in between.
const HISTORY_BYTES_MAX: u32 = 1024;

/// A ring that grows with its content, up to its size. It holds nothing without context takeover.
pub(crate) struct Window {
    /// In order from `start`, then from 0. `start` is 0 until the ring is full.
    bytes: Vec<u8>,
    start: usize,
    /// The size, in bytes.
    size: u32,
    bits: WindowBits,
    takeover: Takeover,
}

/// The fate of the window at the end of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takeover {
    Keep,
    Forget,
}

impl Window {
    /// The negotiated window: a peer may refer to all of it.
    pub(crate) const fn received(bits: WindowBits, takeover: Takeover) -> Self {
        Self::new(bits, 1 << bits.to_u8(), takeover)
    }

    /// The smaller window that we refer to ourselves.
    pub(crate) const fn sent(bits: WindowBits, takeover: Takeover) -> Self {
        let may = 1 << bits.to_u8();
        let size = if may < HISTORY_BYTES_MAX { may } else { HISTORY_BYTES_MAX };
        Self::new(bits, size, takeover)
    }

    const fn new(bits: WindowBits, size: u32, takeover: Takeover) -> Self {
        Self { bytes: Vec::new(), start: 0, size, bits, takeover }
    }

    const fn size(&self) -> usize {
        self.size as usize
    }

    pub(crate) const fn bits(&self) -> WindowBits {
        self.bits
    }

    pub(crate) const fn takeover(&self) -> Takeover {
        self.takeover
    }

    /// The bytes allocated.
    pub(crate) const fn allocated(&self) -> usize {
        self.bytes.capacity()
    }

    /// The newest `len` bytes, or all if there are fewer: the older part, then the newer one.
    pub(crate) fn newest(&self, len: usize) -> (&[u8], &[u8]) {
        let (newer, older) = split(&self.bytes, self.start);
        let newer = suffix(newer, len);
        (suffix(older, len.saturating_sub(newer.len())), newer)
    }

    /// Appends a message that went through the compressor.
    pub(crate) fn push(&mut self, message: &[u8]) {
        match self.takeover {
            // [rfc7692:7.1.1-no-context-takeover] RFC 7692 §7.1.1: the next message starts anew.
            Takeover::Forget => {}
            Takeover::Keep => self.slide(message),
        }
    }

    fn slide(&mut self, message: &[u8]) {
        let size = self.size();
        let message = suffix(message, size);
        if message.len() == size {
            self.bytes.clear();
            self.start = 0;
        }
        let (appended, wrapped) = split(message, size.saturating_sub(self.bytes.len()));
        self.append(appended);
        self.overwrite(wrapped);
    }

    /// Doubles like any `Vec`, but never past its size.
    fn append(&mut self, bytes: &[u8]) {
        let len = self.bytes.len().saturating_add(bytes.len());
        if len > self.bytes.capacity() {
            let doubled = self.bytes.capacity().saturating_mul(2);
            let capacity = doubled.max(len).min(self.size());
            self.bytes.reserve_exact(capacity.saturating_sub(self.bytes.len()));
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Replaces the oldest bytes of a full ring; `bytes` is shorter than the ring.
    fn overwrite(&mut self, bytes: &[u8]) {
        let (to_the_end, from_the_front) =
            split(bytes, self.bytes.len().saturating_sub(self.start));
        copy(self.bytes.get_mut(self.start..), to_the_end);
        copy(Some(&mut self.bytes), from_the_front);
        self.start = match self.start.saturating_add(bytes.len()) {
            start if start < self.size() => start,
            start => start.saturating_sub(self.size()),
        };
    }
}

/// Shows the length only: the plaintext is the peers' own.
impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window")
            .field("bits", &self.bits)
            .field("takeover", &self.takeover)
            .field("bytes_len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// `split_at` for an index that may lie behind the end.
fn split(bytes: &[u8], at: usize) -> (&[u8], &[u8]) {
    bytes.split_at_checked(at).unwrap_or((bytes, &[]))
}

/// The last `len` bytes, or all if there are fewer.
pub(crate) fn suffix(bytes: &[u8], len: usize) -> &[u8] {
    split(bytes, bytes.len().saturating_sub(len)).1
}

fn copy(target: Option<&mut [u8]>, bytes: &[u8]) {
    let target = target.and_then(|target| target.get_mut(..bytes.len()));
    target.expect("a window wraps within its size").copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(window: &Window, len: usize) -> Vec<u8> {
        let (older, newer) = window.newest(len);
        [older, newer].concat()
    }

    /// Every pair of lengths around the wrap gives what a naive tail gives.
    #[test]
    fn holds_the_newest_bytes_in_order() {
        let stream: Vec<u8> = (0..4096_u32).map(|n| (n % 251) as u8).collect();
        for first in [0, 1, 100, 255, 256, 257, 600] {
            for second in [0, 1, 155, 156, 157, 255, 256, 300] {
                let mut window = Window::received(WindowBits::MIN, Takeover::Keep);
                let mut rest = &stream[..];
                let mut sent = 0;
                for len in [first, second, 3, second] {
                    let (message, after) = rest.split_at(len);
                    window.push(message);
                    rest = after;
                    sent += len;
                    assert_eq!(contents(&window, usize::MAX), suffix(&stream[..sent], 256));
                    assert_eq!(contents(&window, 100), suffix(&stream[..sent], 100));
                    assert!(window.allocated() <= 256);
                }
            }
        }
    }

    /// [rfc7692:7.1.1-no-context-takeover]
    #[test]
    fn without_takeover_holds_nothing() {
        let mut window = Window::received(WindowBits::MAX, Takeover::Forget);
        window.push(&[7; 1000]);
        assert_eq!((contents(&window, usize::MAX), window.allocated()), (Vec::new(), 0));
    }

    #[test]
    fn grows_with_what_it_holds() {
        let mut window = Window::received(WindowBits::MAX, Takeover::Keep);
        window.push(&[7; 100]);
        assert_eq!(window.allocated(), 100);
        window.push(&[7; 100_000]);
        assert_eq!(window.allocated(), 32_768);
    }

    #[test]
    fn a_sender_remembers_less_than_it_may_refer_to() {
        let stream: Vec<u8> = (0..4096_u32).map(|n| (n % 251) as u8).collect();
        for (bits, size) in [(8, 256), (9, 512), (10, 1024), (15, 1024)] {
            let bits = WindowBits::new(bits).expect("8 to 15");
            let mut window = Window::sent(bits, Takeover::Keep);
            stream.chunks(700).for_each(|message| window.push(message));
            assert_eq!(contents(&window, usize::MAX), suffix(&stream, size));
            assert_eq!((window.allocated(), window.bits()), (size, bits));
        }
    }
}
