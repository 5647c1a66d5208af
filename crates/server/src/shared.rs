//! Messages and events that are encoded once and sent to many.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::rc::Rc;

use sockeye_deflate::gzip;
use sockeye_deflate::gzip::TextChecksum;
use sockeye_deflate::{Engine, Gzip, WindowBits};
use sockeye_http1::chunked;
use sockeye_reactor::Shared;
use sockeye_sse::Event;
use sockeye_websocket::{Compression, Config, Connection as Protocol, Kind, Limits, Message};

use crate::budget::{self, Budget};

/// A WebSocket message for many streams: [`Context::send_shared`](crate::Context::send_shared).
///
/// The plain frame is made at once. A compressed frame is made for each size of window that a recipient
/// has, when the first such recipient gets the message. A clone shares the memory. All recipients'
/// outboxes refer to one allocation, unless the frame is short and joins others that wait.
#[derive(Clone)]
pub struct SharedMessage(Rc<MessageForms>);

struct MessageForms {
    kind: Kind,
    /// The uncompressed frame.
    frame: Shared,
    /// Where its payload begins.
    payload_at: usize,
    /// The compressed frames, by window size, as they are asked for; `None`: not worth it.
    compressed: RefCell<Vec<(WindowBits, Option<Shared>)>>,
}

impl SharedMessage {
    /// A text message.
    pub fn text(text: &str) -> Self {
        Self::new(Message::Text(text))
    }

    /// A binary message.
    pub fn binary(bytes: &[u8]) -> Self {
        Self::new(Message::Binary(bytes))
    }

    fn new(message: Message<'_>) -> Self {
        let mut frame = Vec::new();
        encoder().send(message, &mut frame).expect("a fresh connection takes any message");
        let payload_at = frame.len() - message.as_bytes().len();
        Self(Rc::new(MessageForms {
            kind: message.kind(),
            frame: Shared::new(&frame),
            payload_at,
            compressed: RefCell::new(Vec::new()),
        }))
    }

    /// The message's payload.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.frame[self.0.payload_at..]
    }

    /// The uncompressed frame.
    pub(crate) fn frame(&self) -> &Shared {
        &self.0.frame
    }

    /// The frame compressed for a window of `bits`, or `None` if it is to go uncompressed.
    pub(crate) fn compressed(&self, bits: WindowBits, engine: &mut Engine) -> Option<Shared> {
        let mut forms = self.0.compressed.borrow_mut();
        if let Some((_, form)) = forms.iter().find(|(of, _)| *of == bits) {
            return form.clone();
        }
        let mut deflated = Vec::new();
        let form = engine.compress_shared(self.as_bytes(), bits, &mut deflated).then(|| {
            let mut frame = Vec::with_capacity(deflated.len() + 16);
            encoder()
                .send_compressed(self.0.kind, &deflated, &mut frame)
                .expect("a fresh connection takes any message");
            Shared::new(&frame)
        });
        forms.push((bits, form.clone()));
        form
    }
}

/// Shows the length only.
impl fmt::Debug for SharedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedMessage({:?}, {} bytes)", self.0.kind, self.as_bytes().len())
    }
}

/// A fresh server's end of a WebSocket. Frames of a server have no mask, so they suit every connection.
fn encoder() -> Protocol {
    let compression = Compression::PerMessageDeflate;
    Protocol::server(&Config { limits: Limits::default(), compression })
}

/// An event for many streams: [`Context::send_shared_event`](crate::Context::send_shared_event).
///
/// It is encoded once. Each form that a version of HTTP needs is made once, when it is first needed. A
/// clone shares the memory. All recipients' outboxes refer to one allocation, unless the event is short
/// and joins others that wait.
#[derive(Clone)]
pub struct SharedEvent(Rc<EventForms>);

struct EventForms {
    plain: Block,
    /// The same in gzip, once a stream wants it.
    coded: OnceCell<Box<CodedBlock>>,
    /// No part of it may be deflated.
    is_confidential: bool,
}

/// An event as a block of a stream in gzip.
pub(crate) struct CodedBlock {
    block: Block,
    /// The checksum of the plain text.
    pub(crate) text: TextChecksum,
}

/// An encoded block, in each form that a version of HTTP needs.
struct Block {
    /// The encoded block, until the first form takes it.
    encoded: Cell<Vec<u8>>,
    block_len: usize,
    /// The block as one chunk: what HTTP/1.1 clients get.
    chunk: OnceCell<Shared>,
    /// The block by itself, for HTTP/1.0, or if another layer frames it.
    block: OnceCell<Shared>,
}

impl SharedEvent {
    /// Encodes `event`.
    pub fn new(event: &Event<'_>) -> Self {
        Self::with(event, false)
    }

    /// Encodes an event with a secret and another's text in it. Streams in gzip get it without
    /// compression, because a length would tell how much of the secret that text repeats.
    pub fn confidential(event: &Event<'_>) -> Self {
        // [gzip:confidential]
        Self::with(event, true)
    }

    fn with(event: &Event<'_>, is_confidential: bool) -> Self {
        let mut block = Vec::new();
        event.encode(&mut block);
        let (plain, coded) = (Block::new(block), OnceCell::new());
        Self(Rc::new(EventForms { plain, coded, is_confidential }))
    }

    /// The encoded block.
    pub fn as_bytes(&self) -> &[u8] {
        match self.0.plain.chunk.get() {
            Some(chunk) => self.0.plain.block_in(chunk),
            None => self.block(),
        }
    }

    /// The block as one chunk.
    pub(crate) fn chunk(&self) -> &Shared {
        self.0.plain.chunk()
    }

    /// The block without a frame.
    pub(crate) fn block(&self) -> &Shared {
        self.0.plain.block()
    }

    /// The event for streams in gzip. The first of them pays for the compression, from `budget`.
    /// [gzip:once]
    pub(crate) fn coded(&self, gzip: &mut Gzip, budget: &mut Budget) -> &CodedBlock {
        self.0.coded.get_or_init(|| {
            let mut coded = Vec::new();
            let text = self.0.plain.read(|text| {
                if self.0.is_confidential || !gzip.tries(text) {
                    gzip::store(text, &mut coded);
                } else {
                    budget.spend(budget::of_gzip(text.len()));
                    gzip.block(text, &mut coded);
                }
                TextChecksum::of(text)
            });
            Box::new(CodedBlock { block: Block::new(coded), text })
        })
    }
}

impl CodedBlock {
    /// The block as one chunk.
    pub(crate) fn chunk(&self) -> &Shared {
        self.block.chunk()
    }

    /// The block without a frame.
    pub(crate) fn block(&self) -> &Shared {
        self.block.block()
    }
}

impl Block {
    fn new(encoded: Vec<u8>) -> Self {
        Self {
            block_len: encoded.len(),
            encoded: Cell::new(encoded),
            chunk: OnceCell::new(),
            block: OnceCell::new(),
        }
    }

    fn chunk(&self) -> &Shared {
        self.chunk.get_or_init(|| self.make_chunk())
    }

    fn block(&self) -> &Shared {
        self.block.get_or_init(|| match self.chunk.get() {
            Some(chunk) => Shared::new(self.block_in(chunk)),
            None => Shared::new(&self.encoded.take()),
        })
    }

    /// Reads the block, without making a form of it.
    fn read<T>(&self, read: impl FnOnce(&[u8]) -> T) -> T {
        match (self.chunk.get(), self.block.get()) {
            (Some(chunk), _) => read(self.block_in(chunk)),
            (None, Some(block)) => read(block),
            (None, None) => {
                let encoded = self.encoded.take();
                let result = read(&encoded);
                self.encoded.set(encoded);
                result
            }
        }
    }

    #[cold]
    fn make_chunk(&self) -> Shared {
        let mut chunk = Vec::with_capacity(self.block_len + 20);
        match self.block.get() {
            Some(block) => chunked::encode(block, &mut chunk),
            None => chunked::encode(&self.encoded.take(), &mut chunk),
        }
        Shared::new(&chunk)
    }

    /// The block inside its chunk.
    fn block_in<'c>(&self, chunk: &'c Shared) -> &'c [u8] {
        let end = chunk.len() - chunked::TAIL.len();
        &chunk[end - self.block_len..end]
    }
}

/// Shows the length only.
impl fmt::Debug for SharedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedEvent({} bytes)", self.0.plain.block_len)
    }
}

#[cfg(test)]
mod tests {
    use sockeye_deflate::{Engine, WindowBits};
    use sockeye_reactor::Shared;

    use super::{SharedEvent, SharedMessage};

    fn same(one: &Shared, other: &Shared) -> bool {
        one.as_ptr() == other.as_ptr()
    }

    #[test]
    fn each_form_is_made_once() {
        let text = "again and again ".repeat(100);
        let message = SharedMessage::text(&text);
        let mut engine = Engine::default();
        for bits in [WindowBits::MIN, WindowBits::MAX] {
            let first = message.compressed(bits, &mut engine).expect("it is worth it");
            let second = message.clone().compressed(bits, &mut engine).expect("it is worth it");
            assert!(same(&first, &second));
        }
        assert_eq!(message.0.compressed.borrow().len(), 2, "one for each window");
        assert_eq!(message.as_bytes(), text.as_bytes());
    }

    #[test]
    fn an_event_has_the_forms_that_were_asked_for() {
        let new = || SharedEvent::new(&sockeye_sse::Event::message("again"));
        let (block, chunk) = (&b"data: again\n\n"[..], &b"d\r\ndata: again\n\n\r\n"[..]);
        let chunk_first = new();
        assert_eq!((&**chunk_first.chunk(), chunk_first.0.plain.block.get()), (chunk, None));
        assert_eq!(chunk_first.as_bytes(), block);
        assert!(chunk_first.0.plain.block.get().is_none(), "the chunk has its bytes");
        let block_first = new();
        assert_eq!((&**block_first.block(), block_first.0.plain.chunk.get()), (block, None));
        for event in [chunk_first, block_first, new()] {
            assert_eq!(
                (event.as_bytes(), &**event.block(), &**event.chunk()),
                (block, block, chunk)
            );
            assert!(same(event.block(), event.clone().block()));
            assert!(same(event.chunk(), event.clone().chunk()));
        }
    }

    #[test]
    fn what_is_not_worth_it_is_tried_once() {
        let message = SharedMessage::binary(b"short");
        let mut engine = Engine::default();
        assert_eq!(message.compressed(WindowBits::MAX, &mut engine), None);
        assert_eq!(message.compressed(WindowBits::MAX, &mut engine), None);
        assert_eq!(message.0.compressed.borrow().len(), 1);
        assert_eq!(&**message.frame(), b"\x82\x05short");
    }
}
