//! A subscriber's event stream.

use sockeye_http1::ResponseFraming;
use sockeye_sse::{Item, Parser};

use crate::simulation::oracle::Held;
use crate::simulation::said::{self, Data, Message, Said};
use crate::simulation::truth::Position;
use crate::simulation::wire::{Chunks, Response, Wire};

pub(crate) struct Events {
    pub(crate) wire: Wire,
    envelope: bool,
    /// What was asked for.
    pub(crate) targets: Vec<String>,
    body: Option<Chunks>,
    parser: Parser,
    /// The ID as it was when somebody looked.
    id: String,
    /// Not a stream but an answer, with this status.
    pub(crate) refused: Option<u16>,
    /// The body came to its end.
    complete: bool,
    /// The body is in gzip.
    pub(crate) is_coded: bool,
}

impl Events {
    pub(crate) fn new(mut wire: Wire, request: &str, targets: &[String], envelope: bool) -> Self {
        wire.write(request.as_bytes());
        let (body, id) = (None, String::new());
        let parser = Parser::default();
        let targets = targets.to_vec();
        Self {
            wire,
            envelope,
            targets,
            body,
            parser,
            id,
            refused: None,
            complete: false,
            is_coded: false,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.wire.over || self.complete || self.refused.is_some()
    }

    /// What has come.
    pub(crate) fn receive(&mut self, said: &mut Vec<Said>) {
        self.wire.read();
        if self.body.is_none() {
            let Some(head) = self.wire.take_head() else { return };
            if head.status != 200 {
                self.refused = Some(head.status);
                return;
            }
            assert_eq!(head.framing, ResponseFraming::Chunked);
            self.is_coded = head.is_coded;
            self.body = Some(Chunks::new(head.is_coded));
        }
        let Some(chunks) = &mut self.body else { return };
        let (data, ended) = chunks.decode(&self.wire.take());
        self.complete |= ended;
        for line in data.split_inclusive(|byte| *byte == b'\n') {
            self.read_line(line, said);
        }
    }

    fn read_line(&mut self, mut line: &[u8], said: &mut Vec<Said>) {
        let before = said.len();
        while let Some(item) = self.parser.next(&mut line).expect("within the limits") {
            let Item::Event(event) = item else { continue };
            let name = event.event_type;
            said.push(match name {
                _ if name.starts_with("$error") => {
                    panic!("refused: {}", event.data);
                }
                _ if name.starts_with('$') => said::control(name, event.data),
                _ if self.envelope => {
                    assert_eq!(name, "message", "an envelope has its name inside");
                    said::envelope(event.data)
                }
                _ => Said::Message(Message {
                    at: Position::parse(event.last_event_id),
                    data: Data::Bare(event.data.to_owned()),
                    envelope: None,
                    event: (name != "message").then(|| name.to_owned()),
                }),
            });
        }
        let id = self.parser.last_event_id();
        if id == self.id && said.len() == before {
            return;
        }
        let moved = id != self.id;
        self.id = id.to_owned();
        let at = || Position::parse(&self.id);
        match said[before..].last() {
            None => said.push(Said::Cursor(at())),
            Some(Said::Message(Message { at: told, .. })) => assert_eq!(*told, at(), "its ID"),
            Some(Said::End { at: told, .. } | Said::Sync { at: told, .. }) => {
                assert_eq!(*told, at(), "its ID");
            }
            Some(Said::Goaway { at: told, .. }) => assert_eq!(*told, at(), "its ID"),
            Some(other) => assert!(!moved, "{other:?} has no place"),
        }
    }
}

/// A poll's connection: one request after the other.
pub(crate) struct Polls {
    pub(crate) wire: Wire,
    response: Response,
    /// What is asked: whether it waits, and for which targets.
    pub(crate) asked: Option<Asked>,
}

#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) targets: Vec<String>,
    pub(crate) waits: bool,
    /// The cursor behind the answer whose tag it shows.
    pub(crate) since: Option<Held>,
    /// Entries in the log when it was asked.
    pub(crate) settled: u64,
}

/// What a poll came to.
#[derive(Debug)]
pub(crate) struct Polled {
    pub(crate) asked: Asked,
    pub(crate) status: u16,
    pub(crate) etag: Option<String>,
    pub(crate) cursor: Option<Position>,
    pub(crate) body: String,
}

impl Polls {
    pub(crate) fn new(wire: Wire) -> Self {
        Self { wire, response: Response::default(), asked: None }
    }

    pub(crate) fn ask(&mut self, request: &str, asked: Asked) {
        self.wire.write(request.as_bytes());
        self.asked = Some(asked);
    }

    pub(crate) fn receive(&mut self) -> Option<Polled> {
        self.wire.read();
        let (head, body) = self.response.take(&mut self.wire)?;
        let asked = match self.asked.take() {
            Some(asked) => asked,
            // Its head took too long.
            None if head.status == 408 => return None,
            None => panic!("{head:?} to nothing"),
        };
        let cursor = head.cursor.map(|text| Position::parse(&text));
        Some(Polled { asked, status: head.status, etag: head.etag, cursor, body })
    }
}
