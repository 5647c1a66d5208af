//! A WebSocket that speaks `sockeye.v1.json`, of a subscriber or a publisher.

use sockeye_websocket::{Assembler, Config, Connection, Event, MaskKey, Message, Piece};

use crate::simulation::said::{self, Said};
use crate::simulation::wire::Wire;

pub(crate) struct Socket {
    pub(crate) wire: Wire,
    open: Option<Open>,
    /// The status, if it is not what a handshake is answered with.
    pub(crate) refused: Option<u16>,
    closed: bool,
}

struct Open {
    protocol: Connection,
    assembler: Assembler,
}

impl Socket {
    pub(crate) fn new(mut wire: Wire) -> Self {
        wire.write(
            b"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
              Sec-WebSocket-Protocol: sockeye.v1.json\r\n\r\n",
        );
        Self { wire, open: None, refused: None, closed: false }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some() && !self.is_over()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.wire.over || self.closed || self.refused.is_some()
    }

    pub(crate) fn send(&mut self, text: &str) {
        let Some(open) = &mut self.open else { return };
        let mut out = Vec::new();
        // After the server's Close there is nobody to tell.
        let _ = open.protocol.send(Message::Text(text), &mut out);
        self.wire.write(&out);
    }

    pub(crate) fn receive(&mut self, said: &mut Vec<Said>) {
        self.wire.read();
        if self.open.is_none() {
            let Some(head) = self.wire.take_head() else { return };
            if head.status != 101 {
                self.refused = Some(head.status);
                return;
            }
            self.open = Some(Open::new());
        }
        let Some(open) = &mut self.open else { return };
        let mut bytes = self.wire.take();
        let (mut input, mut out) = (&mut bytes[..], Vec::new());
        let event = |open: &mut Open, input: &mut &mut [u8], out: &mut Vec<u8>| {
            let event = open.protocol.receive(input, out).expect("the server keeps the rules");
            match event {
                None => None,
                Some(Event::Message(Message::Text(text))) => Some(Some(said::word(text))),
                Some(Event::Message(Message::Binary(_))) => panic!("the subprotocol is text"),
                Some(Event::Piece(piece)) => Some(open.assemble(piece)),
                Some(Event::Ping(_) | Event::Pong(_)) => Some(None),
                Some(Event::Close(_)) => {
                    self.closed = true;
                    Some(None)
                }
            }
        };
        let mut event = event;
        while let Some(word) = event(open, &mut input, &mut out) {
            said.extend(word);
        }
        self.wire.write(&out);
        if self.closed {
            self.wire.shutdown();
        }
    }
}

impl Open {
    fn new() -> Self {
        let masks = || MaskKey::new([1, 2, 3, 4]);
        let protocol = Connection::client(&Config::default(), Box::new(masks));
        Self { protocol, assembler: Assembler::new(1 << 20) }
    }

    fn assemble(&mut self, piece: Piece<'_>) -> Option<Said> {
        match self.assembler.push(piece, None).expect("a message in pieces") {
            None => None,
            Some(Message::Text(text)) => Some(said::word(text)),
            Some(Message::Binary(_)) => panic!("the subprotocol is text"),
        }
    }
}
