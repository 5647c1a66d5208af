//! Frames of AMQP 0-9-1 (§2.3): methods, and messages in pieces.
//!
//! ```text
//!  type │ channel │ size │ payload │ 206
//!   1        2       4     size       1
//! ```

use bytes::{Buf as _, BufMut as _, BytesMut};

use crate::method::{Answer, BASIC, Request};
use crate::wire::{Fields, Malformed};

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const HEARTBEAT: u8 = 8;
const END: u8 = 206;

/// The bytes of a frame besides its payload.
const OVERHEAD: usize = 8;

/// The bytes of a frame that this side reads.
pub(crate) const FRAME_BYTES_MAX: u32 = 128 * 1024;

/// The bytes of a message that is read: RabbitMQ takes no larger one.
const MESSAGE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// The flags of the first two properties, which stand before the headers; and that of the headers.
const CONTENT_TYPE: u16 = 1 << 15;
const CONTENT_ENCODING: u16 = 1 << 14;
const HEADERS: u16 = 1 << 13;

/// A method or a message that has arrived on a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) channel: u16,
    pub(crate) answer: Answer,
    /// The content, if the method has one.
    pub(crate) message: Message,
}

/// The content of a delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its place in a stream.
    pub(crate) offset: Option<u64>,
    pub(crate) body: Vec<u8>,
}

/// A message of which frames are missing.
#[derive(Debug)]
struct Part {
    channel: u16,
    answer: Answer,
    message: Message,
    /// The bytes of its body, once the header has told them.
    size: Option<u64>,
}

impl Part {
    fn is_whole(&self) -> bool {
        self.size == Some(self.message.body.len() as u64)
    }

    fn take_header(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let mut fields = Fields(payload);
        fields.long()?;
        let size = Some(fields.longlong()?).filter(|size| *size <= MESSAGE_BYTES_MAX);
        if self.size.replace(size.ok_or(Malformed)?).is_some() {
            return Err(Malformed);
        }
        let flags = fields.short()?;
        for _ in [CONTENT_TYPE, CONTENT_ENCODING].iter().filter(|flag| flags & **flag != 0) {
            fields.shortstr()?;
        }
        if flags & HEADERS != 0 {
            let offset = fields.table()?.number("x-stream-offset");
            self.message.offset = offset.and_then(|offset| u64::try_from(offset).ok());
        }
        Ok(())
    }

    fn take_body(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let has = self.message.body.len() as u64 + payload.len() as u64;
        if self.size.is_none_or(|size| has > size) {
            return Err(Malformed);
        }
        self.message.body.extend_from_slice(payload);
        Ok(())
    }
}

/// Reads frames, and puts messages together. A server sends the messages of one channel at a time here.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    part: Option<Part>,
}

impl Frames {
    /// The next method or message; `None` if frames are missing.
    pub(crate) fn next(&mut self, arrived: &mut BytesMut) -> Result<Option<Arrival>, Malformed> {
        while let Some((kind, channel, length)) = head(arrived)? {
            let arrival = self.take(kind, channel, &arrived[OVERHEAD - 1..][..length]);
            arrived.advance(OVERHEAD + length);
            if let Some(arrival) = arrival? {
                return Ok(Some(arrival));
            }
        }
        Ok(None)
    }

    fn take(
        &mut self,
        kind: u8,
        channel: u16,
        payload: &[u8],
    ) -> Result<Option<Arrival>, Malformed> {
        match (kind, &mut self.part) {
            (METHOD, None) => {
                let (answer, message) = (Answer::read(payload)?, Message::default());
                if !answer.has_content() {
                    return Ok(Some(Arrival { channel, answer, message }));
                }
                self.part = Some(Part { channel, answer, message, size: None });
            }
            // Methods of another channel may come between the frames of a message.
            (METHOD, Some(part)) if part.channel != channel => {
                let (answer, message) = (Answer::read(payload)?, Message::default());
                let is_alone = !answer.has_content();
                return is_alone
                    .then_some(Some(Arrival { channel, answer, message }))
                    .ok_or(Malformed);
            }
            (HEADER, Some(part)) if part.channel == channel => part.take_header(payload)?,
            (BODY, Some(part)) if part.channel == channel => part.take_body(payload)?,
            (HEARTBEAT, _) => return Ok(None),
            _ => return Err(Malformed),
        }
        let whole = self.part.take_if(|part| part.is_whole());
        Ok(whole.map(|Part { channel, answer, message, .. }| Arrival { channel, answer, message }))
    }
}

/// The kind, the channel and the length of the first frame; `None` if it has not arrived as a whole.
fn head(arrived: &[u8]) -> Result<Option<(u8, u16, usize)>, Malformed> {
    let is_kind = |kind: &u8| matches!(*kind, METHOD | HEADER | BODY | HEARTBEAT);
    if !arrived.first().is_none_or(is_kind) {
        return Err(Malformed);
    }
    let Some(&[kind, high, low, a, b, c, d]) = arrived.first_chunk() else { return Ok(None) };
    let length = u32::from_be_bytes([a, b, c, d]);
    if length > FRAME_BYTES_MAX {
        return Err(Malformed);
    }
    let length = usize::try_from(length).map_err(|_| Malformed)?;
    match arrived.get(OVERHEAD - 1 + length) {
        None => Ok(None),
        Some(&END) => Ok(Some((kind, u16::from_be_bytes([high, low]), length))),
        Some(_) => Err(Malformed),
    }
}

/// Appends the frame of a method.
pub(crate) fn put_method(out: &mut BytesMut, channel: u16, request: &Request<'_>) {
    put(out, METHOD, channel, |out| request.write(out));
}

/// Appends the content of a message, in frames of this size.
pub(crate) fn put_content(out: &mut BytesMut, channel: u16, body: &[u8], frame_bytes_max: usize) {
    put(out, HEADER, channel, |out| {
        out.put_u16(BASIC);
        out.put_u16(0);
        out.put_u64(body.len() as u64);
        out.put_u16(0);
    });
    for piece in body.chunks(frame_bytes_max - OVERHEAD) {
        put(out, BODY, channel, |out| out.put_slice(piece));
    }
}

/// Appends a sign of life.
pub(crate) fn put_heartbeat(out: &mut BytesMut) {
    put(out, HEARTBEAT, 0, |_| {});
}

fn put(out: &mut BytesMut, kind: u8, channel: u16, payload: impl FnOnce(&mut BytesMut)) {
    out.put_u8(kind);
    out.put_u16(channel);
    let at = out.len();
    out.put_u32(0);
    payload(out);
    let length = u32::try_from(out.len() - at - 4).expect("a frame is below its bound");
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    out.put_u8(END);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{PutFields as _, Table, Value};

    /// A delivery with its offset, in frames of a size.
    fn delivery(offset: i64, body: &[u8], frame_bytes_max: usize) -> BytesMut {
        let mut out = BytesMut::new();
        put(&mut out, METHOD, 3, |out| {
            out.put_slice(&[0, 60, 0, 60]);
            out.put_shortstr("tag");
            out.put_u64(9);
            out.put_u8(0);
            out.put_shortstr("log");
            out.put_shortstr("word");
        });
        put(&mut out, HEADER, 3, |out| {
            out.put_slice(&[0, 60, 0, 0]);
            out.put_u64(body.len() as u64);
            out.put_u16(CONTENT_TYPE | HEADERS);
            out.put_shortstr("text");
            out.put_table(&Table::default().with("x-stream-offset", Value::Number(offset)));
        });
        for piece in body.chunks(frame_bytes_max - OVERHEAD) {
            put(&mut out, BODY, 3, |out| out.put_slice(piece));
        }
        out
    }

    fn expected(offset: u64, body: &[u8]) -> Arrival {
        Arrival {
            channel: 3,
            answer: Answer::Deliver { tag: 9, exchange: "log".into(), routing_key: "word".into() },
            message: Message { offset: Some(offset), body: body.into() },
        }
    }

    #[test]
    fn messages_are_put_together_wherever_they_are_cut() {
        for body in [&b""[..], b"x", &[7; 100]] {
            let bytes = delivery(5, body, 40);
            for cut in 0..bytes.len() {
                let (mut frames, mut arrived) = (Frames::default(), BytesMut::from(&bytes[..cut]));
                assert_eq!(frames.next(&mut arrived), Ok(None), "cut at {cut}");
                arrived.extend_from_slice(&bytes[cut..]);
                assert_eq!(frames.next(&mut arrived), Ok(Some(expected(5, body))), "cut at {cut}");
                assert!(arrived.is_empty());
            }
        }
    }

    #[test]
    fn heartbeats_and_methods_of_other_channels_come_between() {
        let mut bytes = delivery(5, b"abc", 40);
        let last = bytes.split_off(bytes.len() - 11);
        put_heartbeat(&mut bytes);
        put(&mut bytes, METHOD, 4, |out| out.put_slice(&[0, 20, 0, 41]));
        bytes.extend_from_slice(&last);
        let mut frames = Frames::default();
        let first = frames.next(&mut bytes).expect("it is well formed").expect("a method");
        assert_eq!((first.channel, first.answer), (4, Answer::ChannelCloseOk));
        assert_eq!(frames.next(&mut bytes), Ok(Some(expected(5, b"abc"))));
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let mut long = BytesMut::from(&[BODY, 0, 1][..]);
        long.put_u32(FRAME_BYTES_MAX + 1);
        let mut endless = BytesMut::new();
        put_heartbeat(&mut endless);
        *endless.last_mut().expect("a byte") = 0;
        let mut lone = BytesMut::new();
        put(&mut lone, BODY, 1, |out| out.put_u8(1));
        let http = BytesMut::from("HTTP/1.1 400 Bad Request\r\n\r\n");
        for mut bytes in [long, endless, lone, http, BytesMut::from("AMQP\0\0\x09\x01")] {
            assert_eq!(Frames::default().next(&mut bytes), Err(Malformed), "{bytes:?}");
        }
        // A body that is longer than its header says.
        let mut bytes = delivery(5, b"abc", 40);
        put(&mut bytes, BODY, 3, |out| out.put_u8(1));
        let mut frames = Frames::default();
        assert!(frames.next(&mut bytes).is_ok_and(|arrival| arrival.is_some()));
        assert_eq!(frames.next(&mut bytes), Err(Malformed));
    }

    #[test]
    fn content_is_written_in_frames_below_the_bound() {
        let mut out = BytesMut::new();
        put_content(&mut out, 1, &[1; 100], 48);
        let (mut sizes, mut bytes) = (Vec::new(), out);
        while let Ok(Some((kind, _, length))) = head(&bytes) {
            sizes.push((kind, length));
            bytes.advance(OVERHEAD + length);
        }
        assert_eq!(sizes, [(HEADER, 14), (BODY, 40), (BODY, 40), (BODY, 20)]);
    }
}
