//! What comes on a connection, whatever form it has.

use sockeye_http1::chunked;
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
        head: &'a str,
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

/// Bytes of a head, at the most.
const HEAD_BYTES_MAX: usize = 64 * 1024;

pub(crate) enum Wire {
    /// A head is expected, or a body that belongs to it.
    Http {
        held: Vec<u8>,
        form: Form,
    },
    WebSocket(Box<(Connection, Assembler)>),
    Events(Box<(chunked::Decoder, Parser, String)>),
}

fn mask() -> MaskKey {
    MaskKey::new([1, 2, 3, 4])
}

impl Wire {
    pub(crate) const fn new(form: Form) -> Self {
        Self::Http { held: Vec::new(), form }
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
            Self::Http { held, form } => {
                held.extend_from_slice(bytes);
                let form = *form;
                let Some(mut rest) = responses(held, form, said)? else { return Ok(()) };
                said(Said::Open);
                *self = match form {
                    Form::WebSocket => {
                        let connection = Connection::client(&Config::default(), Box::new(mask));
                        Self::WebSocket(Box::new((connection, Assembler::new(1 << 20))))
                    }
                    Form::EventStream | Form::Whole => {
                        let chunks = chunked::Decoder::new(chunked::Limits::DEFAULT);
                        Self::Events(Box::new((chunks, Parser::default(), String::new())))
                    }
                };
                self.receive(&mut rest, out, said)
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

/// Takes responses from the front of `held`; gives what follows a head that opens a stream.
fn responses(
    held: &mut Vec<u8>,
    form: Form,
    said: &mut dyn FnMut(Said<'_>),
) -> Result<Option<Vec<u8>>, String> {
    let mut used = 0;
    let opened = loop {
        let rest = &held[used..];
        let Some(head_len) = head_len(rest) else {
            if rest.len() > HEAD_BYTES_MAX {
                return Err("a head without end".into());
            }
            break false;
        };
        let head = core::str::from_utf8(&rest[..head_len]).map_err(|_| "a head that is no text")?;
        let status = head.get(9..12).and_then(|text| text.parse().ok());
        let status: u16 = status.ok_or("a head without a status")?;
        let opens = match form {
            Form::Whole => false,
            Form::WebSocket => status == 101,
            Form::EventStream => status == 200,
        };
        if opens {
            used += head_len;
            break true;
        }
        let len = field(head, "content-length").map_or(Ok(0), str::parse::<usize>);
        let end = head_len + len.map_err(|_| "a length that is no number")?;
        let Some(body) = rest.get(head_len..end) else { break false };
        said(Said::Response { status, head, body });
        used += end;
    };
    held.drain(..used);
    Ok(opened.then(|| core::mem::take(held)))
}

fn head_len(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// The value of a field in a head.
pub(crate) fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
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
