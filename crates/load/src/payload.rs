//! Makes the payloads of a run, and their frames, once before it.

use clap::ValueEnum;
use sockeye_deflate::{Engine, WindowBits};
use sockeye_frame::{Header, MaskKey, Opcode, Rsv, apply_mask};
use sockeye_reactor::Shared;

use super::line::Outlet;

/// Different payloads that are sent in turn, so that one that is lost or doubled shows in the next.
pub(super) const VARIANTS: usize = MARKS.len();
/// Bytes of all variants together, so that they stay in a core's cache; but there are at least two variants.
const VARIANTS_BYTES: usize = 512 * 1024;
/// The first byte of each payload: no two variants are alike.
const MARKS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";
/// Frames from this size on are sent by reference instead of being copied.
const SHARED_BYTES_MIN: usize = 16 * 1024;

/// The content of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Content {
    /// Binary messages of random bytes.
    Binary,
    /// Text messages of English-like words, ASCII only.
    Text,
    /// Text messages of characters of one to four bytes.
    Mixed,
}

impl Content {
    pub(super) const fn is_text(self) -> bool {
        match self {
            Self::Binary => false,
            Self::Text | Self::Mixed => true,
        }
    }

    const fn opcode(self) -> Opcode {
        if self.is_text() { Opcode::Text } else { Opcode::Binary }
    }
}

/// Payloads of one size, and what they are on the wire.
pub(super) struct Payloads {
    content: Content,
    plain: Vec<Vec<u8>>,
    wire: Vec<Wire>,
}

enum Wire {
    Copied(Vec<u8>),
    Shared(Shared),
}

impl Payloads {
    /// Payloads as they go over a bare TCP connection.
    pub(super) fn unframed(bytes: usize, variants_max: usize) -> Self {
        let content = Content::Binary;
        let plain = variants(content, bytes, variants_max);
        let wire = plain.iter().map(|payload| Wire::new(payload.clone())).collect();
        Self { content, plain, wire }
    }

    /// Payloads in frames that are masked with `key`, all of them: what a server has to do for a frame
    /// does not depend on its key, and a key of its own for each (RFC 6455 §5.3) would have each masked
    /// anew.
    pub(super) fn framed(
        content: Content,
        bytes: usize,
        variants_max: usize,
        key: MaskKey,
    ) -> Self {
        let plain = variants(content, bytes, variants_max);
        let frame = |payload: &Vec<u8>| Wire::new(frame(content.opcode(), Rsv::NONE, payload, key));
        let wire = plain.iter().map(frame).collect();
        Self { content, plain, wire }
    }

    /// Makes the frames anew, compressed where that helps: each without reference to what was before
    /// it, so that it is valid at any place of any connection with this window.
    pub(super) fn compress(&mut self, engine: &mut Engine, window: WindowBits, key: MaskKey) {
        let compressed = |payload: &Vec<u8>| {
            let mut deflated = Vec::new();
            let helps = engine.compress_shared(payload, window, &mut deflated);
            let (rsv, payload) = if helps { (Rsv::RSV1, &deflated) } else { (Rsv::NONE, payload) };
            Wire::new(frame(self.content.opcode(), rsv, payload, key))
        };
        self.wire = self.plain.iter().map(compressed).collect();
    }

    /// The variant with which connection `id` begins. Neighbours begin elsewhere, so that an answer to
    /// another shows.
    pub(super) const fn first(&self, id: usize) -> usize {
        id.wrapping_mul(7) % self.plain.len()
    }

    /// The variant that follows.
    #[inline]
    pub(super) const fn after(&self, variant: usize) -> usize {
        if variant + 1 < self.plain.len() { variant + 1 } else { 0 }
    }

    /// The content of a variant.
    #[inline]
    pub(super) fn plain(&self, variant: usize) -> &[u8] {
        &self.plain[variant]
    }

    /// Appends a variant as it stands on the wire.
    #[inline]
    pub(super) fn send(&self, variant: usize, out: &mut Outlet<'_>) {
        match &self.wire[variant] {
            Wire::Copied(bytes) => out.tail().extend_from_slice(bytes),
            Wire::Shared(bytes) => out.push_shared(bytes),
        }
    }

    pub(super) const fn is_text(&self) -> bool {
        self.content.is_text()
    }

    /// Bytes of the messages on the wire, on average.
    pub(super) fn wire_bytes(&self) -> usize {
        let len = |wire: &Wire| match wire {
            Wire::Copied(bytes) => bytes.len(),
            Wire::Shared(bytes) => bytes.len(),
        };
        self.wire.iter().map(len).sum::<usize>() / self.wire.len()
    }
}

impl Wire {
    fn new(bytes: Vec<u8>) -> Self {
        if bytes.len() < SHARED_BYTES_MIN {
            Self::Copied(bytes)
        } else {
            Self::Shared(Shared::new(&bytes))
        }
    }
}

/// One masked frame that is a whole message.
pub fn frame(opcode: Opcode, rsv: Rsv, payload: &[u8], key: MaskKey) -> Vec<u8> {
    let header =
        Header { fin: true, rsv, opcode, mask: Some(key), payload_len: payload.len() as u64 };
    let mut frame = header.encode().to_vec();
    let begin = frame.len();
    frame.extend_from_slice(payload);
    apply_mask(&mut frame[begin..], key, 0);
    frame
}

fn variants(content: Content, bytes: usize, variants_max: usize) -> Vec<Vec<u8>> {
    let count = (VARIANTS_BYTES / bytes.max(1)).clamp(2, VARIANTS).min(variants_max);
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    (0..count).map(|variant| fill(content, bytes, MARKS[variant], &mut random)).collect()
}

/// The same numbers in each run, so that runs compare.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % end
    }
}

fn fill(content: Content, bytes: usize, mark: u8, random: &mut Random) -> Vec<u8> {
    const WORDS: [&str; 8] =
        ["river ", "salmon ", "the ", "upstream ", "a ", "leaps ", "gravel ", "cold "];
    const LETTERS: [&str; 8] = ["a", "é", "Ж", "字", "😀", " ", "z", "ñ"];
    let mut out = Vec::with_capacity(bytes + 8);
    out.push(mark);
    while out.len() < bytes {
        let rest = bytes - out.len();
        let at = usize::try_from(random.below(8)).expect("below eight");
        match content {
            Content::Binary => out.push(random.below(256).to_le_bytes()[0]),
            Content::Text => {
                out.extend_from_slice(&WORDS[at].as_bytes()[..WORDS[at].len().min(rest)]);
            }
            Content::Mixed if LETTERS[at].len() <= rest => {
                out.extend_from_slice(LETTERS[at].as_bytes());
            }
            Content::Mixed => out.push(b'.'),
        }
    }
    out.truncate(bytes);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_have_their_size_and_are_what_they_say() {
        for bytes in [0, 1, 2, 3, 16, 125, 4096] {
            for content in [Content::Binary, Content::Text, Content::Mixed] {
                let all = variants(content, bytes, VARIANTS);
                assert_eq!(all.len(), VARIANTS);
                for payload in &all {
                    assert_eq!(payload.len(), bytes, "{content:?}");
                    let is_text = core::str::from_utf8(payload).is_ok();
                    assert!(is_text || content == Content::Binary, "{content:?} of {bytes}");
                }
                let mut distinct = all.clone();
                distinct.sort();
                distinct.dedup();
                assert!(distinct.len() == all.len() || bytes == 0, "{content:?} of {bytes}");
            }
        }
        assert_eq!(variants(Content::Mixed, 16 << 20, VARIANTS).len(), 2);
        assert_eq!(variants(Content::Mixed, 16, 1).len(), 1);
    }

    #[test]
    fn a_lost_message_and_that_of_another_connection_show() {
        let payloads = Payloads::unframed(16, VARIANTS);
        let (mut one, mut other) = (payloads.first(3), payloads.first(4));
        for _ in 0..200 {
            assert_ne!(payloads.plain(one), payloads.plain(payloads.after(one)));
            assert_ne!(payloads.plain(one), payloads.plain(other));
            (one, other) = (payloads.after(one), payloads.after(other));
        }
    }

    #[test]
    fn frames_carry_the_payload_masked() {
        let key = MaskKey::new([1, 2, 3, 4]);
        let mut frame = frame(Opcode::Text, Rsv::NONE, b"sockeye", key);
        assert_eq!(frame[..6], [0x81, 0x87, 1, 2, 3, 4]);
        apply_mask(&mut frame[6..], key, 0);
        assert_eq!(&frame[6..], b"sockeye");
    }
}
