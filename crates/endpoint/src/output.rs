//! The bytes that a connection has to send.

use core::ops::RangeInclusive;
use std::collections::VecDeque;
use std::io::IoSlice;

/// An idle connection keeps no larger output buffer.
const IDLE_BYTES_MAX: usize = 1024;

/// A payload of this capacity leaves its buffer for the next one.
const SPARE_BYTES: RangeInclusive<usize> = 16 * 1024..=1024 * 1024 + 1024;

/// Encoded bytes that are not sent: frames in one buffer, and between them payloads in buffers of their own.
#[derive(Default)]
pub struct Output {
    /// Buffers that take no more bytes, and are sent before `bytes`. Few outputs have any.
    sealed: VecDeque<Vec<u8>>,
    sealed_len: usize,
    bytes: Vec<u8>,
    /// How many bytes of the first buffer are sent.
    sent: usize,
    /// The buffer of the last large payload that was sent, if the owner asks for such buffers.
    spare: Vec<u8>,
    keeps_spare: bool,
}

impl Output {
    /// The buffer to which frames are appended.
    pub const fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Appends bytes without a copy of them.
    pub fn push(&mut self, payload: Vec<u8>) {
        for buffer in [core::mem::take(&mut self.bytes), payload] {
            if !buffer.is_empty() {
                self.sealed_len += buffer.len();
                self.sealed.push_back(buffer);
            }
        }
    }

    /// The bytes that are to be sent next, as far as they lie together.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        &self.sealed.front().unwrap_or(&self.bytes)[self.sent..]
    }

    /// The bytes that are to be sent next, for one write of several slices. Returns how many slices there are.
    pub fn unsent_slices<'o>(&'o self, slices: &mut [IoSlice<'o>]) -> usize {
        let buffers = self.sealed.iter().chain([&self.bytes]).map(Vec::as_slice);
        let mut sent = self.sent;
        let unsent =
            buffers.map(|it| &it[core::mem::take(&mut sent)..]).filter(|it| !it.is_empty());
        slices.iter_mut().zip(unsent).map(|(slice, bytes)| *slice = IoSlice::new(bytes)).count()
    }

    /// Whether what is to be sent lies in several places.
    #[must_use]
    pub fn is_scattered(&self) -> bool {
        !self.sealed.is_empty()
    }

    /// How many bytes are not sent.
    #[must_use]
    pub const fn unsent_len(&self) -> usize {
        self.sealed_len + self.bytes.len() - self.sent
    }

    /// Whether all is sent.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.unsent_len() == 0
    }

    /// Notes that the next `len` bytes are sent. What is sent of the last buffer is dropped when it is half of all: each
    /// byte is moved once at the most.
    pub fn advance(&mut self, len: usize) {
        self.sent += len;
        while let Some(buffer) = self.sealed.front()
            && buffer.len() <= self.sent
        {
            self.sent -= buffer.len();
            self.sealed_len -= buffer.len();
            self.keep_first();
        }
        if self.is_empty() {
            self.bytes.clear();
            self.sent = 0;
        } else if self.sealed.is_empty() && self.sent >= self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Drops the first buffer, or keeps it for [`take_spare`](Self::take_spare).
    fn keep_first(&mut self) {
        let buffer = self.sealed.pop_front();
        if let Some(buffer) = buffer.filter(|it| SPARE_BYTES.contains(&it.capacity()))
            && self.keeps_spare
        {
            self.spare = buffer;
        }
    }

    /// An empty buffer for `len` bytes: that of a large payload that was sent, if it has room for them and not for twice as many, or
    /// else a new one. An echo of large messages so needs no memory for each. The first call has such buffers kept, up to some 1 MiB.
    #[must_use]
    pub fn take_spare(&mut self, len: usize) -> Vec<u8> {
        self.keeps_spare = true;
        let mut spare = core::mem::take(&mut self.spare);
        spare.clear();
        let fits = (len..len.saturating_mul(2)).contains(&spare.capacity());
        if fits { spare } else { Vec::with_capacity(len) }
    }

    /// Drops everything.
    pub fn discard(&mut self) {
        *self = Self::default();
    }

    /// Frees the memory that only a busy connection needs.
    pub fn idle(&mut self) {
        let is_large = self.bytes.capacity() > IDLE_BYTES_MAX;
        if self.is_empty() && (is_large || self.sealed.capacity() > 0) {
            self.discard();
        }
    }
}

/// Shows the length only.
impl core::fmt::Debug for Output {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Output({} bytes)", self.unsent_len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_sent_in_any_pieces_and_in_order() {
        for step in 1..40 {
            let (mut output, mut sent) = (Output::default(), Vec::new());
            for byte in 0..100_u8 {
                output.end().extend([byte; 7]);
                let len = step.min(output.unsent_len());
                sent.extend_from_slice(&output.unsent()[..len]);
                output.advance(len);
                assert!(output.bytes.len() <= 2 * output.unsent_len() + 1);
            }
            sent.extend_from_slice(output.unsent());
            assert!(sent.iter().copied().eq((0..100_u8).flat_map(|byte| [byte; 7])));
        }
    }

    #[test]
    fn payloads_of_their_own_keep_the_order_and_are_sent_by_any_pieces() {
        let mut expected = Vec::new();
        for step in (1..300).step_by(7) {
            let (mut output, mut sent) = (Output::default(), Vec::new());
            expected.clear();
            for byte in 0..60_u8 {
                let bytes = vec![byte; usize::from(byte % 9)];
                expected.extend_from_slice(&bytes);
                if byte % 3 == 0 {
                    output.push(bytes);
                } else {
                    output.end().extend(bytes);
                }
                let mut slices = [IoSlice::new(&[]); 4];
                let count = output.unsent_slices(&mut slices);
                let next: Vec<u8> = slices[..count].iter().flat_map(|it| it.to_vec()).collect();
                assert!(next.starts_with(output.unsent()) && next.len() <= output.unsent_len());
                let len = step.min(next.len());
                sent.extend_from_slice(&next[..len]);
                output.advance(len);
                assert_eq!(sent.len() + output.unsent_len(), expected.len());
            }
            while !output.is_empty() {
                let next = output.unsent().to_vec();
                sent.extend_from_slice(&next);
                output.advance(next.len());
            }
            assert_eq!(sent, expected);
            output.idle();
            assert_eq!((output.sealed.capacity(), output.sealed_len, output.sent), (0, 0, 0));
        }
    }

    #[test]
    fn the_buffer_of_a_large_payload_is_used_again() {
        let mut output = Output::default();
        output.push(vec![1; 64 * 1024]);
        output.advance(64 * 1024);
        assert_eq!(output.spare.capacity(), 0, "nobody has asked for one");
        assert_eq!(output.take_spare(60_000).capacity(), 60_000);
        output.push(vec![1; 64 * 1024]);
        output.advance(64 * 1024);
        output.push(vec![2; 100]);
        output.advance(100);
        let spare = output.take_spare(60_000);
        assert_eq!((spare.len(), spare.capacity()), (0, 64 * 1024), "a small one drops nothing");
        assert_eq!(output.take_spare(60_000).capacity(), 60_000, "it is given once");
        output.push(spare);
        assert!(output.is_empty(), "an empty payload is none");
        output.push(vec![1; 64 * 1024]);
        output.advance(64 * 1024);
        assert_eq!(output.take_spare(70_000).capacity(), 70_000, "it has no room");
        output.push(vec![1; 64 * 1024]);
        output.advance(64 * 1024);
        assert_eq!(output.take_spare(20_000).capacity(), 20_000, "it is too large");
        output.push(vec![1; 64 * 1024]);
        output.advance(64 * 1024);
        output.idle();
        assert_eq!(output.spare.capacity(), 0, "an idle connection keeps none");
        let _ = output.take_spare(60_000);
        output.push(vec![1; 2 << 20]);
        output.advance(2 << 20);
        assert_eq!(output.spare.capacity(), 0, "a very large one is not kept");
    }

    #[test]
    fn an_idle_connection_keeps_no_large_buffer() {
        let mut output = Output::default();
        output.end().extend([0; 5000]);
        output.advance(5000);
        output.idle();
        assert_eq!(output.bytes.capacity(), 0);
        output.end().extend([0; 100]);
        output.advance(100);
        output.idle();
        assert!(output.bytes.capacity() >= 100, "small ones are kept: no allocation a message");
    }
}
