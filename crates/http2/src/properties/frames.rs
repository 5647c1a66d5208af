//! Properties of the frame codec.

use alloc::vec::Vec;

use crate::frame::{Flags, Frame, FrameError, FrameHead, FrameKind, HEAD_BYTES, PAYLOAD_BYTES_MAX};

/// Bytes as one frame: nine bytes of a head, then its payload. The length of the head is that of the
/// payload, unless the first byte says otherwise.
#[must_use]
pub fn frame_from_script(script: &[u8]) -> (FrameHead, &[u8]) {
    let mut head = [0; HEAD_BYTES];
    let len = script.len().min(HEAD_BYTES);
    head[..len].copy_from_slice(&script[..len]);
    let payload = &script[len..];
    let mut head = FrameHead::parse(head);
    if head.len >> 16 == 0 {
        head.len = payload.len() as u32;
    }
    (head, payload)
}

/// A frame that is read and written again is the same frame, without its padding. The head alone
/// predicts each error of length and stream.
pub fn frame_is_itself(head: FrameHead, payload: &[u8]) {
    assert_eq!(
        FrameHead::parse(head.to_bytes()),
        FrameHead { len: head.len & 0x00ff_ffff, ..head }
    );
    let parsed = Frame::parse(head, payload);
    if let Err(error) = head.check() {
        assert_eq!(parsed, Err(error));
        assert!(matches!(
            error,
            FrameError::TooLong
                | FrameError::Length
                | FrameError::PriorityLength
                | FrameError::Stream
        ));
        return;
    }
    assert!(head.len <= PAYLOAD_BYTES_MAX);
    let Ok(frame) = parsed else { return };
    if let FrameKind::Unknown(_) = head.kind {
        return;
    }
    let mut written = Vec::new();
    frame.write(&mut written);
    let (again, payload_again) = written.split_at(HEAD_BYTES);
    let again = FrameHead::parse(again.try_into().expect("nine bytes"));
    assert_eq!(again.len as usize, payload_again.len());
    assert_eq!((again.kind, again.stream), (head.kind, head.stream));
    assert_eq!(Frame::parse(again, payload_again), Ok(frame));
    let defined = Flags(again.flags.0 | Flags::PADDED.0);
    assert!(defined.has(again.flags) && !again.flags.has(Flags::PADDED) || is_reply(again));
    assert!(again.len <= head.len, "padding is left out");
}

/// Whether bit 3 has no meaning.
fn is_reply(head: FrameHead) -> bool {
    matches!(head.kind, FrameKind::Unknown(_))
}
