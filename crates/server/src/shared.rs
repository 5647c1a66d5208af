//! What is encoded once and sent to many.

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::rc::Rc;

use sockeye_deflate::{Engine, WindowBits};
use sockeye_http1::chunked;
use sockeye_reactor::Shared;
use sockeye_sse::Event;
use sockeye_websocket::{Compression, Config, Connection as Protocol, Kind, Limits, Message};

/// A WebSocket message for many streams: [`Context::send_shared`](crate::Context::send_shared).
///
/// Its frame is made once, and once more for each size of compression window that a recipient has.
/// A clone is the same message and costs a counter. All recipients' outboxes refer to one
/// allocation, unless the frame is short and joins others that wait.
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

/// A server's end on which nothing happened yet: its frames are those of every other.
fn encoder() -> Protocol {
    let compression = Compression::PerMessageDeflate;
    Protocol::server(&Config { limits: Limits::default(), compression })
}

/// An event for many streams: [`Context::send_shared_event`](crate::Context::send_shared_event).
///
/// It is encoded once. A clone is the same event and costs a counter. All recipients' outboxes refer
/// to one allocation, unless the event is short and joins others that wait.
#[derive(Clone)]
pub struct SharedEvent(Rc<EventForms>);

struct EventForms {
    /// The block as one chunk: what HTTP/1.1 clients get.
    chunk: Shared,
    block_at: usize,
    block_len: usize,
    /// The block by itself, for HTTP/1.0 clients, once there is one.
    block: OnceCell<Shared>,
}

impl SharedEvent {
    /// Encodes `event`.
    pub fn new(event: &Event<'_>) -> Self {
        let mut block = Vec::new();
        event.encode(&mut block);
        let mut chunk = Vec::with_capacity(block.len() + 20);
        chunked::encode(&block, &mut chunk);
        let block_at = chunk.len() - chunked::TAIL.len() - block.len();
        let (chunk, block_len) = (Shared::new(&chunk), block.len());
        Self(Rc::new(EventForms { chunk, block_at, block_len, block: OnceCell::new() }))
    }

    /// The encoded block.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.chunk[self.0.block_at..self.0.block_at + self.0.block_len]
    }

    pub(crate) fn chunk(&self) -> &Shared {
        &self.0.chunk
    }

    pub(crate) fn block(&self) -> &Shared {
        self.0.block.get_or_init(|| Shared::new(self.as_bytes()))
    }
}

/// Shows the length only.
impl fmt::Debug for SharedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedEvent({} bytes)", self.0.block_len)
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
        let event = SharedEvent::new(&sockeye_sse::Event::message(&text));
        assert!(same(event.block(), event.clone().block()));
        assert!(event.chunk().windows(event.as_bytes().len()).any(|w| w == &**event.block()));
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
