//! One end of a connection, whichever: bytes in, texts out, and the other way round.

use sockeye_deflate::{Params, Session};
use sockeye_websocket::{
    Assembler, CloseCode, CloseFrame, Closed, Compression, Config, Connection, Event, Kind,
    MaskSource, Message, MessageCodec, Role, UsageError,
};

use crate::SharedEngine;

/// The longest message, compressed or not, in bytes.
const MESSAGE_BYTES_MAX: u64 = 1 << 20;

pub(crate) struct End {
    connection: Connection,
    assembler: Assembler,
    /// There if compression was agreed on.
    session: Option<Session>,
    engine: SharedEngine,
    deflated: Vec<u8>,
    /// The output. The sender clears it.
    pub(crate) out: Vec<u8>,
}

impl End {
    pub(crate) fn server(params: Option<Params>, engine: SharedEngine) -> Self {
        Self::new(Connection::server(&config(params)), params, engine)
    }

    pub(crate) fn client(
        params: Option<Params>,
        engine: SharedEngine,
        masks: Box<dyn MaskSource + Send>,
    ) -> Self {
        Self::new(Connection::client(&config(params), masks), params, engine)
    }

    fn new(connection: Connection, params: Option<Params>, engine: SharedEngine) -> Self {
        let role: Role = connection.role();
        Self {
            connection,
            assembler: Assembler::new(MESSAGE_BYTES_MAX),
            session: params.map(|params| Session::new(role, params)),
            engine,
            deflated: Vec::new(),
            out: Vec::new(),
        }
    }

    /// The next text in `input`, or `None` when that is used up.
    ///
    /// It is a copy, since it will be kept over an `await` while the buffer is filled again. If the
    /// peer breaks a rule there is nothing to do but to send `out`, which says so, and to look at
    /// [`expects_eof`](Self::expects_eof), as after a Close.
    pub(crate) fn hear(&mut self, input: &mut &mut [u8]) -> Option<String> {
        loop {
            let message = match self.connection.receive(input, &mut self.out) {
                Ok(Some(Event::Message(message))) => Ok(Some(message)),
                Ok(Some(Event::Piece(piece))) => {
                    let mut engine = self.engine.borrow_mut();
                    let mut codec = self.session.as_mut().map(|it| it.codec(&mut engine));
                    let codec = codec.as_mut().map(|codec| codec as &mut dyn MessageCodec);
                    self.assembler.push(piece, codec)
                }
                Ok(Some(Event::Ping(_) | Event::Pong(_) | Event::Close(_))) => Ok(None),
                Ok(None) => return None,
                Err(error) => {
                    println!("{:?}: {error}", self.connection.role());
                    return None;
                }
            };
            match message {
                Ok(Some(Message::Text(text))) => return Some(text.to_owned()),
                Ok(Some(Message::Binary(_))) => {
                    self.connection.fail(CloseCode::UNSUPPORTED_DATA, "text only", &mut self.out);
                }
                Ok(None) => {}
                Err(error) => self.connection.fail(error.close_code(), "", &mut self.out),
            }
        }
    }

    /// Says a text, compressed if that makes it shorter.
    pub(crate) fn say(&mut self, text: &str) -> Result<(), UsageError> {
        self.deflated.clear();
        let compressed = self.session.as_mut().is_some_and(|session| {
            let mut engine = self.engine.borrow_mut();
            session.codec(&mut engine).compress(text.as_bytes(), &mut self.deflated)
        });
        if compressed {
            self.connection.send_compressed(Kind::Text, &self.deflated, &mut self.out)
        } else {
            self.connection.send(Message::Text(text), &mut self.out)
        }
    }

    pub(crate) fn close(&mut self, frame: CloseFrame<'_>) -> Result<(), UsageError> {
        self.connection.close(Some(frame), &mut self.out)
    }

    pub(crate) fn expects_eof(&self) -> bool {
        self.connection.expects_eof()
    }

    pub(crate) fn receive_eof(&mut self) -> Closed {
        self.connection.receive_eof()
    }
}

fn config(params: Option<Params>) -> Config {
    let compression = match params {
        Some(_) => Compression::PerMessageDeflate,
        None => Compression::Off,
    };
    Config { compression, ..Config::default() }
}
