//! What comes on a connection, whatever form it has.

use sockeye_client::Limits;
use sockeye_client::sans_io::Exchange;
use sockeye_http1::{ResponseHead, chunked};
use sockeye_sse::{Item, Parser};
use sockeye_websocket::{Assembler, Config, Connection, Event, MaskKey, Message};

/// What a response's head leads to if it is a good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A body with a length, and the next response.
    Whole,
    WebSocket,
    EventStream,
}

/// Something that the server said.
pub(crate) enum Said<'a> {
    /// A whole response.
    Response {
        status: u16,
        head: &'a ResponseHead<'a, 'a>,
        body: &'a [u8],
    },
    /// The stream is open.
    Open,
    /// A WebSocket's message.
    Text(&'a str),
    /// An event, with its name, data and ID.
    Event(&'a str, &'a str, &'a str),
    /// An ID came without an event.
    Id(&'a str),
    Retry(u64),
    /// A Close frame.
    Close(u16, &'a str),
    /// The event stream has ended in good order.
    Finished,
}

pub(crate) enum Wire {
    /// A head is expected, or a body that belongs to it.
    Http(Box<Answers>),
    WebSocket(Box<(Connection, Assembler)>),
    Events(Box<(chunked::Decoder, Parser, String)>),
}

fn mask() -> MaskKey {
    MaskKey::new([1, 2, 3, 4])
}

impl Wire {
    pub(crate) fn new(form: Form) -> Self {
        Self::Http(Box::new(Answers {
            answer: Exchange::new("GET", Limits::DEFAULT),
            body: Vec::new(),
            form,
        }))
    }

    /// Takes what was read; what it said goes to `said`, what has to be answered to `out`.
    ///
    /// # Errors
    /// What the server did wrong.
    pub(crate) fn receive(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        said: &mut dyn FnMut(Said<'_>),
    ) -> Result<(), String> {
        match self {
            Self::WebSocket(inner) => frames(&mut inner.0, &mut inner.1, bytes, out, said),
            Self::Events(inner) => events(&mut inner.0, &mut inner.1, &mut inner.2, bytes, said),
            Self::Http(answers) => {
                let mut rest = bytes;
                if !answers.receive(&mut rest, said)? {
                    return Ok(());
                }
                said(Said::Open);
                *self = match answers.form {
                    Form::WebSocket => {
                        let connection = Connection::client(&Config::default(), Box::new(mask));
                        Self::WebSocket(Box::new((connection, Assembler::new(1 << 20))))
                    }
                    Form::EventStream | Form::Whole => {
                        let chunks = chunked::Decoder::new(chunked::Limits::DEFAULT);
                        Self::Events(Box::new((chunks, Parser::default(), String::new())))
                    }
                };
                self.receive(rest, out, said)
            }
        }
    }

    /// Writes a text message.
    pub(crate) fn write_text(&mut self, text: &str, out: &mut Vec<u8>) {
        if let Self::WebSocket(inner) = self {
            // A connection that is closing has been told so already.
            let _ = inner.0.send(Message::Text(text), out);
        }
    }
}

/// The responses on a connection, up to the one that opens a stream.
pub(crate) struct Answers {
    answer: Exchange,
    body: Vec<u8>,
    form: Form,
}

impl Answers {
    /// Tells of whole responses; true behind the head that opens a stream, whose bytes are left in `input`.
    fn receive(
        &mut self,
        input: &mut &mut [u8],
        said: &mut dyn FnMut(Said<'_>),
    ) -> Result<bool, String> {
        while self.answer.take_head(input).map_err(|error| error.to_string())? {
            let status = self.answer.with_head(|head| head.status().code());
            let opens = match self.form {
                Form::Whole => false,
                Form::WebSocket => status == 101,
                Form::EventStream => status == 200,
            };
            if opens {
                return Ok(true);
            }
            let mut rest = &**input;
            while let Some(piece) =
                self.answer.body(&mut rest).map_err(|error| error.to_string())?
            {
                self.body.extend_from_slice(piece);
            }
            let used = input.len() - rest.len();
            *input = &mut core::mem::take(input)[used..];
            if !self.answer.is_over() {
                return Ok(false);
            }
            let body = core::mem::take(&mut self.body);
            self.answer.with_head(|head| said(Said::Response { status, head, body: &body }));
            self.answer = Exchange::new("GET", Limits::DEFAULT);
        }
        Ok(false)
    }
}

/// The value of a field in a head.
pub(crate) fn field<'h>(head: &'h ResponseHead<'_, '_>, name: &str) -> Option<&'h str> {
    head.headers().single(name).ok().flatten()
}

fn frames(
    connection: &mut Connection,
    assembler: &mut Assembler,
    mut bytes: &mut [u8],
    out: &mut Vec<u8>,
    said: &mut dyn FnMut(Said<'_>),
) -> Result<(), String> {
    loop {
        let event = connection.receive(&mut bytes, out).map_err(|error| error.to_string())?;
        let message = match event {
            None => return Ok(()),
            Some(Event::Message(message)) => Some(message),
            Some(Event::Piece(piece)) => {
                assembler.push(piece, None).map_err(|error| format!("{error:?}"))?
            }
            Some(Event::Close(reason)) => {
                match reason {
                    Some(reason) => said(Said::Close(reason.code().to_u16(), reason.text())),
                    None => said(Said::Close(1005, "")),
                }
                None
            }
            Some(Event::Ping(_) | Event::Pong(_)) => None,
        };
        if let Some(Message::Text(text)) = message {
            said(Said::Text(text));
        }
    }
}

fn events(
    chunks: &mut chunked::Decoder,
    parser: &mut Parser,
    id: &mut String,
    bytes: &[u8],
    said: &mut dyn FnMut(Said<'_>),
) -> Result<(), String> {
    let mut input = bytes;
    while let Some(event) = chunks.next(&mut input).map_err(|error| error.to_string())? {
        let chunked::Event::Data(mut data) = event else {
            said(Said::Finished);
            return Ok(());
        };
        while let Some(item) = parser.next(&mut data).map_err(|error| error.to_string())? {
            match item {
                Item::Event(event) => {
                    said(Said::Event(event.event_type, event.data, event.last_event_id));
                }
                Item::Retry(ms) => said(Said::Retry(ms)),
                Item::Comment(_) => {}
            }
        }
        if parser.last_event_id() != id {
            id.clear();
            id.push_str(parser.last_event_id());
            said(Said::Id(id));
        }
    }
    Ok(())
}
